use std::io::sink;

use http::{Method, StatusCode};

use super::*;
use crate::client::Client;
use crate::command::{Verb, sessions};

async fn open(policy: Policy) -> (Stage, Running) {
    let setup = Setup { port: 0, admin: false, policy, observer: Arc::new(|_| ()), access_log: Box::new(sink()) };
    Stage::open(setup).await.expect("free ports")
}

/// Logs somebody in. Returns by whom.
async fn log_in(client: &mut Client) -> String {
    let answer = client.send(&Method::GET, "/login?username=walker", "").await.expect("an answer");
    assert_eq!(answer.status, StatusCode::OK);
    answer.served_by.expect("an instance")
}

async fn read(client: &mut Client) -> (StatusCode, Option<String>) {
    let answer = client.send(&Method::GET, "/post", "").await.expect("an answer");
    (answer.status, answer.served_by)
}

#[tokio::test]
async fn a_draining_instance_keeps_its_sessions_and_gets_no_new_ones() {
    let (stage, running) = open(Policy::Sticky).await;
    let mut walker = Client::new(stage.address());
    let home = log_in(&mut walker).await;
    for name in NAMES.into_iter().filter(|name| **name != home) {
        stage.drain(name, true).expect("it is there");
    }
    Verb::Drain.perform(&stage, &home).await.expect("it is there");
    let open = NAMES.into_iter().find(|name| **name != home).expect("three of them");
    stage.drain(open, false).expect("it is there");
    for _ in 0..5 {
        assert_eq!(log_in(&mut Client::new(stage.address())).await, open);
        assert_eq!(read(&mut walker).await, (StatusCode::OK, Some(home.clone())));
    }
    let shown = sessions(&stage);
    let row = shown.lines().find(|line| line.starts_with(&home)).expect("a row");
    assert!(row.contains("draining") && row.ends_with('1'), "{shown}");
    end(running, std::future::pending()).await.expect("it ends");
}

#[tokio::test]
async fn a_request_waits_for_the_instance_that_was_killed() {
    let (stage, running) = open(Policy::Sticky).await;
    let mut walker = Client::new(stage.address());
    let home = log_in(&mut walker).await;
    stage.kill(&home).await.expect("it runs");
    assert_eq!(stage.endpoint(&home).expect("known").remembered, None);
    let (answer, started) = tokio::join!(read(&mut walker), stage.start(&home));
    started.expect("it was down");
    assert_eq!(answer, (StatusCode::FORBIDDEN, Some(home)), "it comes back under its name, without its memory");
    end(running, std::future::pending()).await.expect("it ends");
}

#[tokio::test]
async fn a_drained_instance_is_replaced_when_its_last_session_has_ended() {
    let (stage, running) = open(Policy::Sticky).await;
    let mut walker = Client::new(stage.address());
    let home = log_in(&mut walker).await;
    let before = stage.endpoint(&home).expect("known").address;
    let leave = async {
        assert_eq!(read(&mut walker).await.0, StatusCode::OK);
        walker.send(&Method::GET, "/logout", "").await.expect("an answer").status
    };
    let manner = Manner::Drained(std::time::Duration::from_secs(20));
    let (lost, left) = tokio::join!(stage.replace(&home, manner), leave);
    assert_eq!((lost.expect("it is there"), left), (0, StatusCode::OK));
    let after = stage.endpoint(&home).expect("known");
    assert!(after.address != before && !after.drains, "{after:?}");
    end(running, std::future::pending()).await.expect("it ends");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (stage, running) = open(Policy::RoundRobin).await;
    let before = stage.file();
    let said = |result: anyhow::Result<String>| result.expect_err("it makes no sense").to_string();
    assert_eq!(
        said(Verb::Kill.perform(&stage, "posts-9").await),
        "there is no posts-9; there are posts-0, posts-1, posts-2"
    );
    assert_eq!(said(Verb::Start.perform(&stage, "posts-1").await), "posts-1 runs already");
    assert_eq!(stage.file(), before);
    stage.kill("posts-1").await.expect("it runs");
    assert_eq!(said(Verb::Kill.perform(&stage, "posts-1").await), "posts-1 is down already");
    end(running, std::future::pending()).await.expect("it ends");
}
