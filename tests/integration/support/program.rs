//! The real program, in a process of its own: started as a user starts it, ended as a system ends it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;

/// A running `moorline`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Its listeners, as the file has them.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
    /// What it said before it listened.
    pub(crate) first_words: String,
    lines: Receiver<String>,
    /// Where its file is, if it was made for it.
    folder: Option<TempDir>,
}

/// Starts it with these arguments.
pub(crate) fn program(args: &[&str]) -> Program {
    start(&mut Command::new(env!("CARGO_BIN_EXE_moorline")), args)
}

/// Starts it with a file of this text, by a shell that does something before.
pub(crate) fn program_after(before: &str, text: &str) -> Program {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moorline.yaml");
    std::fs::write(&path, text).expect("a writable folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_moorline")]);
    let mut program = start(&mut shell, &["run", "-c", path.to_str().expect("a path")]);
    program.folder = Some(folder);
    program
}

fn start(command: &mut Command, args: &[&str]) -> Program {
    let mut child = command
        .args(["--log-format", "json"])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let (tx, lines) = sync_channel(10_000);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    let admin = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut program = Program { child, addresses: Vec::new(), admin, first_words: String::new(), lines, folder: None };
    while program.admin.port() == 0 {
        program.listens();
    }
    program
}

impl Program {
    /// Reads from its log where it listens.
    fn listens(&mut self) {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        let fields: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let Some(address) = fields["address"].as_str() else {
            self.first_words += &line;
            return;
        };
        let address = address.parse().expect("an address");
        match fields["message"].as_str() {
            Some("listening") => self.addresses.push(address),
            _ => self.admin = address,
        }
    }

    /// Where its first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What of its memory is in use, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("our own process");
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it does not end");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Waits for a line of the log that contains this.
    pub(crate) fn says(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never says {what:?}"));
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
