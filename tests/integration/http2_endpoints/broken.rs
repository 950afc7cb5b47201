//! Endpoints that refuse, leave, break off or say nothing.

use std::sync::atomic::Ordering;

use h2::Reason;

use super::*;
use crate::support::frames::{DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};

#[tokio::test]
async fn a_request_that_was_refused_is_sent_again_with_its_body() {
    let a = http2_origin("a").await;
    let proxy = before(&[&a]).run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    a.first(Act::Refuse);
    client.get("/").await.expect(200);
    a.act(Act::EchoBody);
    for length in [10, 50_000] {
        a.first(Act::Refuse);
        a.first(Act::Refuse);
        let body = "x".repeat(length);
        assert_eq!(client.post("/", &body).await.expect(200).text(), body);
    }
    assert_eq!(proxy.metric("moorline_upstream_retries_total ").await, Some(5.0));
    assert_eq!(a.accepted(), 1);
    a.act(Act::Refuse);
    let refused = client.post("/", "x").await.expect(503);
    assert_eq!(refused.field("retry-after"), Some("2"));
    assert_eq!(proxy.metric("moorline_endpoint_unreachable").await, Some(0.0));
}

#[tokio::test]
async fn what_an_endpoint_has_not_got_to_when_it_goes_away_is_sent_again() {
    // HPACK: `:status: 200` is entry 8 of the static table.
    let ok = |stream| frame(HEADERS, 5, stream, &[0x88]);
    for code in [0, 11] {
        let gone = frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, code]);
        let (first, second) = (
            vec![Step::Heads(2), Step::Say([gone, ok(1)].concat()), Step::Wait],
            vec![Step::Heads(1), Step::Say(ok(1))],
        );
        let (address, accepted, _server) = raw_http2(vec![first, second]).await;
        let proxy = proxy().speaking(H2C).workers(1).address(address).run();
        let mut clients = [proxy.client().await, proxy.client().await];
        for client in &mut clients {
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").await;
        }
        for client in &mut clients {
            assert_eq!(client.response().await.expect("an answer").status, 200);
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 2);
    }
}

