use axum::http::StatusCode;

use crate::support::{JSON, Service, say};

#[tokio::test]
async fn a_message_cannot_pass_for_a_line() {
    let service = Service::start().await;
    let mut client = service.client().await;
    let forged = "x\n2026-01-01T00:00:00.000Z ended instance=logger-0\r\nmore\u{2028}even more\u{1b}[2J";
    assert_eq!(say(&mut client, forged).await.status, StatusCode::CREATED);
    assert_eq!(client.get("/%0a2026-01-01T00:00:00.000Z%20ended").await.status, StatusCode::NOT_FOUND);
    let log = service.file();
    assert_eq!(log.lines().count(), 4, "{log}");
    assert!(!log.contains(['\r', '\u{1b}', '\u{2028}']) && !log.contains("\n2026-01-01"), "{log:?}");
    assert_eq!(client.get("/log?lines=3").await.body.lines().count(), 3);
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_says_what_is() {
    let service = Service::start().await;
    let mut client = service.client().await;
    let long = format!(r#"{{"message":"{}"}}"#, "a".repeat(8193));
    let huge = format!(r#"{{"message":"{}"}}"#, "a".repeat(100_000));
    for (kind, body, expected) in [
        (JSON, "", 400),
        (JSON, "{", 400),
        (JSON, "[\"hello\"]", 400),
        (JSON, "{}", 422),
        (JSON, r#"{"message":7}"#, 422),
        (JSON, r#"{"message":""}"#, 422),
        (JSON, r#"{"message":" \n"}"#, 422),
        (JSON, r#"{"message":"a","level":"b"}"#, 422),
        (JSON, long.as_str(), 413),
        (("content-type", "text/plain"), r#"{"message":"a"}"#, 415),
        (("content-type", "application/x-www-form-urlencoded"), "message=a", 415),
    ] {
        let answer = client.ask("POST", "/log", &[kind], body).await;
        let said = (answer.status.as_u16(), answer.header("content-type"));
        assert_eq!(said, (expected, "application/problem+json"), "{body:.60}: {}", answer.body);
    }
    let answer = service.client().await.ask("POST", "/log", &[JSON], &huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!service.file().contains("message client="), "{}", service.file());
}

#[tokio::test]
async fn the_longest_message_is_one_line_however_it_is_spelt() {
    let service = Service::start().await;
    let mut client = service.client().await;
    let body = format!(r#"{{"message":"{}"}}"#, r"\u0001".repeat(8192));
    assert_eq!(client.ask("POST", "/log", &[JSON], &body).await.status, StatusCode::CREATED);
    let log = client.get("/log?lines=2").await.body;
    assert_eq!((log.lines().count(), log.matches(r"\u0001").count()), (2, 8192));
}

#[tokio::test]
async fn absurd_numbers_of_lines_are_refused() {
    let service = Service::start().await;
    let mut client = service.client().await;
    for query in [
        "lines=0",
        "lines=1001",
        "lines=-1",
        "lines=",
        "lines=all",
        "lines=1e3",
        "lines=18446744073709551616",
        "lines=1&lines=2",
        "n=5",
    ] {
        let answer = client.get(&format!("/log?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["detail"], "expected /log?lines=<1 to 1000>");
    }
    let put = client.ask("PUT", "/log", &[], "").await;
    assert_eq!((put.status, put.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD,POST"));
}

#[tokio::test]
async fn a_method_as_long_as_a_head_makes_no_line_as_long() {
    let service = Service::start().await;
    let mut client = service.client().await;
    let method = "X".repeat(10_000);
    assert_eq!(client.ask(&method, "/log", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let log = service.file();
    assert!(log.lines().all(|line| line.len() < 1000), "{log}");
}
