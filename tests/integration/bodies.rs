//! Bodies pass as they are, as they come, and no faster than they are read.

use tokio::io::AsyncReadExt;

use crate::support::{Behaviour, eventually, origin, proxy};

#[tokio::test]
async fn bodies_pass_with_a_length_or_in_chunks() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let sized = client.post("/", "hello").await.expect(200);
    assert_eq!(sized.seen("content-length").as_deref(), Some("5"));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    let chunked = client.request(head, "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n").await.expect(200);
    assert_eq!(chunked.seen("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(chunked.seen("content-length"), None);
}

/// Without them, a handful of large bodies would have their worker to themselves.
#[tokio::test]
async fn what_is_large_moves_in_turns_either_way_and_through_tunnels_and_what_is_small_needs_none() {
    const SIZE: usize = 1 << 20;
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let given = async || proxy.metric("moorline_turns_total").await.expect("a number");
    let large = "x".repeat(SIZE);
    let mut client = proxy.client().await;
    for _ in 0..100 {
        client.post("/", &large[..60_000]).await.expect(200);
    }
    assert_eq!(given().await, 0.0);
    // A turn has a quantum of 64 KiB, and what is left of the piece that passes it.
    let turns = SIZE as f64 / (128.0 * 1024.0) - 1.0;
    client.post("/", &large).await.expect(200);
    let uploaded = given().await;
    assert!(uploaded >= turns, "{uploaded}");
    a.behave(Behaviour::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n{large}")));
    client.get("/").await.expect(200);
    let downloaded = given().await - uploaded;
    assert!(downloaded >= turns, "{downloaded}");
    a.behave(Behaviour::Switch);
    let mut tunnel = proxy.client().await;
    tunnel.request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", "").await.expect(101);
    assert_eq!(tunnel.read_raw(5).await, b"hello");
    for _ in 0..SIZE / 8192 {
        tunnel.send(&large.as_bytes()[..8192]).await;
        tunnel.read_raw(8192).await;
    }
    let tunnelled = given().await - uploaded - downloaded;
    assert!(tunnelled >= 2.0 * turns, "{tunnelled}: both ways");
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let next = std::sync::Arc::<tokio::sync::Notify>::default();
    let a = origin("a").behave(Behaviour::Pieces(std::sync::Arc::clone(&next))).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..5 {
        client.reads("data: piece\n\n").await;
        next.notify_one();
    }
}

#[tokio::test]
async fn a_body_passes_whatever_the_method() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
        client.request(&head, "5\r\nhello\r\n0\r\n\r\n").await.expect(200);
        let seen = a.heads().pop().expect("a head");
        assert!(seen.starts_with(method) && seen.to_lowercase().contains("transfer-encoding: chunked"), "{seen}");
    }
    assert_eq!(a.accepted(), 1, "the origin has read every body to its end");
}

#[tokio::test]
async fn responses_pass_with_a_length_in_chunks_or_until_the_end() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhelloyou",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhelloyou",
        "HTTP/1.0 200 OK\r\n\r\nhelloyou",
    ] {
        a.behave(Behaviour::AnswerAndClose(answer.into()));
        let response = proxy.client().await.get("/").await.expect(200);
        assert_eq!((response.text().as_str(), response.complete), ("helloyou", true), "{answer:?}");
    }
}

#[tokio::test]
async fn heads_and_empty_responses_have_no_body() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let head = client.request("HEAD / HTTP/1.1\r\nHost: a\r\n", "").await.expect(200);
    assert!(head.field("content-length").is_some(), "as a GET would have it");
    for status in ["204 No Content", "304 Not Modified"] {
        a.behave(Behaviour::Answer(format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n")));
        let response = client.get("/").await;
        assert_eq!((response.field("etag"), response.body.len()), (Some("\"x\""), 0));
    }
    a.behave(Behaviour::Echo);
    client.get("/").await.expect(200);
    assert_eq!(a.accepted(), 1, "the connection was good for all of them");
}

#[tokio::test]
async fn expect_100_continue_is_answered_here() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 100);
    client.send(b"hello").await;
    let response = client.response().await.unwrap().expect(200);
    assert_eq!(response.seen("expect"), None);
}

#[tokio::test]
async fn a_slow_reader_slows_the_server_and_costs_no_memory() {
    let a = origin("a").behave(Behaviour::Flood).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut byte = [0; 1];
    client.stream.read_exact(&mut byte).await.unwrap();
    // The server writes until every buffer on the way is full, and then no more.
    let mut before = usize::MAX;
    while before != a.written() {
        before = a.written();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    // The kernel's buffers of two connections; ours is less than one of them.
    assert!(before < 64 << 20, "{before} bytes");
    let mut block = vec![0; 1 << 20];
    for _ in 0..64 {
        client.stream.read_exact(&mut block).await.unwrap();
    }
    eventually("the server goes on", || a.written() > before).await;
}

#[tokio::test]
async fn a_server_that_reads_late_slows_the_upload_and_loses_nothing_of_it() {
    let a = origin("a").behave(Behaviour::Late(std::time::Duration::from_secs(2))).run().await;
    // Far less than the server takes: it is for hosts that are gone, not for those that are busy.
    let proxy = proxy().endpoint(&a).limits("upstream_user_timeout: 200ms").run();
    let mut client = proxy.client().await;
    let length = 16 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await;
    let block = vec![b'x'; 64 * 1024];
    for _ in 0..length / block.len() {
        client.send(&block).await;
    }
    client.response().await.unwrap().expect(200);
    assert!(a.read() >= length - 64 * 1024, "{}", a.read());
}

async fn trailers(announced: &str, sent: &str) -> String {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: {announced}\r\n\r\n2\r\nok\r\n0\r\n{sent}\r\n"
    );
    let a = origin("a").behave(Behaviour::Answer(answer)).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n").await;
    let mut all = String::new();
    client.stream.read_to_string(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn trailers_that_could_change_the_head_do_not_pass_and_others_do() {
    let all = trailers("Set-Cookie, Grpc-Status", "Set-Cookie: a=b\r\nGrpc-Status: 0\r\n").await;
    assert!(all.contains("\r\ntrailer: grpc-status\r\n"), "{all}");
    assert!(all.ends_with("0\r\ngrpc-status: 0\r\n\r\n") && !all.contains("a=b"), "{all}");
    let all = trailers("Set-Cookie", "Set-Cookie: a=b\r\n").await;
    assert!(all.ends_with("0\r\n\r\n") && !all.contains("a=b"), "{all}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send([one("/1"), one("/2"), one("/3")].concat().as_bytes()).await;
    for path in ["/1", "/2", "/3"] {
        let response = client.response().await.unwrap().expect(200);
        assert!(response.text().starts_with(&format!("GET {path} ")), "{}", response.text());
    }
}
