//! The README's commands, run with the real curl. Needs the feature `curl-tests`.

use moorline_service::testing::{Process, walk};

#[tokio::test]
async fn the_readmes_commands_do_what_it_says() {
    let args = ["--listen", "127.0.0.1:0", "--name", "users-0"];
    let process = Process::start(Process::command(env!("CARGO_BIN_EXE_moorline-users"), &args)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let addr = process.addr.to_string();
    let steps = tokio::task::spawn_blocking(move || {
        walk(include_str!("../../README.md"), "walk", folder.path(), &[("127.0.0.1:9011", &addr)])
    });
    assert_eq!(steps.await.expect("it walks through"), 7);
}
