//! How many Secrets may be read now: so many a second, and what was saved.

use std::time::Duration;

use tokio::time::Instant;

/// As many are read each second, at most, once nothing is saved.
pub(super) const RATE: usize = 20;
/// How long each of them takes up.
pub(super) const PERIOD: Duration = Duration::from_millis(50);
/// As many can be saved: the certificates of a large cluster, for whoever starts in it.
pub(super) const SAVED: usize = 1000;

/// What is left. A new one has everything that can be saved.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// Up to when it has been counted.
    counted: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: SAVED, counted: now }
    }

    /// How many may be read.
    pub(super) fn left(&mut self, now: Instant) -> usize {
        let periods = now.saturating_duration_since(self.counted).as_millis() / PERIOD.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.counted = self.counted.checked_add(PERIOD.saturating_mul(periods)).unwrap_or(now);
        self.left = self.left.saturating_add(periods as usize).min(SAVED.max(self.left));
        self.left
    }

    /// So many may be read beside: each once, by a replica that starts.
    pub(super) fn lend(&mut self, number: usize) {
        self.left = self.left.saturating_add(number);
    }

    /// So many are read.
    pub(super) fn take(&mut self, number: usize) {
        self.left = self.left.saturating_sub(number);
    }
}
