//! The README's commands, run with the real curl. Needs the feature `curl-tests`.

use moorline_service::testing::{Process, walk};

#[tokio::test]
async fn the_readmes_commands_do_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.log");
    let args = ["--listen", "127.0.0.1:0", "--name", "logger-0", "--file", file.to_str().expect("text")];
    let process = Process::start(Process::command(env!("CARGO_BIN_EXE_moorline-logger"), &args)).await;
    let addr = process.addr.to_string();
    let steps = tokio::task::spawn_blocking(move || {
        walk(include_str!("../../README.md"), "walk", folder.path(), &[("127.0.0.1:9021", &addr)])
    });
    assert_eq!(steps.await.expect("it walks through"), 4);
}
