//! TLS with clients: who is shown which certificate, what happens when certificates change, and what is no TLS.

use rustls::{HandshakeKind, ProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Authority, Behaviour, Browser, Client, Origin, PATIENCE, Proxy, eventually, origin, proxy};

/// One certificate, `cert.pem`, which covers these hosts.
pub(crate) const ONE: &str = "certificates: [{ cert: cert.pem, key: cert.key }]";
const THREE: &str = "certificates: [{ cert: default.pem, key: default.key }, { cert: wild.pem, key: wild.key }, \
                     { cert: exact.pem, key: exact.key }]";

pub(crate) const A: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n";

/// A proxy over TLS, whose certificate is for `a.example`.
pub(crate) async fn secured(authority: &Authority) -> (Origin, Proxy) {
    authority.issue("cert", &["a.example"]);
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls(ONE).run_in(authority.folder());
    (a, proxy)
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_that_it_asks_for() {
    let authority = Authority::new();
    let default = authority.issue("default", &["default.example", "127.0.0.1"]);
    let wild = authority.issue("wild", &["*.shop.example"]);
    let exact = authority.issue("exact", &["a.shop.example"]);
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls(THREE).run_in(authority.folder());
    let browser = authority.browser();
    for (name, expected) in [
        ("a.shop.example", &exact),
        ("A.Shop.Example", &exact),
        ("b.shop.example", &wild),
        ("default.example", &default),
        // An address is no name: the client sends none.
        ("127.0.0.1", &default),
    ] {
        let mut client = browser.connect(proxy.tls(), name).await;
        assert!(client.shown() == *expected, "{name}");
        client.request(&format!("GET / HTTP/1.1\r\nHost: {name}\r\n"), "").await.expect(200);
    }
    for stranger in ["shop.example", "x.a.shop.example", "elsewhere.example"] {
        assert!(browser.try_connect(proxy.tls(), stranger).await.is_err(), "{stranger}");
        assert!(Browser::careless().connect(proxy.tls(), stranger).await.shown() == default, "{stranger}");
    }
}

#[tokio::test]
async fn a_listener_without_certificates_shows_one_that_it_made_itself() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").run();
    let mut client = Browser::careless().connect(proxy.tls(), "any.example").await;
    client.get("/").await.expect(200);
    assert!(Authority::new().browser().try_connect(proxy.tls(), "localhost").await.is_err());
}

#[tokio::test]
async fn versions_and_protocols_are_agreed_upon() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    for (version, expected) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let browser = authority.browser_with(&[version], &["h2", "http/1.1"]);
        let client = browser.connect(proxy.tls(), "a.example").await;
        assert_eq!(client.tls().alpn_protocol(), Some(&b"h2"[..]));
        let browser = authority.browser_with(&[version], &["http/1.1"]);
        let mut client = browser.connect(proxy.tls(), "a.example").await;
        assert_eq!(client.tls().protocol_version(), Some(expected));
        assert_eq!(client.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
        client.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
    }
    let other = authority.browser_with(rustls::ALL_VERSIONS, &["gopher"]);
    assert!(other.try_connect(proxy.tls(), "a.example").await.is_err(), "nothing in common");
    assert_eq!(proxy.metric("moorline_tls_handshakes_total ").await, Some(4.0));
    proxy.reaches("moorline_tls_handshake_failures_total ", 1.0).await;
}

#[tokio::test]
async fn an_oldest_version_can_be_asked_for() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("min_version: 1.3").run();
    Browser::careless().connect(proxy.tls(), "a.example").await.get("/").await.expect(200);
    let old = Authority::new().browser_with(&[&version::TLS12], &[]);
    assert!(old.try_connect(proxy.tls(), "a.example").await.unwrap_err().to_string().contains("ProtocolVersion"));
}

