//! The two clocks of the process, read in one place so that tests can pause them and decisions take them
//! as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::routing::{Millis, Now};

/// Tells the time as [`Millis`] since it was made, and as unix seconds. All planes share one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The steady clock alone.
    #[must_use]
    pub fn millis(&self) -> Millis {
        self.millis_at(Instant::now())
    }

    /// The steady clock at a moment that was read before.
    #[must_use]
    pub fn millis_at(&self, instant: Instant) -> Millis {
        Millis(u64::try_from(instant.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment on the steady clock as one that a timer can wait for.
    #[must_use]
    pub fn instant(&self, at: Millis) -> Instant {
        self.start + std::time::Duration::from_millis(at.0)
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { unix: unix_seconds(), mono: self.millis() }
    }
}

/// The wall clock, which replicas have to agree on within minutes.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
