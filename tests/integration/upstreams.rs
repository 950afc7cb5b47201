//! Connections to endpoints: kept, noticed when stale, bounded.

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

#[tokio::test]
async fn idle_connections_are_closed_before_the_server_would() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("upstream_idle: 50ms").run();
    proxy.client().await.get("/").await.expect(200);
    eventually("the idle connection is closed", || a.open() == 0).await;
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
