//! The control plane: what the operator wants → snapshots.
//!
//! There is one writer of snapshots, and this is where it lives. What it cannot make sense of changes nothing: the last
//! good state serves on.

pub mod file;
pub mod keys;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod metrics;
pub mod tls;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use self::metrics::Metrics;
use crate::clock::{Clock, unix_seconds};
use crate::file::{Drains, File};
use crate::routing::KeyRing;
use crate::routing::backend::DuplicateEndpoint;
use crate::snapshot::{Certificates, Connectors, Publisher};

/// Turns files into snapshots, and remembers between them what a file does not say.
#[derive(Debug)]
pub struct Control {
    publisher: Publisher,
    clock: Clock,
    drains: Drains,
    certificates: Arc<Certificates>,
    connectors: Arc<Connectors>,
    metrics: Arc<Metrics>,
}

impl Control {
    /// A control plane that publishes here.
    #[must_use]
    pub fn new(publisher: Publisher, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let (certificates, connectors) = Default::default();
        Self { publisher, clock, drains: Drains::default(), certificates, connectors, metrics }
    }

    /// Makes this file, with these keys, the state that is served. Returns its generation.
    ///
    /// # Errors
    /// If two endpoints cannot be told apart; nothing has changed then.
    pub fn publish(&mut self, file: &File, keys: Arc<KeyRing>) -> Result<u64, DuplicateEndpoint> {
        let table = file.table(&keys, &mut self.drains, self.clock.millis())?;
        let generation =
            self.publisher.publish(table, keys, Arc::clone(&self.certificates), Arc::clone(&self.connectors));
        self.metrics.generation.store(generation, Ordering::Relaxed);
        self.metrics.published.store(unix_seconds(), Ordering::Relaxed);
        self.metrics.reloads.fetch_add(1, Ordering::Relaxed);
        self.metrics.failing.store(false, Ordering::Relaxed);
        Ok(generation)
    }

    /// From the next state on, the TLS listeners of this file show these certificates, and its endpoints are verified by
    /// these authorities.
    pub fn certify(&mut self, file: &File, store: &tls::Store) {
        store.install(file, Arc::make_mut(&mut self.certificates));
        self.connectors = Arc::clone(store.connectors());
        if !store.is_empty() {
            self.metrics.certificate_reloads.fetch_add(1, Ordering::Relaxed);
        }
        self.metrics.certified(&store.certificates());
    }

    /// Notes that certificates could not be read, and that those before them serve on.
    fn uncertified(&self, broken: &[tls::CertificateError]) {
        for error in broken {
            self.metrics.certificate_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a certificate was not reloaded, the last good one serves on");
        }
    }

    /// Notes that the file says what is served already.
    fn unchanged(&self) {
        self.metrics.failing.store(false, Ordering::Relaxed);
    }

    /// Notes that a change could not be made.
    fn failed(&self) {
        self.metrics.failures.fetch_add(1, Ordering::Relaxed);
        self.metrics.failing.store(true, Ordering::Relaxed);
    }
}
