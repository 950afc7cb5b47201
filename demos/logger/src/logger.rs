//! One instance of the service: its name, its log, whether it ends. Nothing is global.

use std::{
    fmt,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use moorline_service::{InstanceName, serve};
use tokio::net::TcpListener;
use tracing::warn;

use crate::{file::FileSettings, journal::Journal, line::Entry, routes};

/// One instance of the legacy application. Clones are handles to the same instance.
#[derive(Clone)]
pub struct Logger {
    instance: Arc<Instance>,
}

struct Instance {
    name: InstanceName,
    journal: Journal,
    ending: AtomicBool,
}

impl Logger {
    /// An instance that goes on with the log that it finds. A log that cannot be written is no error: `/readyz` says so.
    ///
    /// # Errors
    /// If the system has no room for a thread.
    pub fn start(name: InstanceName, settings: FileSettings) -> io::Result<Self> {
        let journal = Journal::start(settings)?;
        Ok(Self { instance: Arc::new(Instance { name, journal, ending: AtomicBool::new(false) }) })
    }

    /// Serves HTTP/1.1 on `listener` until `shutdown` is ready, as [`serve::serve`] does. Beginning and end are lines, too.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        self.note(Entry::Started(self.name().clone())).await;
        serve::serve(listener, self.router(), shutdown).await;
        self.note(Entry::Ended(self.name().clone())).await;
    }

    /// The service without a socket.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Makes `/readyz` answer 503 from now on. Everything else goes on being served.
    pub fn stop_being_ready(&self) {
        self.instance.ending.store(true, Ordering::Relaxed);
    }

    /// The name it was given.
    pub fn name(&self) -> &InstanceName {
        &self.instance.name
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.instance.ending.load(Ordering::Relaxed)
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.instance.journal
    }

    /// Writes an entry for which nobody waits. If that fails, the instance is not ready, which is what can be done about it.
    pub(crate) async fn note(&self, entry: Entry) {
        if let Err(error) = self.journal().append(entry).await {
            warn!(%error, "a line is lost");
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("name", &self.instance.name.as_str()).finish_non_exhaustive()
    }
}
