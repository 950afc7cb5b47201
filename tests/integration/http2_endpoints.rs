//! HTTP/2 with endpoints: requests share connections, and none pays for what becomes of another.

mod broken;
mod neighbours;

use crate::support::{
    Act, Authority, Behaviour, Client, Http2Origin, Proxy, Step, eventually, frame, front, http2_origin, origin, proxy,
    raw_http2,
};

const H2C: &str = "protocol: h2c";

/// A proxy with one worker before these servers.
fn before(origins: &[&Http2Origin]) -> crate::support::Builder {
    let builder = proxy().speaking(H2C).workers(1);
    origins.iter().fold(builder, |builder, origin| builder.address(origin.address))
}

/// So many requests at once, each over a connection of its own; their statuses.
async fn at_once(proxy: &Proxy, number: usize) -> Vec<u16> {
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..number {
        let mut client = proxy.client().await;
        requests.spawn(async move { client.get("/").await.status });
    }
    requests.join_all().await
}

#[tokio::test]
async fn a_hundred_requests_at_once_share_a_connection() {
    let a = http2_origin("a").await;
    a.act(Act::Together(100));
    let proxy = before(&[&a]).run();
    assert_eq!(at_once(&proxy, 100).await, [200; 100]);
    assert_eq!((a.accepted(), a.most()), (1, 100));
    // However many there are, and whatever becomes of a few.
    for number in 0..200 {
        a.act(if number % 10 == 0 { Act::Refuse } else { Act::Echo });
        proxy.client().await.get("/").await;
    }
    assert_eq!(proxy.metric("moorline_upstream_connects_total ").await, Some(1.0));
}

#[tokio::test]
async fn a_connection_gets_no_more_requests_than_both_sides_allow() {
    let a = Http2Origin::bounded("a", 7).await;
    a.act(Act::Together(20));
    let proxy = before(&[&a]).run();
    assert_eq!(at_once(&proxy, 20).await, [200; 20]);
    assert_eq!((a.accepted(), a.most()), (3, 7));
    let b = http2_origin("b").await;
    b.act(Act::Together(20));
    let proxy = before(&[&b]).limits("upstream_streams: 5").run();
    assert_eq!(at_once(&proxy, 20).await, [200; 20]);
    assert_eq!((b.accepted(), b.most()), (4, 5));
}

#[tokio::test]
async fn more_requests_than_there_may_be_are_503_at_once() {
    let a = http2_origin("a").await;
    a.act(Act::Hang);
    let proxy = before(&[&a]).limits("upstream_streams: 2, upstream_connections: 2").run();
    let mut waiting = Vec::new();
    for number in 1..=4 {
        let mut client = proxy.client().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        eventually("it has come", || a.heads().len() == number).await;
        waiting.push(client);
    }
    let refused = proxy.client().await.get("/").await.expect(503);
    assert_eq!(refused.field("retry-after"), Some("2"));
}

#[tokio::test]
async fn the_head_is_one_of_http2() {
    let a = http2_origin("a").await;
    let proxy = before(&[&a]).run();
    let head = "GET /a?b=c HTTP/1.1\r\nHost: Shop.Example:8080\r\nConnection: close, x-private\r\nX-Private: 1\r\n\
                TE: trailers\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nAccept: */*\r\n";
    let response = proxy.client().await.request(head, "").await.expect(200);
    for (name, value) in [
        (":scheme", Some("http")),
        (":authority", Some("Shop.Example:8080")),
        ("x-forwarded-host", Some("Shop.Example:8080")),
        ("accept", Some("*/*")),
        ("moorline-session", Some("new")),
        ("host", None),
        ("te", None),
        ("connection", None),
        ("upgrade", None),
        ("x-private", None),
        ("keep-alive", None),
    ] {
        assert_eq!(response.seen(name).as_deref(), value, "{name}\n{}", response.text());
    }
    let old = proxy.client().await.request("GET / HTTP/1.0\r\n", "").await.expect(200);
    assert_eq!(old.seen(":authority"), Some(a.address.to_string()), "HTTP/2 wants a name, and there is none");
    let call = "POST /echo.Echo/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n";
    let response = proxy.client().await.request(call, "").await.expect(200);
    assert_eq!(response.seen("te").as_deref(), Some("trailers"));
}

#[tokio::test]
async fn a_body_passes_both_ways_at_the_same_time() {
    let a = http2_origin("a").await;
    a.act(Act::EchoBody);
    let proxy = before(&[&a]).run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for round in 0..10 {
        client.send(b"4\r\nping\r\n").await;
        let wanted = format!("{}4\r\nping\r\n", if round == 0 { "\r\n\r\n" } else { "" });
        client.reads(&wanted).await;
    }
    client.send(b"0\r\n\r\n").await;
    client.reads("0\r\n\r\n").await;
    // The connection to the client is as good as before.
    a.act(Act::Echo);
    client.get("/").await.expect(200);
    assert_eq!(a.accepted(), 1);
}

