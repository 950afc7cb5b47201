use axum::http::StatusCode;
use moorline_service::testing::{Process, Signal, soon};
use tokio::process::Command;

use crate::laws::create;

fn command(args: &[&str]) -> Command {
    Process::command(env!("CARGO_BIN_EXE_moorline-users"), args)
}

#[tokio::test]
async fn sigterm_ends_it_in_order_after_it_has_lingered() {
    let mut process = Process::start(command(&["--listen", "127.0.0.1:0", "--linger", "10m"])).await;
    assert!(process.listening.contains("\"store\":\"memory\""), "{}", process.listening);
    let mut client = process.client().await;
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CREATED);
    process.signal(Signal::TERM);
    assert!(process.line().await.contains("ending"));
    assert_eq!(client.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(create(&mut client, "ada", None).await.status, StatusCode::CREATED);
    process.signal(Signal::INT);
    assert_eq!(process.ended().await.code(), Some(0));
    client.closed().await;
}

#[tokio::test]
async fn sigterm_without_lingering_and_sigint_end_it_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start(command(&["--listen", "127.0.0.1:0", "--linger", "0s"])).await;
        process.signal(signal);
        assert_eq!(process.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn what_cannot_be_is_said_and_ends_with_an_exit_code() {
    for (args, code, said) in [
        (vec!["--listen", "nowhere"], 2, "--listen <ADDRESS>"),
        (vec!["--name", "a b"], 2, "the name of an instance is"),
        (vec!["--linger", "soon"], 2, "such as 30s"),
        (vec!["--mongodb", "localhost:27017"], 1, "cannot use this --mongodb"),
        (vec!["--mongodb", "mongodb://127.0.0.1:1/?tls=maybe"], 1, "cannot use this --mongodb"),
    ] {
        let output = soon(command(&args).output()).await.expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[tokio::test]
async fn without_a_mongodb_it_lives_is_not_ready_and_ends_in_order() {
    let args = ["--listen", "127.0.0.1:0", "--linger", "0s"];
    let mut command = command(&args);
    // Nobody listens on port 1.
    command.env("MONGODB_URI", "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=50");
    let mut process = Process::start(command).await;
    assert!(process.listening.contains("\"store\":\"mongodb\""), "{}", process.listening);
    let mut client = process.client().await;
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(client.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = create(&mut client, "walker", None).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert!(answer.body.contains("nothing was written"), "{}", answer.body);
    assert_eq!(client.get("/user").await.status, StatusCode::SERVICE_UNAVAILABLE);
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code(), Some(0));
}
