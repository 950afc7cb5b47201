//! One instance of the service: its name, its store, whether it is ready. Nothing is global.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use moorline_service::{InstanceName, serve};
use tokio::net::TcpListener;

use crate::{routes, store::Store};

/// One instance of the users service. Clones are handles to the same instance.
pub struct Users<S> {
    instance: Arc<Instance<S>>,
}

struct Instance<S> {
    name: InstanceName,
    store: S,
    ending: AtomicBool,
}

impl<S: Store> Users<S> {
    /// An instance over a store, which may have users already.
    pub fn new(name: InstanceName, store: S) -> Self {
        Self { instance: Arc::new(Instance { name, store, ending: AtomicBool::new(false) }) }
    }

    /// Serves HTTP/1.1 on `listener` until `shutdown` is ready, as [`serve::serve`] does; then closes the store.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        serve::serve(listener, self.router(), shutdown).await;
        self.instance.store.close().await;
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

    pub(crate) fn store(&self) -> &S {
        &self.instance.store
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.instance.ending.load(Ordering::Relaxed)
    }
}

impl<S> Clone for Users<S> {
    fn clone(&self) -> Self {
        Self { instance: Arc::clone(&self.instance) }
    }
}

impl<S: Store> fmt::Debug for Users<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("name", &self.instance.name.as_str()).finish_non_exhaustive()
    }
}