/// A process that is being killed: the connection that all share breaks, and so does the next one.
#[tokio::test]
async fn sessions_get_over_a_shared_connection_that_breaks_and_a_fresh_one_that_does_too() {
    let ok = |stream| frame(HEADERS, 5, stream, &[0x88]);
    let shared = vec![Step::Heads(1), Step::Say(ok(1)), Step::Heads(3)];
    // It takes both along: each of them pauses by itself, so that one may come later than the other.
    let dies = vec![Step::Heads(2)];
    let lives = vec![Step::Heads(2), Step::Say([ok(1), ok(3)].concat()), Step::Wait];
    for (deaths, status) in [(0, 200), (1, 200), (2, 502)] {
        let scripts = [vec![shared.clone()], vec![dies.clone(); deaths], vec![lives.clone()]].concat();
        let (address, accepted, _server) = raw_http2(scripts).await;
        let proxy = proxy().speaking(H2C).workers(1).address(address).run();
        proxy.client().await.get("/").await.expect(200);
        assert_eq!(at_once(&proxy, 2).await, [status; 2], "{deaths} die");
        assert_eq!(accepted.load(Ordering::SeqCst), 1 + deaths + usize::from(status == 200));
    }
    // What may not be repeated is not.
    let (address, accepted, _server) = raw_http2(vec![vec![Step::Heads(1)], lives]).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    proxy.client().await.post("/", "x").await.expect(502);
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_breaks_off_reaches_the_client_as_broken_whatever_reason_is_given() {
    // HPACK: `:status: 200`, and `content-length: 10`, whose name is entry 28 of the static table.
    let (unknown, known) = (&[0x88][..], &[0x88, 0x0f, 13, 2, b'1', b'0'][..]);
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM] {
        for head in [unknown, known] {
            let half = [frame(HEADERS, 4, 1, head), frame(DATA, 0, 1, b"half!")].concat();
            let reset = frame(RST_STREAM, 0, 1, &u32::from(reason).to_be_bytes());
            let script = vec![Step::Heads(1), Step::Say(half), Step::Say(reset), Step::Wait];
            let (address, _, _server) = raw_http2(vec![script]).await;
            let proxy = proxy().speaking(H2C).address(address).run();
            let response = proxy.client().await.get("/").await.expect(200);
            assert!(!response.complete, "{reason:?}: {response:?}");
        }
    }
    let a = http2_origin("a").await;
    let proxy = before(&[&a]).run();
    a.act(Act::Flood);
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("it has begun", || a.heads().len() == 1).await;
    a.cut();
    assert!(!client.response().await.expect("a head").complete);
    a.act(Act::Echo);
    proxy.client().await.get("/").await.expect(200);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let (address, accepted, _server) = raw_http2(vec![vec![Step::Heads(1), Step::Wait]]).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address);
    let proxy = proxy.limits("upstream_ping: 50ms, upstream_ping_timeout: 50ms").run();
    proxy.client().await.post("/", "not to be repeated").await.expect(502);
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_peer_that_says_nothing_in_time_is_not_asked_by_the_next() {
    let (address, accepted, _server) = raw_http2(vec![vec![Step::Heads(1), Step::Wait]]).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).limits("response_head: 50ms").run();
    for number in 1..=2 {
        proxy.client().await.get("/").await.expect(504);
        assert_eq!(accepted.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn an_endpoint_that_takes_connections_and_says_nothing_cannot_be_reached() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy().speaking(H2C).address(silent.local_addr().unwrap()).limits("connect: 100ms").run();
    assert!(at_once(&proxy, 10).await.iter().all(|status| *status == 503));
    assert_eq!(proxy.metric("moorline_endpoint_unreachable").await, Some(1.0));
}

#[tokio::test]
async fn an_endpoint_that_speaks_http1_is_told_from_one_that_is_not_there() {
    let a = origin("a").behave(Behaviour::AnswerAndClose("HTTP/1.1 400 Bad Request\r\n\r\n".into())).run().await;
    let proxy = proxy().speaking(H2C).address(a.address).run();
    proxy.client().await.get("/").await.expect(502);
    eventually("it is logged", || !proxy.log().is_empty()).await;
    let said = proxy.log()[0]["error"].to_string();
    assert!(said.contains("does not speak HTTP/2"), "{said}");
    assert_eq!(proxy.metric("moorline_endpoint_unreachable").await, Some(0.0));
}

#[tokio::test]
async fn an_endpoint_that_sends_what_brings_nothing_forward_loses_its_connection() {
    let ok = |stream, flags| frame(HEADERS, flags, stream, &[0x88]);
    let floods = [
        ("ping", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("window-update", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ];
    let flooding = |flood: &[u8]| vec![Step::Heads(1), Step::Say([ok(1, 4), flood.repeat(2000)].concat()), Step::Wait];
    let mut scripts: Vec<_> = floods.iter().map(|(_, flood)| flooding(flood)).collect();
    scripts.push(vec![Step::Heads(1), Step::Say(ok(1, 5)), Step::Wait]);
    let (address, accepted, _server) = raw_http2(scripts).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    for (name, _) in &floods {
        let response = proxy.client().await.post("/", "not to be repeated").await;
        assert!(response.status == 502 || !response.complete, "{name}: {response:?}");
        proxy.reaches(&format!("moorline_upstream_http2_floods_total{{flood=\"{name}\"}} "), 1.0).await;
    }
    proxy.client().await.get("/").await.expect(200);
    assert_eq!(accepted.load(Ordering::SeqCst), floods.len() + 1);
    assert_eq!(proxy.metric("moorline_endpoint_unreachable").await, Some(0.0));
}
