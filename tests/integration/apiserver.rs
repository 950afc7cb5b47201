//! The ingress controller before an API server that fails: what was good serves on, and what has changed meanwhile is
//! served afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Authority, Client, Cluster, Lists, Refusal, cluster, eventually, ingress, origin, service, slice, until,
};

#[tokio::test]
async fn a_watch_whose_beginning_is_gone_begins_anew() {
    for by_status in [false, true] {
        let cluster = cluster().run().await;
        cluster.api.is_watched("ingresses").await;
        cluster.api.put("ingresses", ingress("new", "posts"));
        // Of what has just been put, nobody is told any more.
        cluster.api.forget(by_status);
        cluster.is_served_while(cluster.serves("new", "posts")).await;
        cluster.learns("newer").await;
    }
}

#[tokio::test]
async fn everything_is_listed_and_watched_whatever_the_server_knows_of_streamed_lists() {
    for (lists, listed) in [(Lists::Streamed, (1, 0)), (Lists::ByPages, (1, 1)), (Lists::Unended, (1, 1))] {
        let builder = cluster().listing(lists);
        // Who has never heard of them ends such a watch as any: when it has been open for long enough.
        let builder = if lists == Lists::Unended { builder.silence(Duration::from_secs(7)) } else { builder };
        let cluster = builder.run().await;
        cluster.learns("new").await;
        assert_eq!(cluster.api.listed("ingresses"), listed, "{lists:?}");
        // Whether it does was found out.
        cluster.api.forget(false);
        cluster.learns("newer").await;
        let (streams, pages) = listed;
        assert_eq!(cluster.api.listed("ingresses"), (2 * streams - pages, 2 * pages), "{lists:?}");
    }
}

#[tokio::test]
async fn a_streamed_list_that_fails_is_asked_for_page_by_page() {
    let cluster = cluster().run().await;
    cluster.api.refuse("ingresses", Refusal::new(500, "InternalError"));
    cluster.api.forget(false);
    eventually("it has failed", || cluster.api.asked("ingresses").iter().any(|asked| asked.status == 500)).await;
    cluster.api.relent();
    cluster.learns("new").await;
    assert!(cluster.api.listed("ingresses").1 > 0);
}

#[tokio::test]
async fn a_streamed_list_that_is_cut_off_says_nothing_about_the_next_one() {
    let cluster = cluster().run().await;
    let streamed = || cluster.api.listed("ingresses").0;
    let before = streamed();
    cluster.api.refuse("ingresses", Refusal::plain(200, ""));
    cluster.api.forget(false);
    eventually("one is cut off", || streamed() > before).await;
    cluster.api.relent();
    cluster.learns("new").await;
    let before = streamed();
    cluster.api.forget(false);
    eventually("another one is streamed", || streamed() > before).await;
    cluster.learns("newer").await;
}

#[tokio::test]
async fn a_watch_that_hangs_is_given_up() {
    let cluster = cluster().silence(Duration::from_secs(2)).run().await;
    cluster.api.is_watched("ingresses").await;
    cluster.api.hush("ingresses");
    cluster.learns("new").await;
}

#[tokio::test]
async fn an_object_that_nobody_can_read_hides_no_other() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    let mut broken = ingress("broken", "posts");
    broken["spec"]["rules"] = json!("none");
    cluster.api.put("ingresses", broken);
    cluster.api.put("ingresses", json!({ "spec": {} }));
    cluster.api.put("ingresses", json!({ "metadata": 5 }));
    cluster.learns("new").await;
    // And if it is in a list.
    cluster.api.put("ingresses", ingress("newer", "posts"));
    cluster.api.forget(false);
    cluster.is_served_while(cluster.serves("newer", "posts")).await;
    cluster.learns("newest").await;
    assert_eq!(cluster.served_by("broken").await, None);
    cluster.learns("broken").await;
}

#[tokio::test]
async fn an_object_that_has_become_unreadable_is_served_as_it_was() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    let mut broken = ingress("site", "posts");
    broken["spec"]["rules"][0]["http"] = json!(["wrong"]);
    cluster.api.put("ingresses", broken);
    cluster.learns("new").await;
    cluster.api.forget(false);
    cluster.learns("newer").await;
    cluster.api.delete("ingresses", "default", "site");
    eventually_not(&cluster, "site").await;
}

#[tokio::test]
async fn the_endpoints_of_one_service_do_not_depend_on_those_of_another() {
    let cluster = cluster().run().await;
    let other = origin("other").run().await;
    cluster.api.is_watched("endpointslices").await;
    let mut broken = slice("broken", &other);
    broken["ports"][0]["port"] = json!("http");
    cluster.api.put("endpointslices", broken);
    cluster.api.put("endpointslices", slice("posts", &other));
    cluster.serves("site", "other").await;
    cluster.api.put("endpointslices", slice("posts", &cluster.posts));
    cluster.api.forget(true);
    cluster.serves("site", "posts").await;
}

