use axum::http::StatusCode;
use moorline_service::testing::{Process, Signal, soon};
use tokio::process::Command;

use crate::support::{Cookie, PostsUser};

async fn start(args: &[&str]) -> Process {
    Process::start(command(args)).await
}

fn command(args: &[&str]) -> Command {
    Process::command(env!("CARGO_BIN_EXE_moorline-posts"), args)
}

/// Sends SIGTERM and waits until the process says that it has heard it.
async fn drain(process: &mut Process) {
    process.signal(Signal::TERM);
    let line = process.line().await;
    assert!(line.contains("draining"), "{line}");
}

#[tokio::test]
async fn sigterm_without_sessions_ends_it_with_exit_code_0() {
    let mut process = start(&["--listen", "127.0.0.1:0", "--name", "posts-7"]).await;
    let mut idle = process.client().await;
    assert_eq!(idle.get("/healthz").await.header("x-served-by"), "posts-7");
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code(), Some(0));
    idle.closed().await;
}

#[tokio::test]
async fn sigterm_serves_on_until_the_last_session_ends() {
    let mut process = start(&["--listen", "127.0.0.1:0", "--drain-time", "10m"]).await;
    let mut client = process.client().await;
    let cookie = client.get("/login?username=walker").await.cookie();
    drain(&mut process).await;
    let mut newcomer = process.client().await;
    assert_eq!(newcomer.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(newcomer.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(client.post_as(&cookie, "still here").await.status, StatusCode::CREATED);
    assert_eq!(client.get_as(&cookie, "/logout").await.status, StatusCode::OK);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_ends_it_when_the_time_is_up() {
    let mut process = start(&["--listen", "127.0.0.1:0", "--drain-time", "0s"]).await;
    let mut client = process.client().await;
    client.get("/login?username=walker").await;
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code(), Some(0));
    client.closed().await;
}

#[tokio::test]
async fn sigint_ends_it_at_once_even_while_it_drains() {
    for drains in [false, true] {
        let mut process = start(&["--listen", "127.0.0.1:0", "--drain-time", "10m"]).await;
        process.client().await.get("/login?username=walker").await;
        if drains {
            drain(&mut process).await;
        }
        process.signal(Signal::INT);
        assert_eq!(process.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn the_name_comes_from_the_environment_when_it_is_not_typed() {
    for (variables, expected) in [
        (vec![("HOSTNAME", "pod-1")], "pod-1"),
        (vec![("HOSTNAME", "pod-1"), ("POSTS_NAME", "posts-1")], "posts-1"),
        (vec![], "posts"),
    ] {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.envs(variables);
        let line = Process::start(command).await.listening;
        assert!(line.contains(&format!("\"instance\":\"{expected}\"")), "{line}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_said_and_ends_with_an_exit_code() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = taken_address(&taken);
    for (args, code, said) in [
        (vec!["--listen", taken.as_str()], 1, format!("cannot listen on {taken}")),
        (vec!["--listen", "nowhere"], 2, "--listen <ADDRESS>".to_owned()),
        (vec!["--name", "a b"], 2, "the name of an instance is".to_owned()),
        (vec!["--drain-time", "soon"], 2, "such as 30s".to_owned()),
    ] {
        let output = soon(command(&args).output()).await.expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(&said), "{args:?}: {stderr}");
    }
}

fn taken_address(listener: &tokio::net::TcpListener) -> String {
    listener.local_addr().expect("an address").to_string()
}
