//! Clients that mean no good: served as new sessions or refused, and nobody else notices.

use crate::support::{Proxy, Response, origin, proxy};

async fn with_cookie(proxy: &Proxy, cookie: &[u8]) -> Response {
    let mut client = proxy.client().await;
    let request = [b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ", cookie, b"\r\n\r\n"].concat();
    client.send(&request).await;
    client.response().await.expect("an answer")
}

#[tokio::test]
async fn cookies_that_are_no_token_are_new_sessions() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    let good = client.cookie.clone().unwrap();
    let mut forged = good.clone().into_bytes();
    let at = forged.len() - 5;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let cut = &good[..good.len() - 1];
    let thousand = (0..1000).map(|n| format!("moorline={n:050}")).collect::<Vec<_>>().join("; ");
    let long = format!("moorline={}", "A".repeat(60 * 1024));
    for cookie in [
        &forged[..],
        cut.as_bytes(),
        thousand.as_bytes(),
        long.as_bytes(),
        b"moorline=\xff\xfe\xfd",
        b"moorline=",
        b"moorline",
        b"=;=;=",
        b";;;;;;",
        b"moorline=%00",
        "moorline=𝕊𝕖𝕤𝕤𝕚𝕠𝕟".as_bytes(),
    ] {
        let response = with_cookie(&proxy, cookie).await;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&cookie[..cookie.len().min(60)]));
        assert_eq!(response.seen("moorline-session").as_deref(), Some("new"));
        assert!(response.field("set-cookie").is_some());
    }
    let bystander = client.get("/").await.expect(200);
    assert_eq!(bystander.seen("moorline-session").as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431_and_nothing_reaches_the_endpoint() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let response = with_cookie(&proxy, format!("moorline={}", "A".repeat(80 * 1024)).as_bytes()).await;
    assert_eq!(response.status, 431);
    assert_eq!(a.heads().len(), 0);
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    proxy.client().await.get(&format!("/{}", "a".repeat(16_000))).await.expect(200);
    proxy.client().await.get(&format!("/{}", "a".repeat(17_000))).await.expect(414);
    assert_eq!(a.heads().len(), 1);
}

#[tokio::test]
async fn a_session_id_cannot_be_chosen_by_the_client() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let response = client.get_with("/", "Moorline-Session-Id: 0000000000000001\r\n").await.expect(200);
    assert_ne!(response.seen("moorline-session-id").as_deref(), Some("0000000000000001"));
    assert_eq!(response.text().matches("moorline-session-id").count(), 1);
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let pieces: [&[u8]; 6] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ];
    for piece in pieces {
        for _ in 0..10 {
            let mut client = proxy.client().await;
            client.send(piece).await;
        }
    }
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
    proxy.reaches("http_server_active_requests ", 0.0).await;
    proxy.client().await.get("/").await.expect(200);
}
