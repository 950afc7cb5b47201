use axum::http::StatusCode;
use moorline_service::testing::Answer;

use crate::{
    laws::{JSON, create},
    support::service,
};

/// Every refusal is a problem, says who refused, and is nobody's to keep.
fn check(answer: &Answer, expected: u16, part: &str) {
    let said = (answer.status.as_u16(), answer.header("content-type"));
    assert_eq!(said, (expected, "application/problem+json"), "{}", answer.body);
    assert_eq!((answer.header("x-served-by"), answer.header("cache-control")), ("users-0", "no-store"));
    let problem = answer.json();
    assert_eq!(problem["status"], expected);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(part)), "{part}: {problem}");
}

#[tokio::test]
async fn a_body_that_is_no_new_user_is_refused_with_what_is_wrong() {
    let service = service().await;
    let mut client = service.client().await;
    let long = format!(r#"{{"username":"{}"}}"#, "a".repeat(65));
    for (body, expected, part) in [
        ("{", 400, "cannot be read"),
        ("{\"username\":\"wal", 400, "cannot be read"),
        ("[\"walker\"]", 400, "no JSON object"),
        ("\"walker\"", 400, "no JSON object"),
        ("{\"username\":\"\\ud800\"}", 400, "cannot be read"),
        ("{}", 422, "is missing"),
        (r#"{"username":""}"#, 422, "must not be empty"),
        (r#"{"username":" walker"}"#, 422, "white space"),
        (r#"{"username":"wal\nker"}"#, 422, "control characters"),
        (r#"{"username":"a","username":"b"}"#, 422, "duplicate field"),
        (r#"{"username":"a","admin":true}"#, 422, "unknown field"),
        (long.as_str(), 422, "at most 64 characters"),
    ] {
        check(&client.ask("POST", "/user", &[JSON], body).await, expected, part);
    }
    let deep = format!(r#"{{"username":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(client.ask("POST", "/user", &[JSON], &deep).await.status.is_client_error());
    assert_eq!(client.get("/user").await.body, "[]\n");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_is_sent() {
    let service = service().await;
    let body = format!(r#"{{"username":"{}"}}"#, "a".repeat(20_000));
    check(&service.client().await.ask("POST", "/user", &[JSON], &body).await, 413, "too large");

    let mut client = service.client().await;
    client
        .send("POST /user HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.send(&format!("4e20\r\n{}\r\n0\r\n\r\n", " ".repeat(20_000))).await;
    check(&client.answer().await, 413, "too large");
}

#[tokio::test]
async fn keys_and_queries_that_make_no_sense_are_refused() {
    let service = service().await;
    let mut client = service.client().await;
    for key in ["", "two words", &"k".repeat(256)] {
        check(&create(&mut client, "walker", Some(key)).await, 400, "Idempotency-Key");
    }
    let twice = [JSON, ("idempotency-key", "a"), ("idempotency-key", "b")];
    check(&client.ask("POST", "/user", &twice, r#"{"username":"walker"}"#).await, 400, "Idempotency-Key");
    for (query, part) in [
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=ten", "from 1 to 1000"),
        ("after=walker", "the id of a user"),
        ("page=2", "unknown field"),
    ] {
        check(&client.get(&format!("/user?{query}")).await, 400, part);
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_say_what_is() {
    let service = service().await;
    let mut client = service.client().await;
    for target in ["/", "/users", "/user/", "/user/1/2", "/%ff"] {
        check(&client.get(target).await, 404, "there are /user");
    }
    for id in ["1", "%ff", "..", "0192f3a4-5b6c-7d8e-9f01-23456789abcd"] {
        check(&client.get(&format!("/user/{id}")).await, 404, "no user of this id");
    }
    for (method, target, allowed) in
        [("DELETE", "/user", "GET,HEAD,POST"), ("PUT", "/user/1", "GET,HEAD"), ("POST", "/healthz", "GET,HEAD")]
    {
        let answer = client.ask(method, target, &[], "").await;
        check(&answer, 405, "Allow");
        assert_eq!(answer.header("allow"), allowed, "{method} {target}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let service = service().await;
    let mut client = service.client().await;
    create(&mut client, "walker", None).await;
    let (head, get) = (client.ask("HEAD", "/user", &[], "").await, client.get("/user").await);
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, get.header("content-length")));
}
