//! One instance of the service: its name, its sessions, whether it is ready. Nothing is global.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use moorline_service::{InstanceName, serve};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    rim::{Observer, Served},
    routes,
    sessions::{Post, SessionId, Sessions},
    username::Username,
};

/// One instance of the posts service. Clones are handles to the same instance.
#[derive(Clone)]
pub struct Posts {
    instance: Arc<Instance>,
}

struct Instance {
    name: InstanceName,
    observer: Observer,
    ready: AtomicBool,
    sessions: Mutex<Sessions>,
    /// How many sessions there are, for whoever waits until none is left.
    open: watch::Sender<usize>,
}

impl Posts {
    /// A new instance without sessions.
    pub fn new(name: InstanceName) -> Self {
        Self::with_observer(name, Arc::new(|_| ()))
    }

    /// A new instance that calls `observer` once for each request that it answered. The observer runs on the way of the
    /// response and must not block.
    pub fn with_observer(name: InstanceName, observer: Observer) -> Self {
        let instance = Instance {
            name,
            observer,
            ready: AtomicBool::new(true),
            sessions: Mutex::default(),
            open: watch::Sender::new(0),
        };
        Self { instance: Arc::new(instance) }
    }

    /// Serves HTTP/1.1 on `listener` until `shutdown` is ready; then lets requests in progress finish, for a few seconds
    /// at most, and closes every connection, idle ones too.
    ///
    /// Dropping the future closes the listener and all connections at once, as a crash would.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        serve::serve(listener, self.router(), shutdown).await;
    }

    /// The service without a socket.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Makes `/readyz` answer 503 from now on. Everything else goes on being served.
    pub fn stop_being_ready(&self) {
        self.instance.ready.store(false, Ordering::Relaxed);
    }

    /// Waits until there is no session, which may be at once. Cancel safe.
    pub async fn without_sessions(&self) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.instance.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        *self.instance.open.borrow()
    }

    /// The name it was given.
    pub fn name(&self) -> &InstanceName {
        &self.instance.name
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.instance.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn observe(&self, served: &Served) {
        (self.instance.observer)(served);
    }

    /// Opens a session with a fresh id: an id that existed before the login is never promoted (session fixation).
    pub(crate) fn open(&self, user: Username, replaced: Option<SessionId>) -> Result<SessionId, getrandom::Error> {
        let id = SessionId::random()?;
        self.change(|sessions| sessions.open(id, user, replaced));
        Ok(id)
    }

    pub(crate) fn end(&self, id: SessionId) {
        self.change(|sessions| sessions.end(id));
    }

    pub(crate) fn write(&self, id: SessionId, text: String) -> Option<Post> {
        self.change(|sessions| sessions.write(id, text))
    }

    pub(crate) fn touch(&self, id: SessionId) -> Option<Username> {
        self.lock().touch(id).cloned()
    }

    pub(crate) fn posts(&self, id: SessionId) -> Option<Vec<Post>> {
        self.lock().posts(id)
    }

    /// The only way to change what is open, so that the count is never behind: it is published under the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Sessions) -> T) -> T {
        let mut sessions = self.lock();
        let result = change(&mut sessions);
        self.instance.open.send_replace(sessions.len());
        result
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        // Nothing panics while it holds the lock; if something ever did, one request is lost rather than all.
        self.instance.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Posts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posts")
            .field("name", &self.instance.name.as_str())
            .field("sessions", &self.sessions())
            .field("ready", &self.is_ready())
            .finish()
    }
}