#[tokio::test]
async fn after_a_line_that_is_no_json_everything_is_listed_again() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    let lists = || cluster.api.listed("ingresses").0;
    let before = lists();
    cluster.api.say("ingresses", "]] nonsense");
    cluster.is_served_while(eventually("what was in it may be missing", || lists() > before)).await;
    cluster.learns("new").await;
}

#[tokio::test]
async fn a_server_that_was_put_back_to_an_older_state_is_believed() {
    let cluster = cluster().run().await;
    let backup = cluster.api.backup();
    for host in ["one", "two", "three"] {
        cluster.learns(host).await;
    }
    cluster.api.restore(backup).await;
    cluster.is_served_while(eventually_not(&cluster, "three")).await;
    cluster.learns("new").await;
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_waited_for() {
    let refusals = [
        Refusal::new(429, "TooManyRequests").after(1),
        Refusal::plain(429, "Too many requests, please try again later.\n").after(1),
        Refusal::new(500, "InternalError"),
        Refusal::plain(502, "<html>\n<head>\n<title>502</title>\n</head>\n<body>\n</body>\n</html>\n"),
        Refusal::plain(503, ""),
        Refusal::plain(500, ""),
    ];
    let is_waited_for = async |refusal| {
        let cluster = cluster().run().await;
        cluster.api.is_watched("ingresses").await;
        cluster.api.refuse("", refusal);
        cluster.api.put("ingresses", ingress("new", "posts"));
        cluster.api.end_watches("ingresses");
        let before = cluster.api.asked("ingresses").len();
        cluster.is_served_while(pauses_grow(&cluster, before)).await;
        cluster.api.relent();
        cluster.is_served_while(cluster.serves("new", "posts")).await;
    };
    // Side by side, since all of them are mostly pauses.
    join_all(refusals.map(is_waited_for)).await;
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_not_asked_in_haste() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    cluster.api.refuse("ingresses", Refusal::plain(200, ""));
    cluster.api.end_watches("ingresses");
    let before = cluster.api.asked("ingresses").len();
    pauses_grow(&cluster, before).await;
    let failed = cluster.proxy.metric("moorline_kubernetes_watch_errors_total{kind=\"Ingress\"}").await;
    assert!(failed >= Some(3.0), "{failed:?}");
    cluster.api.relent();
    cluster.learns("new").await;
}

/// Waits until it has been asked for four times, counted from `before`. Between them there were pauses that grow, or are long
/// from the beginning where the server has too much to do.
async fn pauses_grow(cluster: &Cluster, before: usize) {
    let asked = || cluster.api.asked("ingresses").split_off(before);
    eventually("it is asked again", || asked().len() >= 4).await;
    let asked = asked();
    let last = asked[3].at - asked[2].at;
    // 400 ms at least. Were it as long as the first, it would be 200 at most.
    assert!(last >= Duration::from_millis(400) && asked.len() < 20, "in haste: {} after {last:?}", asked.len());
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let cluster = cluster().run().await;
    cluster.api.stop().await;
    cluster.api.put("ingresses", ingress("new", "posts"));
    let failed = async || cluster.proxy.metric("moorline_kubernetes_watch_errors_total{kind=\"Ingress\"}").await;
    cluster.is_served_while(until("it has failed three times", async || failed().await >= Some(3.0))).await;
    cluster.api.start();
    cluster.is_served_while(cluster.serves("new", "posts")).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
    let cluster = cluster().begin().await;
    cluster.api.refuse("", Refusal::new(500, "InternalError"));
    eventually("it has been asked", || cluster.api.asked("ingresses").iter().any(|asked| asked.status == 500)).await;
    assert_eq!(cluster.served_by("site").await, None);
    cluster.api.relent();
    cluster.serves("site", "posts").await;
}

#[tokio::test]
async fn a_token_that_has_changed_is_sent_from_the_next_request_on() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    assert!(cluster.api.asked("").iter().all(|asked| asked.token == "first"));
    cluster.token("second\n");
    cluster.api.accept_tokens(&["second"]);
    cluster.api.end_watches("ingresses");
    cluster.learns("new").await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_tried_until_there_is_another() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    cluster.api.accept_tokens(&["second"]);
    cluster.api.put("ingresses", ingress("new", "posts"));
    cluster.api.forget(false);
    let refused = || cluster.api.asked("ingresses").iter().any(|asked| asked.status == 401);
    cluster.is_served_while(eventually("it is refused", refused)).await;
    cluster.token("second");
    cluster.is_served_while(cluster.serves("new", "posts")).await;
}

