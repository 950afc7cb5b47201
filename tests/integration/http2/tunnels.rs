//! WebSocket over HTTP/2 (RFC 8441): a stream of a connection that others share, with the promises of [`upgrades`].
//!
//! [`upgrades`]: crate::upgrades

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{Body, Connection, connect, empty};
use crate::support::{Behaviour, Origin, PATIENCE, Proxy, eventually, origin, proxy};

type Tunnel = TokioIo<Upgraded>;

async fn server(name: &'static str) -> Origin {
    origin(name).behave(Behaviour::Switch).run().await
}

fn ask(protocol: &'static str, cookie: &str) -> Request<Body> {
    let request = Request::builder().method(Method::CONNECT).uri("http://localhost/chat");
    let request = request.header("sec-websocket-version", "13").header("cookie", cookie);
    request.extension(hyper::ext::Protocol::from_static(protocol)).body(empty()).unwrap()
}

/// A connection whose other side has said that it knows extended CONNECT, which it has to before.
async fn ready(proxy: &Proxy) -> Connection {
    let mut client = connect(proxy).await;
    client.get("/").await;
    client
}

async fn open(client: &mut Connection, cookie: &str) -> (Response<Incoming>, Tunnel) {
    let mut response = client.send(ask("websocket", cookie)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    expect(&mut tunnel, "hello").await;
    (response, tunnel)
}

async fn expect(tunnel: &mut Tunnel, text: &str) {
    let mut read = vec![0; text.len()];
    timeout(PATIENCE, tunnel.read_exact(&mut read)).await.expect("bytes in time").unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

async fn echoes(tunnel: &mut Tunnel, text: &str) {
    tunnel.write_all(text.as_bytes()).await.unwrap();
    expect(tunnel, text).await;
}

/// It may end in order or by a reset; it does not go on.
async fn ends(tunnel: &mut Tunnel) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, tunnel.read_to_end(&mut rest)).await.expect("an end in time");
}

#[tokio::test]
async fn a_websocket_is_a_stream_like_any() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = ready(&proxy).await;
    let (_, mut tunnel) = open(&mut client, "").await;
    let head = a.heads().last().unwrap().to_lowercase();
    assert!(head.starts_with("get /chat http/1.1\r\n") && head.contains("\r\nsec-websocket-key: "), "{head}");
    tunnel.write_all(b"across").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut rest = String::new();
    tunnel.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "acrossgoodbye", "each side ends by itself");
    proxy.reaches("moorline_tunnels_open ", 0.0).await;
    assert_eq!(client.send(ask("carrier-pigeon", "")).await.unwrap().status(), 400);
    a.behave(Behaviour::Echo);
    assert_eq!(
        client.send(ask("websocket", "")).await.unwrap().status(),
        502,
        "200 would mean that the tunnel is there"
    );
}

#[tokio::test]
async fn a_websocket_is_pinned_like_any_request() {
    let (a, b) = (server("a").await, server("b").await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let (first, _tunnel) = open(&mut ready(&proxy).await, "").await;
    let set = first.headers()["set-cookie"].to_str().unwrap();
    let cookie = set.split(';').next().unwrap();
    let is_tunnel = |head: &String| head.starts_with("GET /chat");
    let tunnels = |origin: &Origin| origin.heads().iter().filter(|head| is_tunnel(head)).count();
    let at = if tunnels(&a) == 1 { &a } else { &b };
    for _ in 0..10 {
        let (again, _tunnel) = open(&mut ready(&proxy).await, cookie).await;
        assert_eq!(again.headers().get("set-cookie"), None);
    }
    assert_eq!((tunnels(at), tunnels(&a) + tunnels(&b)), (11, 11));
    let head = at.heads().into_iter().rfind(is_tunnel).unwrap().to_lowercase();
    assert!(head.contains("moorline-session: kept"), "{head}");
}

#[tokio::test]
async fn a_tunnel_on_which_nothing_moves_is_closed_and_its_connection_goes_on() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).limits("tunnel: 1s, body: 100ms").run();
    let mut client = ready(&proxy).await;
    let (_, mut tunnel) = open(&mut client, "").await;
    // Longer in all than it may be silent.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        echoes(&mut tunnel, "x").await;
    }
    let last = Instant::now();
    echoes(&mut tunnel, "x").await;
    ends(&mut tunnel).await;
    // Limits are looked at five times a second.
    assert!(last.elapsed() > Duration::from_millis(400), "it may be silent for longer than a body");
    eventually("its connection to the server too", || a.open() == 0).await;
    proxy.reaches("moorline_tunnels_open ", 0.0).await;
    open(&mut client, "").await;
}

#[tokio::test]
async fn a_shutdown_waits_for_tunnels_and_cuts_them_off_in_the_end() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).limits("shutdown: 3s").run();
    let mut client = ready(&proxy).await;
    let (_, mut tunnel) = open(&mut client, "").await;
    let drained = Instant::now();
    proxy.drain();
    echoes(&mut tunnel, "still there").await;
    proxy.ended().await;
    assert!(drained.elapsed() >= Duration::from_secs(3), "it was not cut off before");
    ends(&mut tunnel).await;
    timeout(PATIENCE, client.ended).await.expect("an end in time").unwrap().ok();
}

#[tokio::test]
async fn a_tunnel_that_its_client_drops_ends_at_the_server_and_the_connection_goes_on() {
    let a = server("a").await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = ready(&proxy).await;
    let (_, tunnel) = open(&mut client, "").await;
    drop(tunnel);
    eventually("the server's side is closed", || a.open() == 0).await;
    let (_, mut tunnel) = open(&mut client, "").await;
    echoes(&mut tunnel, "another").await;
    drop(a);
    ends(&mut tunnel).await;
    drop(tunnel);
    proxy.reaches("moorline_tunnels_open ", 0.0).await;
}
