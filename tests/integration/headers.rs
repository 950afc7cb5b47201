//! What the endpoint is told about the client, and what it is not.

use crate::support::{Behaviour, origin, proxy};

#[tokio::test]
async fn the_endpoint_learns_who_asked_and_how() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let response = client.request("GET /x?y=z HTTP/1.1\r\nHost: Shop.Example:8080\r\nUser-Agent: test\r\n", "").await;
    let head = response.text();
    assert!(head.starts_with("GET /x?y=z HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", "Shop.Example:8080"),
        ("user-agent", "test"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "Shop.Example:8080"),
        ("forwarded", "for=127.0.0.1;host=\"Shop.Example:8080\";proto=http"),
    ] {
        assert_eq!(response.seen(name).as_deref(), Some(value), "{name}");
    }
    let (id, trace) = (response.seen("x-request-id").unwrap(), response.seen("traceparent").unwrap());
    assert_eq!((id.len(), trace.len()), (32, 55));
    assert!(trace.contains(&id), "the request is found in the trace by its id");
}

#[tokio::test]
async fn what_a_client_says_about_itself_is_not_believed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let lies = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nForwarded: for=1.2.3.4\r\n\
                X-Real-IP: 1.2.3.4\r\nMoorline-Session: kept\r\nmoorline_session: kept\r\nMoorline-Session-Id: 1\r\n";
    let response = proxy.client().await.get_with("/", lies).await.expect(200);
    assert_eq!(response.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(response.seen("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(response.seen("x-real-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(response.seen("moorline-session").as_deref(), Some("new"));
    assert!(!response.text().contains("1.2.3.4") && !response.text().contains("_session"));
    assert_eq!(response.seen("x-forwarded-port"), None);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_goes_on() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).trusting("127.0.0.1/32").run();
    let said = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-Host: a.b\r\n";
    let response = proxy.client().await.get_with("/", said).await.expect(200);
    assert_eq!(response.seen("x-forwarded-for").as_deref(), Some("6.6.6.6, 1.2.3.4, 127.0.0.1"));
    assert_eq!(response.seen("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(response.seen("x-forwarded-host").as_deref(), Some("a.b"));
    assert!(response.seen("forwarded").unwrap().starts_with("for=1.2.3.4, for=127.0.0.1;"));
}

#[tokio::test]
async fn a_sound_request_id_and_trace_go_on_and_odd_ones_do_not() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let fields = format!("X-Request-ID: abc-1\r\nTraceparent: {trace}\r\nTracestate: a=b\r\n");
    let response = proxy.client().await.get_with("/", &fields).await.expect(200);
    assert_eq!(response.seen("x-request-id").as_deref(), Some("abc-1"));
    assert_eq!(response.seen("traceparent").as_deref(), Some(trace));
    assert_eq!(response.seen("tracestate").as_deref(), Some("a=b"));
    let response = proxy.client().await.get_with("/", "X-Request-ID: <script>\r\nTraceparent: 00-zz\r\n").await;
    assert_eq!(response.seen("x-request-id").unwrap().len(), 32);
    assert_eq!(response.seen("traceparent").unwrap().len(), 55);
}

#[tokio::test]
async fn fields_of_one_connection_do_not_reach_the_other() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let fields =
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Kept: 1\r\n";
    let response = proxy.client().await.get_with("/", fields).await.expect(200);
    for name in ["connection", "x-hop", "keep-alive", "te", "upgrade"] {
        assert_eq!(response.seen(name), None, "{name}");
    }
    assert_eq!(response.seen("x-kept").as_deref(), Some("1"));
    a.behave(Behaviour::Answer(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n".into(),
    ));
    let response = proxy.client().await.get("/").await.expect(200);
    assert_eq!(
        (response.field("x-hop"), response.field("keep-alive"), response.field("x-kept")),
        (None, None, Some("1"))
    );
}

#[tokio::test]
async fn an_absolute_target_becomes_a_path() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let response = client.request("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
    assert!(response.text().starts_with("GET /x?y HTTP/1.1\r\n"), "{}", response.text());
    assert_eq!(response.seen("host").as_deref(), Some("a.example"));
}

#[tokio::test]
async fn http_1_0_clients_are_served_and_their_connection_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let response = client.request("GET / HTTP/1.0\r\n", "").await.expect(200);
    assert_eq!(response.served_by(), "a");
    assert!(response.text().starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!((response.seen("host").as_deref(), response.seen("x-forwarded-host")), (Some(""), None));
    assert!(client.is_closed().await);
}
