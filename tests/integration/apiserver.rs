//! The ingress controller before an API server that fails: what was good serves on, and what has changed meanwhile is
//! served afterwards.

use std::time::Duration;

use base64::Engine;
use serde_json::json;

use crate::support::{Authority, Browser, PATIENCE, Refusal, cluster, eventually, ingress, origin, service, slice};

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
    let lists = || cluster.api.asked("ingresses").iter().filter(|asked| !asked.query.contains("watch=true")).count();
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
    for refusal in [
        Refusal::new(429, "TooManyRequests").after(1),
        Refusal::plain(429, "Too many requests, please try again later.\n").after(1),
        Refusal::new(500, "InternalError"),
        Refusal::plain(502, "<html>\n<head>\n<title>502</title>\n</head>\n<body>\n</body>\n</html>\n"),
        Refusal::plain(503, ""),
        Refusal::plain(500, ""),
    ] {
        let cluster = cluster().run().await;
        cluster.api.is_watched("ingresses").await;
        cluster.api.refuse("", refusal.clone());
        cluster.api.put("ingresses", ingress("new", "posts"));
        cluster.api.end_watches("ingresses");
        let before = cluster.api.asked("ingresses").len();
        let asked = || cluster.api.asked("ingresses").len() - before;
        cluster.is_served_while(eventually("it is asked again", || asked() >= 3)).await;
        assert!(asked() < 20, "not in haste: {refusal:?}, {}", asked());
        cluster.api.relent();
        cluster.is_served_while(cluster.serves("new", "posts")).await;
    }
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_not_asked_in_haste() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("ingresses").await;
    cluster.api.refuse("ingresses", Refusal::plain(200, ""));
    cluster.api.end_watches("ingresses");
    let before = cluster.api.asked("ingresses").len();
    let failed = async || cluster.proxy.metric("moorline_kubernetes_watch_errors_total{kind=\"Ingress\"}").await;
    while failed().await < Some(3.0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(cluster.api.asked("ingresses").len() - before < 20);
    cluster.api.relent();
    cluster.learns("new").await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let cluster = cluster().run().await;
    cluster.api.stop().await;
    cluster.api.put("ingresses", ingress("new", "posts"));
    let failed = async || cluster.proxy.metric("moorline_kubernetes_watch_errors_total{kind=\"Ingress\"}").await;
    cluster
        .is_served_while(async {
            while failed().await < Some(3.0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
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

#[tokio::test]
async fn a_certificate_that_could_not_be_read_at_first_is_shown_nevertheless() {
    let authority = Authority::new();
    let (der, cert, key) = authority.made(&["site"]);
    let cluster = cluster().watching("default").showing("front", "default-tls").begin().await;
    cluster.api.refuse_in("front", Refusal::new(500, "InternalError"));
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    cluster.api.put(
        "secrets",
        json!({
            "metadata": { "name": "default-tls", "namespace": "front" },
            "data": { "tls.crt": encoded(&cert), "tls.key": encoded(&key) },
        }),
    );
    eventually("it has been asked for", || cluster.api.asked("secrets").iter().any(|asked| asked.status == 500)).await;
    cluster.api.relent();
    cluster.serves("site", "posts").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while Browser::careless().connect(cluster.proxy.tls(), "site").await.shown() != der {
        assert!(tokio::time::Instant::now() < deadline, "another one is shown");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_default_backend_whose_endpoints_would_never_be_known_is_refused() {
    let said = cluster().watching("default").defaulting_to("other", "posts").refused().await;
    assert_eq!(
        said,
        "the default backend other/posts is in a namespace that is not watched: add that to --watch-namespace"
    );
}

/// Waits until nobody serves a host.
async fn eventually_not(cluster: &crate::support::Cluster, host: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while cluster.served_by(host).await.is_some() {
        assert!(tokio::time::Instant::now() < deadline, "{host} is served still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