#[tokio::test]
async fn a_client_is_known_again_by_whichever_worker_it_meets() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    for version in [&version::TLS12, &version::TLS13] {
        let browser = authority.browser_with(&[version], &[]);
        // Each connection gets two tickets, and uses one.
        for at in 0..24 {
            let mut client = browser.connect(proxy.tls(), "a.example").await;
            client.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
            let expected = if at == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            let kind = client.tls().handshake_kind();
            assert!(
                kind == Some(expected) || (at == 0 && kind == Some(HandshakeKind::FullWithHelloRetryRequest)),
                "{version:?} {at}: {kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_endpoint_and_the_browser_learn_that_it_was_tls() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    let mut client = authority.browser().connect(proxy.tls(), "a.example").await;
    let response = client.request("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: http\r\n", "").await;
    assert_eq!(response.seen("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(response.seen("forwarded").as_deref(), Some("for=127.0.0.1;host=a.example;proto=https"));
    assert!(response.field("set-cookie").unwrap().contains("; Secure"), "{response:?}");
    let plain = proxy.client().await.get("/").await;
    assert_eq!(plain.seen("x-forwarded-proto").as_deref(), Some("http"));
    assert!(!plain.field("set-cookie").unwrap().contains("Secure"), "{plain:?}");
}

#[tokio::test]
async fn a_trusted_proxy_knows_better_whether_the_client_came_over_tls() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).trusting("127.0.0.1/32").run();
    let response = proxy.client().await.get_with("/", "X-Forwarded-Proto: HTTPS\r\n").await;
    assert!(response.field("set-cookie").unwrap().contains("; Secure"), "{response:?}");
}

#[tokio::test]
async fn sessions_are_kept_over_tls_and_without_it() {
    let authority = Authority::new();
    authority.issue("cert", &["a.example"]);
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).tls(ONE).run_in(authority.folder());
    let mut client = authority.browser().connect(proxy.tls(), "a.example").await;
    let first = client.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.served_by().to_owned();
    let mut plain = proxy.client().await;
    plain.cookie = client.cookie;
    for _ in 0..8 {
        assert_eq!(plain.get("/").await.served_by(), first);
    }
}

#[tokio::test]
async fn bodies_arrive_whole_whatever_their_size() {
    let authority = Authority::new();
    let (a, proxy) = secured(&authority).await;
    let browser = authority.browser();
    for length in [0, 1, 1000, 2048, 2049, 16_384, 16_385, 100_000, 3_000_000] {
        let body: String = (0..length).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
        a.behave(Behaviour::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")));
        let mut client = browser.connect(proxy.tls(), "a.example").await;
        let head = format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n");
        let response = client.request(&head, &body).await.expect(200);
        // The origin answers once the whole body is there.
        assert!(response.complete && response.body == body.as_bytes(), "{length}");
    }
}

#[tokio::test]
async fn a_host_that_the_certificate_does_not_cover_is_421() {
    let authority = Authority::new();
    authority.issue("default", &["default.example", "127.0.0.1"]);
    authority.issue("wild", &["*.shop.example"]);
    authority.issue("exact", &["a.shop.example", "b.example"]);
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls(THREE).run_in(authority.folder());
    let browser = authority.browser();
    let ask = async |name: &str, host: &str| {
        let mut client = browser.connect(proxy.tls(), name).await;
        client.request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), "").await.status
    };
    assert_eq!(ask("a.shop.example", "A.shop.example:8443").await, 200);
    assert_eq!(ask("a.shop.example", "b.example").await, 200, "the same certificate");
    assert_eq!(ask("a.shop.example", "c.shop.example").await, 421);
    assert_eq!(ask("c.shop.example", "d.shop.example").await, 200, "the same wildcard");
    assert_eq!(ask("c.shop.example", "default.example").await, 421);
    assert_eq!(ask("127.0.0.1", "a.shop.example").await, 200, "no name was asked for");
    let before = a.heads().len();
    let mut client = Browser::careless().connect(proxy.tls(), "unknown.example").await;
    client.request("GET / HTTP/1.1\r\nHost: a.shop.example\r\n", "").await.expect(200);
    assert_eq!(a.heads().len(), before + 1, "what is refused reaches nobody");
    let mut client = browser.connect(proxy.tls(), "a.shop.example").await;
    client.request("GET / HTTP/1.1\r\nHost: c.shop.example\r\n", "").await.expect(421);
    client.request("GET / HTTP/1.1\r\nHost: a.shop.example\r\n", "").await.expect(200);
    client.request("GET / HTTP/1.0\r\n", "").await.expect(200);
}

