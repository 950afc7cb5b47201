//! Connections to endpoints: kept, noticed when stale, bounded.

use std::time::Duration;

use crate::support::{Behaviour, eventually, origin, proxy};

#[tokio::test]
async fn connections_to_an_endpoint_are_used_again() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    for _ in 0..50 {
        client.get("/").await.expect(200);
    }
    assert_eq!(a.accepted(), 1);
    assert_eq!(proxy.metric("moorline_upstream_reuses_total").await, Some(49.0));
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_costs_nobody_a_request() {
    let a = origin("a").behave(Behaviour::CloseQuietly).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    for _ in 0..50 {
        client.get("/").await.expect(200);
        eventually("the server has closed", || a.open() == 0).await;
    }
    for _ in 0..50 {
        client.post("/", "not to be repeated").await.expect(200);
        eventually("the server has closed", || a.open() == 0).await;
    }
    assert_eq!(a.heads().len(), 100);
}

/// A process that is being killed: what it has is reset, and its listener takes connections for a moment longer.
#[tokio::test]
async fn a_session_gets_over_a_kept_connection_that_breaks_and_a_fresh_one_that_does_too() {
    for (is_kept, resets, status) in [(true, 2, 200), (true, 3, 502), (false, 1, 200), (false, 2, 502)] {
        let a = origin("a").run().await;
        let proxy = proxy().endpoint(&a).workers(1).run();
        let mut client = proxy.client().await;
        if is_kept {
            client.get("/").await.expect(200);
        }
        let before = a.heads().len();
        a.behave(Behaviour::ResetFirst(resets));
        let began = tokio::time::Instant::now();
        client.get("/").await.expect(status);
        assert!(began.elapsed() >= Duration::from_millis(50), "the last attempt gives it a moment");
        let sent = a.heads().len() - before;
        assert_eq!(sent, if status == 200 { resets + 1 } else { resets }, "kept: {is_kept}, {resets} resets");
        // What may not be repeated is not.
        a.behave(Behaviour::ResetFirst(1));
        client.reconnect().await;
        client.post("/", "x").await.expect(502);
    }
}

#[tokio::test]
async fn a_request_that_breaks_endpoints_breaks_no_more_than_two() {
    let origins = [origin("a").run().await, origin("b").run().await, origin("c").run().await];
    let builder =
        origins.iter().fold(proxy().workers(1).without_sessions(), |builder, origin| builder.endpoint(origin));
    let proxy = builder.run();
    let mut client = proxy.client().await;
    for _ in 0..20 {
        // Until there is a kept connection to each.
        client.get("/").await.expect(200);
    }
    let sent = || origins.iter().map(|origin| origin.heads().len()).sum::<usize>();
    let before = sent();
    origins.iter().for_each(|origin| origin.behave(Behaviour::Reset));
    client.get("/").await.expect(502);
    assert_eq!(sent() - before, 2);
}

/// A listener with no room for anybody: what is sent there is swallowed, as by the address of a pod that is gone.
fn swallowing() -> (socket2::Socket, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("a free port");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().expect("an address").as_socket().expect("an address of IPv4");
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let waiting = std::iter::from_fn(connect).collect();
    (socket, waiting)
}

#[tokio::test]
async fn a_dial_is_given_up_when_the_endpoint_is_published_elsewhere() {
    let (gone, _waiting) = swallowing();
    let address = gone.local_addr().expect("an address").as_socket().expect("an address of IPv4");
    for protocol in ["protocol: http", "protocol: h2c"] {
        let builder = proxy().described(&format!("{{ name: a, address: '{address}' }}")).speaking(protocol);
        let proxy = builder.workers(1).limits("connect: 1h").run();
        let mut client = proxy.client().await;
        let request = tokio::spawn(async move { client.get("/").await });
        proxy.reaches("moorline_upstream_connects_total ", 1.0).await;
        let a = origin("a").run().await;
        proxy.publish(&crate::support::proxy().endpoint(&a));
        assert_eq!(request.await.unwrap().expect(200).served_by(), "a");
    }
}

#[tokio::test]
async fn idle_connections_are_closed_before_the_server_would() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("upstream_idle: 50ms").run();
    proxy.client().await.get("/").await.expect(200);
    eventually("the idle connection is closed", || a.open() == 0).await;
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).workers(1).limits("upstream_idle_connections: 2, upstream_idle: 1h").run();
    let mut clients = Vec::new();
    for number in 1..=5 {
        let mut client = proxy.client().await;
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha").await;
        eventually("it has a connection of its own", || a.open() == number).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.send(b"lf").await;
        client.response().await.expect("an answer").expect(200);
    }
    eventually("the others are closed", || a.open() == 2).await;
}

#[tokio::test]
async fn connections_of_an_endpoint_that_leaves_are_closed_at_once() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).without_sessions().run();
    let mut client = proxy.client().await;
    while a.open() == 0 || b.open() == 0 {
        client.get("/").await.expect(200);
    }
    proxy.publish(&crate::support::proxy().endpoint(&b).without_sessions());
    eventually("no connection is left", || a.open() == 0).await;
    assert!(b.open() > 0);
}

#[tokio::test]
async fn more_connections_than_allowed_are_503_at_once_and_newcomers_go_elsewhere() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).workers(1).limits("upstream_connections: 2").run();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.client().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(client);
    }
    eventually("both connections are in use", || a.heads().len() == 2).await;
    let refused = proxy.client().await.get("/").await.expect(503);
    assert_eq!(refused.field("retry-after"), Some("2"));
    let b = origin("b").run().await;
    proxy.publish(&crate::support::proxy().endpoint(&a).endpoint(&b));
    for _ in 0..10 {
        assert_eq!(proxy.client().await.get("/").await.expect(200).served_by(), "b");
    }
}

#[tokio::test]
async fn an_endpoint_that_one_request_found_dead_is_not_tried_by_the_next() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).without_sessions().run();
    drop(a);
    let mut client = proxy.client().await;
    for _ in 0..100 {
        client.get("/").await.expect(200);
    }
    let failures = proxy.metric("moorline_upstream_connect_failures_total").await.unwrap();
    assert!(failures <= 2.0, "each worker finds out at most once: {failures}");
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_upstream_connection_along() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request is there", || a.heads().len() == 1).await;
    drop(client);
    eventually("the connection is closed", || a.open() == 0).await;
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf").await;
    eventually("the request has begun", || a.open() == 1).await;
    drop(client);
    eventually("the connection is closed", || a.open() == 0).await;
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
    proxy.reaches("http_server_active_requests ", 0.0).await;
}
