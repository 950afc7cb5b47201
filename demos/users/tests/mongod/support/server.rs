use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mongodb::{
    Client,
    bson::{Document, doc},
};
use tempfile::TempDir;

use super::until;

/// A mongod with a folder of its own; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    client: Client,
}

impl Server {
    /// One on a free port, answering.
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Free a moment ago. If somebody else takes it, mongod ends, and `run` says why.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=1000");
        let client = Client::with_uri_str(uri).await.expect("a good connection string");
        let mut server = Self { folder, port, child: None, client };
        server.run().await;
        server
    }

    /// Starts the process, again if it was killed, and waits until it answers.
    pub(super) async fn run(&mut self) {
        let folder = self.folder.path().to_str().expect("text");
        let (log, port) = (format!("{folder}/log"), self.port.to_string());
        let mut command = Command::new(binary());
        command.args([
            "--replSet",
            "rs0",
            "--bind_ip",
            "127.0.0.1",
            "--port",
            &port,
            "--dbpath",
            folder,
            "--logpath",
            &log,
        ]);
        command.args(SMALL).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mongod starts");
        until(async || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "mongod ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            self.client.database("admin").run_command(doc! { "hello": 1 }).await.is_ok()
        })
        .await;
        self.child = Some(child);
    }

    /// Kills it, as `kill -9` does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Asks this member and no other.
    pub(super) async fn admin(&self, command: Document) -> mongodb::error::Result<Document> {
        self.client.database("admin").run_command(command).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program: `$MONGOD_BIN`, or the one that was installed.
fn binary() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.mongod/fiftyone/db/bin/mongod");
    let binary = std::env::var_os("MONGOD_BIN").map_or(installed, PathBuf::from);
    assert!(binary.is_file(), "there is no mongod at {}; get one with demos/mongod", binary.display());
    binary
}

/// As little memory and disk as a member can do with, an end without waiting for clients, and errors on demand.
const SMALL: [&str; 13] = [
    "--nounixsocket",
    "--wiredTigerCacheSizeGB",
    "0.25",
    "--oplogSize",
    "16",
    "--wiredTigerEngineConfigString",
    "log=(prealloc=false,file_max=4MB)",
    "--setParameter",
    "diagnosticDataCollectionEnabled=false",
    "--setParameter",
    "shutdownTimeoutMillisForSignaledShutdown=100",
    "--setParameter",
    "enableTestCommands=1",
];
