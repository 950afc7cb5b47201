//! What the other side may spend on frames that bring no request forward, and how it earns more.

use super::flood::Flood;
use super::head::{self, Frame};
use crate::routing::Millis;

/// Earned per second. A client that waits for answers of its own accord sends less: keep-alive PINGs, now and then a
/// change of mind.
pub(super) const PER_SECOND: u64 = 20;

/// Earned by a client with an answer that came to its end.
pub(super) const PER_ANSWER: u32 = 4;

/// Earned by an endpoint with a request that it is sent: HEADERS, early hints before and trailers after the response, a
/// WINDOW_UPDATE, a RST_STREAM for the rest of a body that it does not want.
pub(super) const PER_REQUEST: u32 = 8;

/// For each DATA frame we send, and for each so many bytes of it, a client may send two WINDOW_UPDATEs: Go's
/// acknowledges every 4 KiB that were read, to the stream and to the connection.
pub(super) const ACKNOWLEDGED: u32 = 4096;
const UPDATES: u32 = 2;

/// For each frame of an answer a client may send a PING, as gRPC's do to measure the bandwidth. They wait for the
/// answer to one before they send the next, so there are never many that have not been sent.
pub(super) const PINGS: u16 = 100;

/// The budget of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    most: u32,
    /// Up to when time has been counted.
    counted: Millis,
    /// WINDOW_UPDATEs that what we sent accounts for. Kept apart, and up to a bound that is no bound in practice: a
    /// client may read late, and all at once, what was sent long ago.
    updates: u16,
    /// PINGs that what we sent accounts for.
    pings: u16,
}

impl Budget {
    pub(super) fn new(most: usize, now: Millis) -> Self {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Self { left: most, most, counted: now, updates: 0, pings: 0 }
    }

    /// Counts the time that has passed.
    pub(super) fn pass(&mut self, now: Millis) {
        let millis = now.0.saturating_sub(self.counted.0);
        let earned = millis.saturating_mul(PER_SECOND) / 1000;
        // What is not enough for one goes on counting.
        self.counted.0 += earned * 1000 / PER_SECOND;
        self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
    }

    pub(super) fn earn(&mut self, amount: u32) {
        self.left = self.left.saturating_add(amount).min(self.most);
    }

    /// A frame of an answer was sent, with so many bytes of its body.
    pub(super) fn sent(&mut self, length: u32) {
        self.pings = (self.pings + 1).min(PINGS);
        let updates = UPDATES * length.div_ceil(ACKNOWLEDGED);
        self.updates = self.updates.saturating_add(u16::try_from(updates).unwrap_or(u16::MAX));
    }

    /// A frame came that is neither of a header block nor a reset.
    ///
    /// # Errors
    /// There is not that much left.
    pub(super) fn pay(&mut self, frame: &Frame) -> Result<(), Flood> {
        let flood = match frame.kind {
            head::DATA if frame.ends_stream() || frame.data() > 0 => return Ok(()),
            head::DATA => Flood::EmptyData,
            head::SETTINGS if frame.acknowledges() => return self.spend(Flood::Settings, 1),
            head::SETTINGS => Flood::Settings,
            head::PING => Flood::Ping,
            head::WINDOW_UPDATE => Flood::WindowUpdate,
            head::PRIORITY | head::PRIORITY_UPDATE => Flood::Priority,
            _ => Flood::Unknown,
        };
        self.charge(flood)
    }

    /// We had to reset a stream, and it `was_open`.
    ///
    /// # Errors
    /// There is not that much left.
    pub(super) fn provoked(&mut self, was_open: bool) -> Result<(), Flood> {
        let flood = Flood::ProvokedReset;
        self.spend(flood, if was_open { flood.cost() } else { 1 })
    }

    /// # Errors
    /// There is not that much left.
    pub(super) fn spend(&mut self, flood: Flood, cost: u32) -> Result<(), Flood> {
        self.left = self.left.checked_sub(cost).ok_or(flood)?;
        Ok(())
    }

    /// A frame came; if something that was sent accounts for it, it is free.
    ///
    /// # Errors
    /// There is not that much left.
    pub(super) fn charge(&mut self, flood: Flood) -> Result<(), Flood> {
        let account = match flood {
            Flood::WindowUpdate => &mut self.updates,
            Flood::Ping => &mut self.pings,
            _ => return self.spend(flood, flood.cost()),
        };
        match account.checked_sub(1) {
            Some(fewer) => *account = fewer,
            None => self.spend(flood, flood.cost())?,
        }
        Ok(())
    }
}
