use std::time::Duration;

use axum::http::StatusCode;
use mongodb::bson::doc;
use moorline_service::testing::Answer;

use crate::{
    laws::{all, create, names},
    support::{Service, until},
};

/// Nobody knows whether the user was written, and the answer says so.
fn is_unknown(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert_eq!((answer.json()["outcome"].as_str(), answer.header("retry-after")), (Some("unknown"), "2"));
}

#[tokio::test]
async fn a_connection_that_breaks_once_is_not_even_noticed() {
    let service = Service::start(1).await;
    let mut client = service.client().await;
    service.set.fail(1, doc! { "failCommands": ["insert"], "closeConnection": true }).await;
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CREATED);
    service.set.fail(1, doc! { "failCommands": ["find"], "closeConnection": true }).await;
    assert_eq!(names(&all(&mut client, 10).await), ["walker"]);
}

#[tokio::test]
async fn a_write_that_fails_twice_may_be_repeated_under_its_key() {
    let service = Service::start(1).await;
    let mut client = service.client().await;
    let stepped_down = doc! { "failCommands": ["insert"], "errorCode": 11602, "errorLabels": ["RetryableWriteError"] };
    service.set.fail(2, stepped_down).await;
    is_unknown(&create(&mut client, "walker", Some("key")).await);
    let again = create(&mut client, "walker", Some("key")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    assert_eq!(names(&all(&mut client, 10).await), ["walker"]);
}

#[tokio::test]
async fn a_write_that_no_majority_confirmed_is_there_when_it_is_repeated() {
    let service = Service::start(1).await;
    let mut client = service.client().await;
    let unconfirmed = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    service.set.fail(1, doc! { "failCommands": ["insert"], "writeConcernError": unconfirmed }).await;
    is_unknown(&create(&mut client, "walker", Some("key")).await);
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CONFLICT);
    let again = create(&mut client, "walker", Some("key")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    assert_eq!(names(&all(&mut client, 10).await), ["walker"]);
}

#[tokio::test]
async fn a_client_that_cannot_wait_hears_so_and_its_write_goes_on() {
    let service = Service::with_deadline(1, Duration::from_millis(200)).await;
    let mut client = service.client().await;
    let slow = doc! { "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 1000 };
    service.set.fail(1, slow).await;
    is_unknown(&create(&mut client, "walker", Some("key")).await);
    until(async || names(&all(&mut client, 10).await) == ["walker"]).await;
    assert_eq!(create(&mut client, "walker", Some("key")).await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_write_to_be_carried_out() {
    let service = Service::start(1).await;
    let slow = doc! { "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 300 };
    service.set.fail(1, slow).await;
    let mut gone = service.client().await;
    let body = r#"{"username":"walker"}"#;
    let head = format!("POST /user HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n", body.len());
    gone.send(&format!("{head}content-type: application/json\r\n\r\n")).await;
    assert_eq!(gone.answer().await.status, StatusCode::CONTINUE);
    gone.send(body).await;
    let mut client = service.client().await;
    until(async || {
        let operations = service.set.current("insert").await;
        operations > 0 || names(&all(&mut client, 10).await) == ["walker"]
    })
    .await;
    drop(gone);
    until(async || names(&all(&mut client, 10).await) == ["walker"]).await;
}

#[tokio::test]
async fn what_waiting_does_not_mend_is_no_503_and_tells_clients_no_secrets() {
    let service = Service::start(1).await;
    let mut client = service.client().await;
    for (command, method) in [("insert", "POST"), ("find", "GET")] {
        service.set.fail(1, doc! { "failCommands": [command], "errorCode": 13 }).await;
        let answer = match method {
            "POST" => create(&mut client, "walker", None).await,
            _ => client.get("/user").await,
        };
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{method}");
        assert!(!answer.body.contains("failCommand") && !answer.body.contains("authoriz"), "{}", answer.body);
    }
    assert_eq!(client.get("/user").await.body, "[]\n");
}

#[tokio::test]
async fn a_read_that_fails_twice_may_be_repeated() {
    let service = Service::start(1).await;
    let mut client = service.client().await;
    service.set.fail(2, doc! { "failCommands": ["find"], "errorCode": 189 }).await;
    let answer = client.get("/user").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert_eq!(client.get("/user").await.status, StatusCode::OK);
}
