//! Should this process get traffic? Yes from the first snapshot on, until it is told to stop.

use crate::drain::{Drain, Stage};
use crate::snapshot::Reader;

/// Answers the question, at any time.
#[derive(Clone, Debug)]
pub struct Readiness {
    reader: Reader,
    drain: Drain,
}

/// Why there should be no traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Nothing could be routed yet.
    #[error("no configuration has been published yet")]
    NotConfigured,
    /// It is about to end.
    #[error("shutting down")]
    Draining,
}

impl Readiness {
    /// Ready once `reader` has a snapshot, until `drain` has left its first stage.
    #[must_use]
    pub fn new(reader: Reader, drain: Drain) -> Self {
        Self { reader, drain }
    }

    /// Now?
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), NotReady> {
        if self.drain.stage() != Stage::Serving {
            return Err(NotReady::Draining);
        }
        if self.reader.current().is_none() {
            return Err(NotReady::NotConfigured);
        }
        Ok(())
    }
}