#[tokio::test]
async fn a_service_in_a_namespace_that_is_not_watched_is_published() {
    let cluster = cluster().watching("default").publishing("front", "moorline").run().await;
    let mut front = service("moorline");
    front["metadata"]["namespace"] = json!("front");
    front["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } });
    cluster.api.put("services", front);
    let published = || {
        let site = cluster.api.object("ingresses", "default", "site").expect("it is there");
        site["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7"
    };
    eventually("its address is in the status", published).await;
}

#[tokio::test]
async fn a_published_service_that_may_not_be_seen_keeps_nothing_from_being_served() {
    let cluster = cluster().watching("default").publishing("front", "moorline").begin().await;
    cluster.api.refuse_in("front", Refusal::new(403, "Forbidden"));
    cluster.serves("site", "posts").await;
    cluster.learns("new").await;
}

/// A Secret with a certificate for a host.
fn secret(namespace: &str, name: &str, (cert, key): (&str, &str)) -> Value {
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    json!({
        "metadata": { "name": name, "namespace": namespace },
        "data": { "tls.crt": encoded(cert), "tls.key": encoded(key) },
    })
}

#[tokio::test]
async fn a_certificate_that_could_not_be_read_at_first_is_shown_nevertheless() {
    let authority = Authority::new();
    let (der, cert, key) = authority.made(&["site"]);
    let cluster = cluster().watching("default").showing("front", "default-tls").begin().await;
    cluster.api.refuse_in("front", Refusal::new(500, "InternalError"));
    cluster.api.put("secrets", secret("front", "default-tls", (&cert, &key)));
    eventually("it has been asked for", || cluster.api.asked("secrets").iter().any(|asked| asked.status == 500)).await;
    cluster.api.relent();
    cluster.serves("site", "posts").await;
    cluster.proxy.shows("site", &der).await;
}

#[tokio::test]
async fn a_certificate_is_read_again_when_an_ingress_that_names_it_changes_and_no_other_is() {
    let authority = Authority::new();
    let cluster = cluster().run().await;
    let with_tls = |host: &str| {
        let mut object = ingress(host, "posts");
        object["spec"]["tls"] = json!([{ "hosts": [host], "secretName": format!("{host}-tls") }]);
        object
    };
    let issue = |host: &str| {
        let (der, cert, key) = authority.made(&[host]);
        cluster.api.put("secrets", secret("default", &format!("{host}-tls"), (&cert, &key)));
        cluster.api.put("ingresses", with_tls(host));
        der
    };
    let (first, other) = (issue("changing"), issue("bystander"));
    cluster.proxy.shows("changing", &first).await;
    cluster.proxy.shows("bystander", &other).await;
    let renewed = issue("changing");
    let mut object = with_tls("changing");
    object["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/proxy-body-size": "2m" });
    cluster.api.put("ingresses", object);
    cluster.proxy.shows("changing", &renewed).await;
    let reads = |host: &str| {
        let name = format!("{host}-tls");
        cluster.api.asked("secrets").iter().filter(|asked| asked.name == name).count()
    };
    // When all have their turn, the bystander's comes first.
    assert!(reads("changing") > reads("bystander"), "nobody asked for the other one's");
}

#[tokio::test]
async fn a_default_backend_whose_endpoints_would_never_be_known_is_refused() {
    let said = cluster().watching("default").defaulting_to("other", "posts").refused().await;
    assert_eq!(
        said,
        "the default backend other/posts is in a namespace that is not watched: add that to --watch-namespace"
    );
}

#[tokio::test]
async fn its_ports_are_open_over_ipv4_and_ipv6_and_a_client_of_ipv4_is_one() {
    let cluster = cluster().run().await;
    let mut closed = ingress("closed", "posts");
    closed["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/whitelist-source-range": "127.0.0.0/8" });
    cluster.api.put("ingresses", closed);
    cluster.learns("later").await;
    for (address, status) in [(IpAddr::from(Ipv4Addr::LOCALHOST), 200), (Ipv6Addr::LOCALHOST.into(), 403)] {
        // A system without IPv6 has nothing to connect to.
        if std::net::TcpListener::bind((address, 0)).is_ok() {
            let mut client = Client::connect(SocketAddr::new(address, cluster.proxy.address.port())).await;
            let response = client.request("GET / HTTP/1.1\r\nHost: site\r\n", "").await;
            assert_eq!(response.seen("x-forwarded-for"), Some(address.to_string()));
            client.request("GET / HTTP/1.1\r\nHost: closed\r\n", "").await.expect(status);
        }
    }
}

/// Waits until nobody serves a host.
async fn eventually_not(cluster: &Cluster, host: &str) {
    until(&format!("{host} is served by nobody"), async || cluster.served_by(host).await.is_none()).await;
}
