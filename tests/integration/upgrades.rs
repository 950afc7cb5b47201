//! Other protocols over a connection that began with HTTP: pinned like any request, and nothing passes before the
//! endpoint has agreed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::support::{Behaviour, Client, Origin, eventually, origin, proxy};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";

async fn server(name: &'static str) -> Origin {
    origin(name).behave(Behaviour::Switch).run().await
}

/// Asks for another protocol, and reads the answer.
async fn ask(client: &mut Client, early: &str) -> crate::support::Response {
    client.request(ASK, early).await
}

async fn expect(client: &mut Client, text: &str) {
    assert_eq!(String::from_utf8_lossy(&client.read_raw(text.len()).await), text);
}

#[tokio::test]
async fn bytes_of_another_protocol_pass_both_ways_until_both_sides_end() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let answer = ask(&mut client, "").await.expect(101);
    assert_eq!((answer.field("upgrade"), answer.field("connection")), (Some("websocket"), Some("upgrade")));
    expect(&mut client, "hello").await;
    client.send(b"\x01\0\r\n\r\nGET").await;
    expect(&mut client, "\x01\0\r\n\r\nGET").await;
    let block = vec![b'x'; 300_000];
    let (mut read, mut write) = client.stream.split();
    let sent = async {
        write.write_all(&block).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, got) = tokio::join!(sent, read.read_to_end(&mut received));
    got.unwrap();
    assert_eq!(received.len(), block.len() + "goodbye".len(), "the client has ended, the server goes on to its end");
    proxy.reaches("moorline_tunnels_open ", 0.0).await;
    eventually("it is logged", || proxy.log().len() == 1).await;
    let line = &proxy.log()[0];
    assert_eq!((&line["status"], &line["outcome"]), (&101.into(), &"new".into()), "{line}");
    assert!(line["bytes"].as_u64().unwrap() > 300_000, "{line}");
}

#[tokio::test]
async fn an_upgrade_is_pinned_like_any_request() {
    let (a, b) = (server("a").await, server("b").await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    ask(&mut client, "").await.expect(101);
    let at = if a.heads().is_empty() { &b } else { &a };
    for _ in 0..10 {
        client.reconnect().await;
        ask(&mut client, "").await.expect(101);
    }
    assert_eq!((at.heads().len(), a.heads().len() + b.heads().len()), (11, 11));
    let head = at.heads().last().unwrap().to_lowercase();
    assert!(head.contains("moorline-session: kept") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert_eq!(proxy.sessions(), 1);
}

#[tokio::test]
async fn nothing_passes_before_the_endpoint_has_agreed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    // The endpoint answers as if nothing had been asked: what follows is a request like any.
    let answer = ask(&mut client, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.expect(200);
    assert_eq!(answer.field("upgrade"), None);
    assert!(client.response().await.unwrap().expect(200).text().starts_with("GET /next "));
    a.behave(Behaviour::Hang);
    client.send(format!("{ASK}\r\nearly bytes").as_bytes()).await;
    eventually("it is asked", || a.heads().len() == 3).await;
    assert!(!a.heads().iter().any(|head| head.contains("early")));
    drop(client);
    eventually("its connection is closed", || a.open() == 0).await;
}

#[tokio::test]
async fn what_comes_early_passes_once_the_endpoint_has_agreed() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    ask(&mut client, "early").await.expect(101);
    expect(&mut client, "helloearly").await;
}

#[tokio::test]
async fn too_much_before_the_endpoint_has_agreed_is_refused() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(format!("{ASK}\r\n").as_bytes()).await;
    for _ in 0..8 {
        client.send(&[b'x'; 16 * 1024]).await;
    }
    assert!(client.response().await.is_none());
    eventually("the endpoint is let go", || a.open() == 0).await;
    proxy.reaches("moorline_refusals_total{rule=\"early\"} ", 1.0).await;
}

#[tokio::test]
async fn http2_cannot_be_switched_to_past_the_proxy() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let head =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n";
    client.request(head, "").await.expect(426);
    let seen = a.heads()[0].to_lowercase();
    assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
}

#[tokio::test]
async fn a_tunnel_on_which_nothing_moves_is_closed() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).limits("tunnel: 1s, body: 100ms, idle: 100ms").run();
    let mut client = proxy.client().await;
    ask(&mut client, "").await.expect(101);
    expect(&mut client, "hello").await;
    // Longer in all than it may be silent.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        client.send(b"x").await;
        expect(&mut client, "x").await;
    }
    let last = Instant::now();
    client.send(b"x").await;
    expect(&mut client, "x").await;
    assert!(client.is_closed().await);
    // Limits are looked at five times a second.
    assert!(last.elapsed() > Duration::from_millis(400), "it may be silent for longer than a body");
    eventually("its connection to the server too", || a.open() == 0).await;
}

#[tokio::test]
async fn a_shutdown_waits_for_tunnels_and_cuts_them_off_in_the_end() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).limits("shutdown: 1s").run();
    let mut client = proxy.client().await;
    ask(&mut client, "").await.expect(101);
    expect(&mut client, "hello").await;
    proxy.drain();
    client.send(b"still there").await;
    expect(&mut client, "still there").await;
    proxy.ended().await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_tunnel_along_and_so_does_a_server() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    ask(&mut client, "").await.expect(101);
    drop(client);
    eventually("the server's side is closed", || a.open() == 0).await;
    let mut client = proxy.client().await;
    ask(&mut client, "").await.expect(101);
    expect(&mut client, "hello").await;
    drop(a);
    assert!(client.is_closed().await);
    drop(client);
    proxy.reaches("moorline_tunnels_open ", 0.0).await;
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
}
