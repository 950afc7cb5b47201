//! The only thing that crosses from the control plane to the proxy: one immutable state of everything
//! that routing needs, with the certificates of both sides, and the channel it goes through.

mod certificates;
mod connectors;
mod x509;

use std::sync::Arc;

use tokio::sync::watch;

pub use self::certificates::{Certificate, CertificateSet, Certificates, Chosen};
pub use self::connectors::{Connector, Connectors, Trust};
pub use self::x509::X509Error;
use crate::routing::{KeyRing, Table};

/// What routing knows, at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// One higher with each snapshot; 0 is the empty one before the first.
    pub generation: u64,
    /// Who gets which request.
    pub routes: Table,
    /// Who signs and verifies tokens.
    pub keys: Arc<KeyRing>,
    /// What TLS listeners show to whom.
    pub certificates: Arc<Certificates>,
    /// How endpoints are spoken to over TLS.
    pub connectors: Arc<Connectors>,
}

/// The writing end: there is one.
#[derive(Debug)]
pub struct Publisher(watch::Sender<Option<Arc<Snapshot>>>);

/// A reading end, which remembers the snapshot it saw last.
#[derive(Clone, Debug)]
pub struct Reader(watch::Receiver<Option<Arc<Snapshot>>>);

/// A channel in which nothing has been published yet.
#[must_use]
pub fn channel() -> (Publisher, Reader) {
    let (tx, rx) = watch::channel(None);
    (Publisher(tx), Reader(rx))
}

impl Publisher {
    /// Makes this the current snapshot, under the next generation, which is returned. Who reads the old one
    /// goes on reading it.
    pub fn publish(
        &self,
        routes: Table,
        keys: Arc<KeyRing>,
        certificates: Arc<Certificates>,
        connectors: Arc<Connectors>,
    ) -> u64 {
        let mut generation = 0;
        self.0.send_modify(|current| {
            generation = current.as_ref().map_or(0, |snapshot| snapshot.generation) + 1;
            *current = Some(Arc::new(Snapshot { generation, routes, keys, certificates, connectors }));
        });
        generation
    }
}

impl Reader {
    /// The snapshot, if there is a newer one than this reader saw last. Costs one atomic load if not.
    pub fn newer(&mut self) -> Option<Arc<Snapshot>> {
        match self.0.has_changed() {
            Ok(false) => None,
            // The publisher being gone changes nothing: the last good state serves on.
            Ok(true) | Err(_) => self.0.borrow_and_update().clone(),
        }
    }

    /// The current snapshot, if one has been published.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.0.borrow().clone()
    }

    /// Returns when a newer snapshot than this reader saw last is there; never, once the publisher is gone.
    /// Cancel safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