const REDIRECTED: &str = "  - { hosts: [a.example], redirect_to_https: { port: 8443 }, rules: [{ backend: posts }] }\n";

#[tokio::test]
async fn requests_without_tls_are_sent_to_come_back_with_it() {
    let authority = Authority::new();
    authority.issue("cert", &["a.example"]);
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls(ONE).routes(REDIRECTED).run_in(authority.folder());
    let mut client = proxy.client().await;
    let response = client.request("POST /x?y=z HTTP/1.1\r\nHost: A.example:80\r\nContent-Length: 2\r\n", "hi").await;
    assert_eq!(response.expect(308).field("location"), Some("https://a.example:8443/x?y=z"));
    let lie = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: https\r\n";
    client.request(lie, "").await.expect(308);
    assert!(a.heads().is_empty());
    client.request("GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
    client.get("/").await.expect(200);
    let mut client = authority.browser().connect(proxy.tls(), "a.example").await;
    client.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
}

#[tokio::test]
async fn what_a_trusted_proxy_took_over_tls_is_not_sent_back() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).trusting("127.0.0.1/32").routes(REDIRECTED).run();
    let mut client = proxy.client().await;
    let head = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    client.request(&format!("{head}X-Forwarded-Proto: https\r\n"), "").await.expect(200);
    client.request(&format!("{head}X-Forwarded-Proto: http\r\n"), "").await.expect(308);
    client.request(head, "").await.expect(308);
}

#[tokio::test]
async fn a_slow_handshake_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("handshake: 100ms").run();
    for start in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1]] {
        let mut client = Client::connect(proxy.tls()).await;
        client.send(start).await;
        assert!(client.is_closed().await, "{start:?}");
    }
    proxy.reaches("moorline_tls_handshake_failures_total ", 3.0).await;
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_after_the_handshake_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("first_byte: 100ms").run();
    assert!(Browser::careless().connect(proxy.tls(), "a.example").await.is_closed().await);
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_is_closed_and_nobody_else_notices() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").run();
    let mut bystander = Browser::careless().connect(proxy.tls(), "a.example").await;
    let length = |bytes: &[u8]| [&[22, 3, 1], &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    for garbage in [
        vec![0; 100],
        vec![255; 100_000],
        length(&[1, 0, 0, 200, 3, 3]),
        length(&[0xff; 512]),
        [22; 20_000].to_vec(),
        // The length of a record that nobody may send.
        vec![22, 3, 3, 255, 255, 1],
    ] {
        let mut stream = TcpStream::connect(proxy.tls()).await.unwrap();
        let _ = stream.write_all(&garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
        assert!(answer.len() < 16, "an alert at most: {answer:?}");
        bystander.get("/").await.expect(200);
    }
    proxy.reaches("moorline_tls_handshake_failures_total ", 6.0).await;
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").run();
    let mut client = Client::connect(proxy.tls()).await;
    let response = client.get("/").await.expect(400);
    assert!(response.text().contains("HTTPS"), "{}", response.text());
    assert!(client.is_closed().await);
    let mut client = Client::connect(proxy.tls()).await;
    client.post("/", &"x".repeat(50_000)).await.expect(400);
    assert!(a.heads().is_empty());
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let a = origin("a").behave(Behaviour::Flood).run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("body: 200ms").run();
    let mut client = Browser::careless().connect(proxy.tls(), "a.example").await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the response begins", || a.open() == 1).await;
    eventually("the server's connection is closed", || a.open() == 0).await;
}

#[tokio::test]
async fn a_drain_waits_for_nobody_who_has_not_begun() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("handshake: 1h").run();
    let mut silent = Client::connect(proxy.tls()).await;
    proxy.reaches("moorline_client_connections_open ", 1.0).await;
    proxy.drain();
    assert!(silent.is_closed().await);
    proxy.ended().await;
}

#[tokio::test]
async fn a_drain_closes_idle_connections_in_order() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").run();
    let mut client = Browser::careless().connect(proxy.tls(), "a.example").await;
    client.get("/").await.expect(200);
    proxy.drain();
    // Without a close_notify this would be an error: the end could have been anybody's.
    assert_eq!(client.stream.read(&mut [0; 16]).await.unwrap(), 0);
    proxy.ended().await;
}
