use axum::http::StatusCode;
use moorline_service::testing::{Process, Signal, soon};
use tokio::process::Command;

use crate::support::say;

fn command(args: &[&str]) -> Command {
    Process::command(env!("CARGO_BIN_EXE_moorline-logger"), args)
}

#[tokio::test]
async fn the_log_goes_on_over_orderly_ends_and_crashes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.log");
    for (signal, code) in [(Signal::TERM, Some(0)), (Signal::KILL, None), (Signal::INT, Some(0))] {
        let mut command = command(&["--listen", "127.0.0.1:0", "--linger", "0s", "--name", "logger-7"]);
        command.env("LOGGER_FILE", &file);
        let mut process = Process::start(command).await;
        assert_eq!(say(&mut process.client().await, "hello").await.status, StatusCode::CREATED);
        process.signal(signal);
        assert_eq!(process.ended().await.code(), code);
    }
    let log = std::fs::read_to_string(&file).expect("a log");
    let words: Vec<_> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let life = ["started", "message", "request", "ended"];
    assert_eq!(words, [&life[..], &life[..3], &life[..]].concat(), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.ends_with("ended instance=logger-7")), "{log}");
}

#[tokio::test]
async fn it_is_rotated_as_the_arguments_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.log");
    let file = file.to_str().expect("text");
    let args = ["--listen", "127.0.0.1:0", "--file", file, "--max-bytes", "300", "--keep", "1"];
    let process = Process::start(command(&args)).await;
    let mut client = process.client().await;
    for _ in 0..20 {
        say(&mut client, "hello").await;
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["app.log", "app.log.1"]);
    assert!(std::fs::metadata(file).expect("a log").len() <= 300);
}

#[tokio::test]
async fn what_cannot_be_is_said_and_ends_with_an_exit_code() {
    for (args, said) in [
        (vec!["--listen", "nowhere"], "--listen <ADDRESS>"),
        (vec!["--name", "a b"], "the name of an instance is"),
        (vec!["--keep", "0"], "1..=100"),
        (vec!["--max-bytes", "0"], "--max-bytes <BYTES>"),
    ] {
        let output = soon(command(&args).output()).await.expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}
