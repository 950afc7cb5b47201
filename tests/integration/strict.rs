//! What two readers could understand in two ways is refused, on the bytes, whatever the pieces in which it comes; and
//! nobody else's answer is touched by it.

use std::collections::BTreeSet;

use crate::support::{Behaviour, Client, Origin, Proxy, origin, proxy};

/// A request behind the refused one on its connection, which must never be read.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// The request's head is refused: nothing of it reaches an endpoint.
const HEAD: bool = true;
/// What follows the head is refused: the endpoint never sees its end.
const BODY: bool = false;

/// There is no answer.
const CLOSED: u16 = 0;

/// The rule, the answer, what is refused of it, and the bytes.
#[rustfmt::skip]
const REQUESTS: &[(&str, u16, bool, &[u8])] = &[
    ("bare-lf", 400, HEAD, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("bare-lf", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    ("bare-lf", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ("bare-lf", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"),
    ("bare-cr", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    ("bare-cr", 400, HEAD, b"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"),
    ("empty-lines", 400, HEAD, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("request-line", 400, HEAD, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("request-line", 400, HEAD, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("request-line", 400, HEAD, b"GET /\r\nHost: a\r\n\r\n"),
    ("method", 400, HEAD, b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("method", 400, HEAD, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
    ("connect", 400, HEAD, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ("target", 400, HEAD, b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("target", 400, HEAD, b"GET /<x> HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("fragment", 400, HEAD, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("asterisk", 400, HEAD, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("not-http", CLOSED, HEAD, b"INVALID CONNECTION PREFACE\r\n\r\n"),
    ("version", 400, HEAD, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("version", 400, HEAD, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("field-name", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    ("field-name", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\x0b: chunked\r\n\r\n"),
    ("blank-before-colon", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n"),
    ("blank-before-colon", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n"),
    ("fold", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
    ("control-byte", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"),
    ("control-byte", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x7fz\r\n\r\n"),
    ("host-missing", 400, HEAD, b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    ("host-repeated", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("host-repeated", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"),
    ("host", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("host", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("host", 400, HEAD, b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
    ("authority", 400, HEAD, b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  5\r\n\r\nhello"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 \r\n\r\nhello"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("length", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
    ("length-repeated", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("length-and-encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("length-and-encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    ("encoding", 400, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("encoding-in-1.0", 400, HEAD, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunk-size", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n0\r\n\r\n"),
    ("chunk-size", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n0\r\n\r\n"),
    ("chunk-extension", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nx\r\n0\r\n\r\n"),
    ("chunk-end", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"),
    ("trailer", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n"),
    ("bare-lf", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n"),
    ("bare-cr", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\rz\r\n\r\n"),
    ("fold", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n"),
    ("control-byte", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\x01z\r\n\r\n"),
    ("field-name", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n \r\n\r\n"),
    ("blank-before-colon", 400, BODY, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n"),
    ("expect", 417, HEAD, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"),
];

/// The bytes of each row, and of those that are too long to be written down.
fn requests() -> Vec<(&'static str, u16, bool, Vec<u8>)> {
    let long = |count: usize| "a".repeat(count);
    let fields = "X: y\r\n".repeat(101);
    let mut rows: Vec<_> =
        REQUESTS.iter().map(|&(rule, status, place, bytes)| (rule, status, place, bytes.to_vec())).collect();
    let mut add = |rule, status, bytes: String| rows.push((rule, status, HEAD, bytes.into_bytes()));
    add("target-too-long", 414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(17_000)));
    add("target-too-long", 414, format!("GET /{}", long(70_000)));
    add("head-too-large", 431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", long(70_000)));
    add("too-many-fields", 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    rows
}

/// The rules that the documentation lists for one side; it is checked against the code.
fn documented(side: &str) -> BTreeSet<&'static str> {
    let rows = include_str!("../../docs/refusals.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let rules: BTreeSet<_> = rows
        .filter(|row| row.split('|').nth(1).unwrap().contains(side))
        .filter_map(|row| row.split('`').next())
        .collect();
    assert!(rules.len() > 10, "{rules:?}");
    rules
}

#[test]
fn every_rule_has_a_row_here() {
    let mut rows: BTreeSet<_> = requests().iter().map(|row| row.0).collect();
    // Where a connection is asked for another protocol: see `upgrades`.
    rows.insert("early");
    assert_eq!(rows, documented("requests"));
    let mut rows: BTreeSet<_> = responses().iter().map(|row| row.0).collect();
    // What answers no request comes after what does.
    rows.insert("unasked");
    assert_eq!(rows, documented("responses"));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pieces {
    One,
    Bytes,
}

async fn send(client: &mut Client, bytes: &[u8], pieces: Pieces) {
    if pieces == Pieces::One {
        return client.send(bytes).await;
    }
    client.stream.set_nodelay(true).unwrap();
    // Tens of thousands of writes show nothing that thousands do not.
    let (most, rest) = bytes.split_at(bytes.len().saturating_sub(2000));
    for piece in most.chunks(1000).chain(rest.chunks(1)) {
        client.send(piece).await;
    }
}

async fn refused(proxy: &Proxy, a: &Origin, row: &(&str, u16, bool, Vec<u8>), used: bool, pieces: Pieces) {
    let (rule, status, place, bytes) = row;
    let what = format!("{rule}, used: {used}, {pieces:?}: {}", bytes[..bytes.len().min(200)].escape_ascii());
    let mut client = proxy.client().await;
    if used {
        client.get("/before").await.expect(200);
    }
    let before = a.heads().len();
    send(&mut client, &[bytes, SMUGGLED.as_bytes()].concat(), pieces).await;
    match client.response().await {
        Some(answer) => assert_eq!(answer.status, *status, "{what}: {}", answer.text()),
        None => assert_eq!(*status, CLOSED, "{what}: no answer"),
    }
    assert!(client.is_closed().await, "{what}: the connection goes on");
    if *place == HEAD {
        assert_eq!(a.heads().len(), before, "{what}: the endpoint has seen it");
    }
    let mut bystander = proxy.client().await;
    let path = format!("/bystander/{before}");
    assert!(bystander.get(&path).await.expect(200).text().starts_with(&format!("GET {path} ")), "{what}");
    assert!(!a.heads().iter().any(|head| head.contains("/smuggled")), "{what}: what came after it was read");
}

#[tokio::test]
async fn a_head_that_is_refused_gets_no_body() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for refused in ["HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\r\nHEAD /a#b HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for pieces in [Pieces::One, Pieces::Bytes] {
            let mut client = proxy.client().await;
            send(&mut client, refused.as_bytes(), pieces).await;
            let answer = client.read_raw(1 << 16).await;
            let answer = String::from_utf8_lossy(&answer);
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 400 ") && body.is_empty(), "{answer}");
        }
    }
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for row in requests() {
        for used in [false, true] {
            for pieces in [Pieces::One, Pieces::Bytes] {
                refused(&proxy, &a, &row, used, pieces).await;
            }
        }
    }
    assert!(proxy.metric("moorline_refusals_total{rule=\"bare-lf\"}").await.unwrap() >= 16.0);
}

#[tokio::test]
async fn requests_before_a_refused_one_get_their_answers_first() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let good = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(format!("{}{}GET / HTTP/1.1\r\n\r\n{SMUGGLED}", good("/1"), good("/2")).as_bytes()).await;
    for path in ["/1", "/2"] {
        assert!(client.response().await.unwrap().expect(200).text().starts_with(&format!("GET {path} ")));
    }
    client.response().await.unwrap().expect(400);
    assert!(client.is_closed().await);
    assert_eq!(a.heads().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_read_even_by_a_client_that_goes_on_sending() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9, 9\r\n\r\n").await;
    // More than fits into the buffers of both systems, so that closing at once would reset the connection.
    for _ in 0..8 {
        client.send(&[b'x'; 64 * 1024]).await;
    }
    client.response().await.expect("the answer survives").expect(400);
}

#[rustfmt::skip]
const RESPONSES: &[(&str, bool, &str)] = &[
    ("bare-lf", HEAD, "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
    ("bare-lf", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1\nx\r\n0\r\n\r\n"),
    ("bare-cr", HEAD, "HTTP/1.1 200 OK\r\nX: y\rContent-Length: 0\r\n\r\n"),
    ("version", HEAD, "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status-line", HEAD, "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status-line", HEAD, "HTTP/1.1 700 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status-line", HEAD, "garbage\r\n\r\n"),
    ("field-name", HEAD, "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n"),
    ("blank-before-colon", HEAD, "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
    ("fold", HEAD, "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n"),
    ("control-byte", HEAD, "HTTP/1.1 200 OK\r\nX: y\0z\r\nContent-Length: 0\r\n\r\n"),
    ("length", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
    ("length-repeated", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    ("length-and-encoding", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("encoding", HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("encoding-in-1.0", HEAD, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunk-size", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nz\r\n0\r\n\r\n"),
    ("chunk-extension", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1;x\r\nx\r\n0\r\n\r\n"),
    ("chunk-end", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n"),
    ("trailer", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n"),
    ("fold", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\n z\r\n\r\n"),
    ("bare-lf", BODY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\n\r\n"),
    ("switch", HEAD, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("bodiless", HEAD, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"),
];

fn responses() -> Vec<(&'static str, bool, String)> {
    let mut rows: Vec<_> = RESPONSES.iter().map(|(rule, place, text)| (*rule, *place, (*text).to_owned())).collect();
    let mut add = |rule, text| rows.push((rule, HEAD, text));
    add("head-too-large", format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000)));
    add("too-many-fields", format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101)));
    add("interim", format!("{}HTTP/1.1 204 N\r\n\r\n", "HTTP/1.1 102 P\r\n\r\n".repeat(17)));
    rows
}

#[tokio::test]
async fn responses_that_can_be_read_in_two_ways_are_502_or_broken_off() {
    let a = origin("a").run().await;
    for (rule, place, text) in responses() {
        for used in [false, true] {
            for behaviour in [Behaviour::Answer(text.clone()), Behaviour::Dribble(text.clone())] {
                let what = format!("{rule}, used: {used}: {}", text[..text.len().min(200)].escape_debug());
                // Another proxy has no connection to the endpoint yet.
                let proxy = proxy().endpoint(&a).workers(1).run();
                let mut client = proxy.client().await;
                if used {
                    a.behave(Behaviour::Echo);
                    client.get("/before").await.expect(200);
                }
                let before = a.accepted();
                a.behave(behaviour);
                let answer = client.get("/").await;
                assert_eq!(a.accepted() > before, !used, "{what}: the connection to the endpoint");
                match place {
                    HEAD => assert_eq!(answer.status, 502, "{what}"),
                    BODY => {
                        assert!(answer.status == 502 || !answer.complete, "{what}: {answer:?}");
                        client.reconnect().await;
                    }
                }
                a.behave(Behaviour::Echo);
                let path = format!("/bystander/{rule}");
                assert!(client.get(&path).await.expect(200).text().starts_with(&format!("GET {path} ")), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_protocol_that_nobody_asked_for_is_502() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let a = origin("a").behave(Behaviour::Answer(switch.to_owned())).run().await;
    let proxy = proxy().endpoint(&a).run();
    proxy.client().await.get("/").await.expect(502);
}

#[tokio::test]
async fn a_response_to_nobody_is_given_to_nobody() {
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let a = origin("a").behave(Behaviour::Answer(twice.to_owned())).run().await;
    let proxy = proxy().endpoint(&a).workers(1).run();
    let mut client = proxy.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.expect(200).text(), "ok");
    }
}
