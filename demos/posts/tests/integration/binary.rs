use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
};

use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::support::{Connection, soon};

/// The binary, listening; killed when the test is over.
struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    addr: SocketAddr,
}

impl Process {
    async fn start(args: &[&str]) -> Self {
        let mut child = command(args).spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("a pipe");
        let mut log = BufReader::new(stderr).lines();
        let line = soon(log.next_line()).await.expect("a pipe").expect("a line");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let addr = line["address"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
        Self { child, log, addr }
    }

    async fn client(&self) -> Connection {
        Connection::open(self.addr).await.expect("to connect")
    }

    /// Sends the signal and waits until the process says that it has heard it.
    async fn drain(&mut self) {
        self.signal(Signal::TERM);
        let line = soon(self.log.next_line()).await.expect("a pipe").expect("a line");
        assert!(line.contains("draining"), "{line}");
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.expect("it runs"), signal).expect("it is ours");
    }

    async fn ended(&mut self) -> ExitStatus {
        soon(self.child.wait()).await.expect("a child")
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moorline-posts"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

#[tokio::test]
async fn sigterm_without_sessions_ends_it_with_exit_code_0() {
    let mut process = Process::start(&["--listen", "127.0.0.1:0", "--name", "posts-7"]).await;
    let mut idle = process.client().await;
    assert_eq!(idle.get("/healthz", "").await.header("x-served-by"), "posts-7");
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code(), Some(0));
    idle.closed().await;
}

#[tokio::test]
async fn sigterm_serves_on_until_the_last_session_ends() {
    let mut process = Process::start(&["--listen", "127.0.0.1:0", "--drain-time", "10m"]).await;
    let mut client = process.client().await;
    let cookie = client.get("/login?username=walker", "").await.cookie();
    process.drain().await;
    let mut newcomer = process.client().await;
    assert_eq!(newcomer.get("/readyz", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(newcomer.get("/healthz", "").await.status, StatusCode::OK);
    assert_eq!(client.post("still here", &cookie).await.status, StatusCode::CREATED);
    assert_eq!(client.get("/logout", &cookie).await.status, StatusCode::OK);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_ends_it_when_the_time_is_up() {
    let mut process = Process::start(&["--listen", "127.0.0.1:0", "--drain-time", "0s"]).await;
    let mut client = process.client().await;
    client.get("/login?username=walker", "").await;
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code(), Some(0));
    client.closed().await;
}

#[tokio::test]
async fn sigint_ends_it_at_once_even_while_it_drains() {
    for drains in [false, true] {
        let mut process = Process::start(&["--listen", "127.0.0.1:0", "--drain-time", "10m"]).await;
        process.client().await.get("/login?username=walker", "").await;
        if drains {
            process.drain().await;
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
        let mut child = command(&["--listen", "127.0.0.1:0"]).envs(variables).spawn().expect("the binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = soon(log.next_line()).await.expect("a pipe").expect("a line");
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