#[tokio::test]
async fn large_bodies_come_and_go_whole() {
    let a = http2_origin("a").await;
    a.act(Act::EchoBody);
    let proxy = before(&[&a]).run();
    let body = "0123456789abcdef".repeat(64 * 1024);
    let response = proxy.client().await.post("/", &body).await.expect(200);
    assert!(response.complete && response.text() == body);
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_nobody() {
    let a = http2_origin("a").await;
    let proxy = before(&[&a]).run();
    let mut slow = Vec::new();
    a.act(Act::Flood);
    for number in 1..=20 {
        let mut client = proxy.client().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        eventually("it has begun", || a.heads().len() == number).await;
        slow.push(client);
    }
    a.act(Act::EchoBody);
    let body = "x".repeat(1 << 20);
    for _ in 0..5 {
        assert_eq!(proxy.client().await.post("/", &body).await.expect(200).body.len(), body.len());
    }
    assert_eq!(a.accepted(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_resets_its_stream_and_no_other() {
    let a = http2_origin("a").await;
    a.act(Act::Hang);
    let proxy = before(&[&a]).run();
    for (number, head) in [
        (1, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
        (2, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf"),
    ] {
        let mut client = proxy.client().await;
        client.send(head).await;
        eventually("it has come", || a.heads().len() == number).await;
        drop(client);
        eventually("the stream is reset", || a.resets() == number).await;
    }
    a.act(Act::Flood);
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("it has come", || a.heads().len() == 3).await;
    drop(client);
    eventually("the stream is reset", || a.resets() == 3).await;
    a.act(Act::Echo);
    proxy.client().await.get("/").await.expect(200);
    assert_eq!((a.accepted(), a.open()), (1, 1));
    proxy.reaches("http_server_active_requests ", 0.0).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_those_of_an_endpoint_that_leaves_take_nothing_new() {
    let (a, b) = (http2_origin("a").await, http2_origin("b").await);
    let proxy = before(&[&a]).limits("upstream_idle: 50ms").run();
    proxy.client().await.get("/").await.expect(200);
    eventually("the idle connection is closed", || a.open() == 0).await;
    a.act(Act::Flood);
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("it has begun", || a.open() == 1).await;
    proxy.publish(&before(&[&b]));
    assert_eq!(proxy.client().await.get("/").await.expect(200).served_by(), "b");
    client.reads("\r\n\r\n").await;
    assert_eq!(a.open(), 1, "what is under way goes on");
    drop(client);
    eventually("then it is closed", || a.open() == 0).await;
}

#[tokio::test]
async fn http2_over_tls_is_agreed_upon_or_not_spoken() {
    let authority = Authority::new();
    authority.put("ca.pem", &authority.pem());
    let pair = authority.pair(&["127.0.0.1"]);
    let a = http2_origin("a").await;
    let front = front(a.address, &pair, &["h2"]).await;
    let speaking = "protocol: h2, tls: { ca: ca.pem }";
    let proxy = proxy().speaking(speaking).workers(1).address(front.address).run_in(authority.folder());
    let response = proxy.client().await.get("/").await.expect(200);
    assert_eq!(response.seen(":scheme").as_deref(), Some("https"));
    eventually("all is read", || a.heads().len() == 1).await;
    a.cut();
    front.show(&pair, &["http/1.1", "h2"]);
    eventually("it is noticed", || a.open() == 0).await;
    proxy.client().await.get("/").await.expect(200);
    a.cut();
    for alpn in [&["http/1.1"][..], &[]] {
        front.show(&pair, alpn);
        eventually("it is noticed", || a.open() == 0).await;
        proxy.client().await.get("/").await.expect(502);
    }
}

#[tokio::test]
async fn sessions_are_kept_whatever_is_spoken_to_their_endpoints() {
    let authority = Authority::new();
    authority.put("ca.pem", &authority.pem());
    let pair = authority.pair(&["127.0.0.1"]);
    let (a1, b1) = (origin("a").run().await, origin("b").run().await);
    let (a2, b2) = (http2_origin("a").await, http2_origin("b").await);
    for (speaking, addresses) in [
        ("protocol: http", [a1.address, b1.address]),
        ("protocol: https, tls: { ca: ca.pem }", [a1.address, b1.address]),
        (H2C, [a2.address, b2.address]),
        ("protocol: h2, tls: { ca: ca.pem }", [a2.address, b2.address]),
    ] {
        let alpn = if speaking.contains("h2") { "h2" } else { "http/1.1" };
        let (mut fronts, mut builder) = (Vec::new(), proxy().speaking(speaking));
        for address in addresses {
            let address = if speaking.contains("tls") {
                fronts.push(front(address, &pair, &[alpn]).await);
                fronts.last().unwrap().address
            } else {
                address
            };
            builder = builder.address(address);
        }
        let proxy = builder.run_in(authority.folder());
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..12 {
            let mut client: Client = proxy.client().await;
            let home = client.get("/").await.expect(200).served_by().to_owned();
            for _ in 0..5 {
                client.reconnect().await;
                let response = client.get("/").await.expect(200);
                assert_eq!(
                    (response.served_by(), response.seen("moorline-session").as_deref()),
                    (&*home, Some("kept"))
                );
            }
            seen.insert(home);
        }
        assert_eq!(seen.len(), 2, "{speaking}");
    }
}

#[tokio::test]
async fn calls_of_grpc_get_a_status_of_their_own_when_the_answer_is_ours() {
    let gone = origin("gone").run().await;
    let address = gone.address;
    drop(gone);
    let proxy = proxy().speaking(H2C).address(address).run();
    let call = "POST /echo.Echo/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n";
    let response = proxy.client().await.request(call, "").await.expect(200);
    assert_eq!(response.field("content-type"), Some("application/grpc"));
    assert_eq!(response.field("grpc-status"), Some("14"));
    assert!(response.field("grpc-message").unwrap().starts_with("Service Unavailable: "), "{response:?}");
    assert!(response.body.is_empty());
    let silent = http2_origin("a").await;
    silent.act(Act::Hang);
    let proxy = before(&[&silent]).limits("response_head: 50ms").run();
    let response = proxy.client().await.request(call, "").await.expect(200);
    assert_eq!(response.field("grpc-status"), Some("4"));
}
