use axum::http::StatusCode;
use moorline_service::testing::{Process, Signal};

use crate::{
    laws::{all, create, names},
    support::{ReplicaSet, until},
};

async fn start(set: &ReplicaSet) -> Process {
    let mut command =
        Process::command(env!("CARGO_BIN_EXE_moorline-users"), &["--listen", "127.0.0.1:0", "--linger", "0s"]);
    command.env("MONGODB_URI", set.uri());
    let process = Process::start(command).await;
    let mut client = process.client().await;
    until(async || client.get("/readyz").await.status == StatusCode::OK).await;
    process
}

#[tokio::test]
async fn instances_share_their_users_and_users_outlive_instances() {
    let set = ReplicaSet::start(1).await;
    let (mut first, second) = (start(&set).await, start(&set).await);
    assert_eq!(create(&mut first.client().await, "walker", Some("key")).await.status, StatusCode::CREATED);
    let mut client = second.client().await;
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CONFLICT);
    assert_eq!(create(&mut client, "walker", Some("key")).await.header("idempotency-replayed"), "true");
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await.code(), Some(0));
    assert_eq!(names(&all(&mut start(&set).await.client().await, 10).await), ["walker"]);
}
