use std::{net::SocketAddr, path::PathBuf};

use moorline_logger::{FileSettings, Logger};
use moorline_service::testing::{Answer, Connection};
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

/// How people who want JSON say so.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A service; gone with its log when it is dropped.
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    pub(crate) logger: Logger,
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(|path| FileSettings::at(path.join("app.log"))).await
    }

    /// One whose settings depend on its folder.
    pub(crate) async fn with(settings: impl FnOnce(PathBuf) -> FileSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path().to_owned());
        let logger = Logger::start("logger-0".parse().expect("a good name"), settings).expect("a thread");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(logger.clone().serve(listener, std::future::pending()));
        Self { addr, logger, folder, task }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The log, as it is on the disk.
    pub(crate) fn file(&self) -> String {
        std::fs::read_to_string(self.path("app.log")).expect("a log")
    }

    pub(crate) async fn client(&self) -> Connection {
        Connection::open(self.addr).await.expect("to connect")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends a message.
pub(crate) async fn say(client: &mut Connection, message: &str) -> Answer {
    let body = json!({ "message": message }).to_string();
    client.ask("POST", "/log", &[JSON], &body).await
}
