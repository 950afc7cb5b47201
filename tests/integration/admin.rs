//! What the admin API shows.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{admin_get, origin, proxy};

#[tokio::test]
async fn health_metrics_and_sessions_are_shown() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    assert_eq!(admin_get(proxy.admin, "/livez").await, (200, "ok\n".into()));
    assert_eq!(admin_get(proxy.admin, "/readyz").await, (200, "ready\n".into()));
    assert_eq!(admin_get(proxy.admin, "/nothing").await.0, 404);

    let mut client = proxy.client().await;
    for _ in 0..3 {
        client.get("/").await.expect(200);
    }
    let home = client.get("/").await.served_by().to_owned();
    let (status, text) = admin_get(proxy.admin, "/api/v1/sessions").await;
    let list: moorline::api::Sessions = serde_json::from_str(&text).unwrap();
    assert_eq!((status, list.total, list.more), (200, 1, false));
    assert!(!list.complete, "it has run for less than a session may stay away");
    let [session] = &list.sessions[..] else { panic!("{text}") };
    assert_eq!((session.id.len(), &session.endpoint, session.requests), (8, &home, 3));
    let (_, text) = admin_get(proxy.admin, "/api/v1/sessions?limit=0&endpoint=nobody").await;
    let none: moorline::api::Sessions = serde_json::from_str(&text).unwrap();
    assert_eq!((none.total, none.sessions.len(), none.more), (0, 0, false));

    let kept = "moorline_session_decisions_total{backend=\"posts\",outcome=\"kept\"}";
    assert_eq!(proxy.metric(kept).await, Some(3.0));
    let live = format!("moorline_sessions{{backend=\"posts\",endpoint=\"{home}\"}}");
    assert_eq!(proxy.metric(&live).await, Some(1.0));
    let requests =
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_response_status_code=\"200\"}";
    assert_eq!(proxy.metric(requests).await, Some(4.0));
    assert_eq!(proxy.metric("moorline_config_generation").await, Some(1.0));
}

#[tokio::test]
async fn who_keeps_connections_open_keeps_nobody_out() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(proxy.admin).await.unwrap());
    }
    assert_eq!(admin_get(proxy.admin, "/readyz").await, (200, "ready\n".into()));
    // The first has lost its place; the last has not.
    let mut byte = [0];
    assert!(matches!(idle[0].read(&mut byte).await, Ok(0) | Err(_)));
    let mut last = idle.pop().unwrap();
    last.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(last.read(&mut byte).await.unwrap(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_no_success() {
    let a = origin("a").behave(crate::support::Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    crate::support::eventually("the request is there", || a.heads().len() == 1).await;
    drop(client);
    crate::support::eventually("it is logged", || proxy.log().len() == 1).await;
    let line = &proxy.log()[0];
    assert_eq!((&line["status"], &line["error"]), (&499.into(), &"the client closed the connection".into()));
}

#[tokio::test]
async fn requests_cut_off_at_the_end_are_logged() {
    let a = origin("a").behave(crate::support::Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).run();
    let log = proxy.log_handle();
    let mut client = proxy.client().await;
    client.send(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n").await;
    crate::support::eventually("the request is there", || a.heads().len() == 1).await;
    proxy.end();
    proxy.ended().await;
    assert!(log.text().contains("/cut"), "{}", log.text());
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_an_alert() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let line = "moorline_endpoint_unreachable{backend=\"posts\",endpoint=\"a\"}";
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    assert_eq!(proxy.metric(line).await, Some(0.0));
    drop(a);
    client.cookie = None;
    client.get("/").await.expect(503);
    assert_eq!(proxy.metric(line).await, Some(1.0));
}

#[tokio::test]
async fn pages_from_elsewhere_cannot_read_what_is_on_loopback() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut status = Vec::new();
    for host in ["localhost", "127.0.0.1:9901", "[::1]", "evil.example"] {
        let mut client = crate::support::Client::connect(proxy.admin).await;
        let head = format!("GET /api/v1/sessions HTTP/1.1\r\nHost: {host}\r\n");
        status.push(client.request(&head, "").await.status);
    }
    assert_eq!(status, [200, 200, 200, 421]);
}

#[tokio::test]
async fn while_it_ends_it_is_not_ready() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha").await;
    crate::support::eventually("the request has begun", || a.accepted() == 1).await;
    proxy.drain();
    let (status, text) = admin_get(proxy.admin, "/readyz").await;
    assert_eq!((status, text.as_str()), (503, "not ready: shutting down\n"));
    assert_eq!(admin_get(proxy.admin, "/livez").await.0, 200);
}

#[tokio::test]
async fn the_access_log_tells_outcome_and_endpoint_and_no_cookie() {
    let a = origin("posts-0").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.get("/a?b=c").await.expect(200);
    client.get_with("/second", "X-Request-ID: id-2\r\n").await.expect(200);
    crate::support::eventually("it is written", || proxy.log().len() == 2).await;
    let log = proxy.log();
    assert_eq!((&log[0]["outcome"], &log[0]["target"]), (&"new".into(), &"/a?b=c".into()));
    assert_eq!((&log[1]["outcome"], &log[1]["endpoint"]), (&"kept".into(), &"posts-0".into()));
    assert_eq!((&log[1]["request_id"], &log[1]["status"]), (&"id-2".into(), &200.into()));
    assert_eq!(log[0]["session"], log[1]["session"]);
    let cookie = client.cookie.unwrap();
    let token = cookie.strip_prefix("moorline=").unwrap();
    assert!(!serde_json::to_string(&log).unwrap().contains(token));
}
