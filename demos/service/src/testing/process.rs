//! The real binary as a process of its own.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use super::{Connection, soon};

/// A service that listens; killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it said when it began to listen.
    pub listening: String,
}

impl Process {
    /// A command for the binary, with no environment but what is added to it.
    pub fn command(binary: &str, args: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// Starts it, and waits until it says where it listens.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("a pipe");
        let mut log = BufReader::new(stderr).lines();
        loop {
            let listening = soon(log.next_line()).await.expect("a pipe").expect("a line");
            let line: serde_json::Value = serde_json::from_str(&listening).expect("JSON");
            if let Some(addr) = line["address"].as_str() {
                let addr = addr.parse().expect("an address");
                return Self { child, log, addr, listening };
            }
        }
    }

    /// A connection to it.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn client(&self) -> Connection {
        Connection::open(self.addr).await.expect("to connect")
    }

    /// The next line of its log.
    ///
    /// # Panics
    /// If there is none.
    pub async fn line(&mut self) -> String {
        soon(self.log.next_line()).await.expect("a pipe").expect("a line")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.expect("it runs"), signal).expect("it is ours");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        soon(self.child.wait()).await.expect("a child")
    }
}
