//! TLS with endpoints: who is taken for one, and what happens to requests when somebody is not.

use crate::support::{Authority, Behaviour, Client, Front, Origin, Proxy, eventually, front, origin, proxy, until};

/// The authority of these tests, by its file.
const CA: &str = "protocol: https, tls: { ca: ca.pem }";
const NAMED: &str = "protocol: https, tls: { ca: ca.pem, server_name: posts.internal }";
const HTTP1: &[&str] = &["http/1.1"];

/// An authority whose file is beside the configuration.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.put("ca.pem", &authority.pem());
    authority
}

/// A server `a` behind TLS, with a certificate for these hosts, and a proxy before it.
async fn secured(authority: &Authority, hosts: &[&str], backend: &str) -> (Origin, Front, Proxy) {
    let a = origin("a").run().await;
    let front = front(a.address, &authority.pair(hosts), HTTP1).await;
    let proxy = proxy().address(front.address).speaking(backend).run_in(authority.folder());
    (a, front, proxy)
}

/// What the access log says of all requests.
fn said(proxy: &Proxy) -> Vec<String> {
    proxy.log().iter().map(|line| line["error"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_endpoint_is_verified_by_its_address_or_by_the_name_that_is_given() {
    let authority = authority();
    let (a, front, proxy) = secured(&authority, &["127.0.0.1"], CA).await;
    let mut client = proxy.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.expect(200).served_by(), "a");
    }
    client.post("/", "a body").await.expect(200);
    assert_eq!((a.accepted(), front.names()), (1, vec![None]), "one connection, and an address is no name to ask for");
    let (_a, front, proxy) = secured(&authority, &["posts.internal"], NAMED).await;
    proxy.client().await.get("/").await.expect(200);
    assert_eq!(front.names(), [Some("posts.internal".to_owned())]);
}

#[tokio::test]
async fn an_endpoint_that_is_called_localhost_is_verified_by_that_name() {
    let authority = authority();
    let a = origin("a").run().await;
    let front = front(a.address, &authority.pair(&["localhost"]), HTTP1).await;
    let port = front.address.port();
    let proxy = proxy().described(&format!("'localhost:{port}'")).speaking(CA).run_in(authority.folder());
    proxy.client().await.get("/").await.expect(200);
    assert_eq!(front.names(), [Some("localhost".to_owned())]);
}

#[tokio::test]
async fn whoever_cannot_be_taken_for_the_endpoint_gets_nothing_and_is_not_held_against_it() {
    let authority = authority();
    let (a, front, proxy) = secured(&authority, &["127.0.0.1"], CA).await;
    let good = authority.pair(&["127.0.0.1"]);
    for (bad, reason) in [
        (Authority::new().pair(&["127.0.0.1"]), "UnknownIssuer"),
        (authority.pair(&["posts.internal"]), "not valid for name"),
        (authority.expired(&["127.0.0.1"]), "expired"),
        (Authority::itself(&["127.0.0.1"]), "CaUsedAsEndEntity"),
    ] {
        front.show(&bad, HTTP1);
        let mut client = proxy.client().await;
        client.get("/").await.expect(502);
        eventually("it is logged why", || said(&proxy).iter().any(|said| said.contains(reason))).await;
        assert!(!said(&proxy).concat().contains(&front.address.port().to_string()), "its name and no address");
        client.post("/", "a secret").await.expect(502);
        assert!(a.heads().is_empty(), "nothing was sent");
        let unreachable = proxy.metric("moorline_endpoint_unreachable").await;
        assert_eq!(unreachable, Some(0.0), "{reason}");
    }
    front.show(&good, HTTP1);
    proxy.client().await.get("/").await.expect(200);
    assert_eq!(front.failed(), 8, "each request tries once");
    assert_eq!(proxy.metric("moorline_upstream_tls_failures_total").await, Some(8.0));
}

#[tokio::test]
async fn a_newcomer_goes_to_an_endpoint_that_is_what_it_should_be_and_a_session_stays_with_its_own() {
    let authority = authority();
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let good = authority.pair(&["127.0.0.1"]);
    let (front_a, front_b) = (front(a.address, &good, HTTP1).await, front(b.address, &good, HTTP1).await);
    let proxy = proxy().address(front_a.address).address(front_b.address).speaking(CA);
    let proxy = proxy.limits("upstream_idle: 20ms").run_in(authority.folder());
    let mut of_a = proxy.client().await;
    of_a.moor_at(&a).await;
    eventually("no connection is kept", || a.open() == 0).await;
    front_a.show(&Authority::new().pair(&["127.0.0.1"]), HTTP1);
    for _ in 0..20 {
        assert_eq!(proxy.client().await.get("/").await.expect(200).served_by(), "b");
    }
    of_a.get("/").await.expect(502);
    front_a.show(&good, HTTP1);
    assert_eq!(of_a.get("/").await.expect(200).served_by(), "a");
    front_a.show(&Authority::new().pair(&["127.0.0.1"]), HTTP1);
    front_b.show(&authority.expired(&["127.0.0.1"]), HTTP1);
    eventually("no connection is kept", || a.open() + b.open() == 0).await;
    proxy.client().await.get("/").await.expect(502);
}

/// It belongs nowhere yet.
#[tokio::test]
async fn a_session_that_moves_passes_over_an_endpoint_that_is_not_what_it_should_be() {
    let authority = authority();
    let (a, b, c) = (origin("a").run().await, origin("b").run().await, origin("c").run().await);
    let good = authority.pair(&["127.0.0.1"]);
    let (front_a, front_b) = (front(a.address, &good, HTTP1).await, front(b.address, &good, HTTP1).await);
    let front_c = front(c.address, &good, HTTP1).await;
    let builder = || proxy().speaking(CA).limits("upstream_idle: 20ms");
    let all = builder().address(front_a.address).address(front_b.address).address(front_c.address);
    let proxy = all.run_in(authority.folder());
    let mut users = Vec::new();
    for _ in 0..10 {
        let mut user = proxy.client().await;
        user.moor_at(&a).await;
        users.push(user);
    }
    front_b.show(&authority.expired(&["127.0.0.1"]), HTTP1);
    eventually("no connection is kept", || b.open() == 0).await;
    let left = builder().address(front_b.address).address(front_c.address);
    authority.put("moorline.yaml", &left.text());
    proxy.reaches("moorline_config_generation ", 2.0).await;
    for mut user in users {
        let moved = user.get("/").await.expect(200);
        assert_eq!((moved.served_by(), moved.seen("moorline-session").as_deref()), ("c", Some("reassigned")));
    }
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let stranger = Authority::new();
    let (_a, _front, proxy) =
        secured(&stranger, &["elsewhere.example"], "protocol: https, tls: { verify: false }").await;
    proxy.client().await.get("/").await.expect(200);
}

#[tokio::test]
async fn the_roots_of_the_system_do_not_know_a_private_authority() {
    let private = Authority::new();
    let a = origin("a").run().await;
    let front = front(a.address, &private.pair(&["127.0.0.1"]), HTTP1).await;
    let builder = proxy().address(front.address).speaking("protocol: https");
    // A system without any says so at the start.
    let Ok((store, _)) = moorline::control::tls::Store::default().read(&builder.file(), "".as_ref()) else { return };
    assert!(!store.connectors().is_empty());
    builder.run().client().await.get("/").await.expect(502);
}

#[tokio::test]
async fn another_authority_is_believed_from_the_next_request_on() {
    let (authority, other) = (authority(), Authority::new());
    let (a, front, proxy) = secured(&authority, &["127.0.0.1"], CA).await;
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    let failures = "moorline_tls_certificate_reloads_total{result=\"failure\"}";
    authority.put("ca.pem", "nonsense");
    proxy.reaches(failures, 1.0).await;
    client.get("/").await.expect(200);
    assert_eq!(a.accepted(), 1, "the connection has lived through it");
    authority.put("ca.pem", &other.pem());
    // A connection to whoever is no longer believed is not used again.
    until("the old authority is believed no more", async || client.get("/").await.status != 200).await;
    front.show(&other.pair(&["127.0.0.1"]), HTTP1);
    client.get("/").await.expect(200);
    eventually("the old connection is closed", || a.open() == 1).await;
}

#[tokio::test]
async fn sessions_are_resumed_across_connections_and_not_across_authorities() {
    let authority = authority();
    let (a, front, proxy) = {
        let a = origin("a").behave(Behaviour::CloseQuietly).run().await;
        let front = front(a.address, &authority.pair(&["127.0.0.1"]), HTTP1).await;
        let proxy = proxy().address(front.address).speaking(CA).workers(1).run_in(authority.folder());
        (a, front, proxy)
    };
    let mut client = proxy.client().await;
    for _ in 0..5 {
        client.get("/").await.expect(200);
        eventually("the server has closed", || a.open() == 0).await;
    }
    assert_eq!(front.handshakes(), (1, 4));
    // The same authority and one more: another file, and everything begins anew.
    authority.put("ca.pem", &format!("{}{}", authority.pem(), Authority::new().pem()));
    let generation = "moorline_tls_certificate_reloads_total{result=\"success\"}";
    proxy.reaches(generation, 2.0).await;
    client.get("/").await.expect(200);
    assert_eq!(front.handshakes().0, 2);
}

#[tokio::test]
async fn an_endpoint_that_speaks_no_tls_is_told_from_one_that_is_not_there() {
    let authority = authority();
    let a = origin("a").behave(Behaviour::Answer("HTTP/1.1 400 Bad Request\r\n\r\n".into())).run().await;
    let proxy = proxy().address(a.address).speaking(CA).limits("connect: 300ms").run_in(authority.folder());
    // It takes the handshake for the head of a request without an end.
    proxy.client().await.get("/").await.expect(503);
    proxy.reaches("moorline_endpoint_unreachable", 1.0).await;
    let plain = Front::plain("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let proxy = crate::support::proxy().address(plain.address).speaking(CA).run_in(authority.folder());
    proxy.client().await.get("/").await.expect(502);
    eventually("it is logged why", || said(&proxy).iter().any(|said| said.contains("TLS failed"))).await;
}

#[tokio::test]
async fn a_handshake_that_hangs_counts_as_a_connection_that_cannot_be_made() {
    let authority = authority();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy().address(silent.local_addr().unwrap()).speaking(CA).limits("connect: 100ms");
    let proxy = proxy.run_in(authority.folder());
    proxy.client().await.get("/").await.expect(503);
    assert_eq!(proxy.metric("moorline_endpoint_unreachable").await, Some(1.0));
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_what_says_so_and_is_broken_without() {
    let authority = authority();
    let a = origin("a").behave(Behaviour::AnswerAndClose("HTTP/1.1 200 OK\r\n\r\nhalf".into())).run().await;
    let cut = Front::cut(a.address, &authority.pair(&["127.0.0.1"])).await;
    let proxy = proxy().address(cut.address).speaking(CA).run_in(authority.folder());
    let mut client: Client = proxy.client().await;
    let response = client.get("/").await.expect(200);
    assert!(!response.complete, "nobody has said that this was all");
}
