//! What the guards of clients' and of endpoints' connections have in common.

use super::block::Blocks;
use super::budget::Budget;
use super::flood::Flood;
use super::head::{Cutter, Frame};
use crate::routing::Millis;

/// Both directions of a connection, and what may still be spent.
#[derive(Debug)]
pub(in crate::proxy) struct Wire {
    pub(super) incoming: Cutter,
    pub(super) outgoing: Cutter,
    pub(super) blocks: Blocks,
    pub(super) budget: Budget,
    flood: Option<Flood>,
}

impl Wire {
    pub(super) fn new(incoming: Cutter, outgoing: Cutter, blocks: Blocks, budget: Budget) -> Self {
        Self { incoming, outgoing, blocks, budget, flood: None }
    }
}

/// Follows both directions of a connection.
pub(in crate::proxy) trait Follow {
    /// What it follows.
    fn wire(&self) -> &Wire;

    /// The same, to go on.
    fn wire_mut(&mut self) -> &mut Wire;

    /// A frame of the other side, as soon as it is known.
    ///
    /// # Errors
    /// It is too much.
    fn came(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood>;

    /// A frame of ours.
    ///
    /// # Errors
    /// The other side has made us write too many of them.
    fn went(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood>;

    /// The last stream that the other side opened.
    fn newest_stream(&self) -> u32;

    /// May more be read before what has been is looked at?
    fn may_read(&self) -> bool {
        true
    }

    /// Follows what has just been read.
    ///
    /// # Errors
    /// The flood that it is part of; from then on, whatever comes.
    fn feed(&mut self, mut fresh: &[u8], now: Millis) -> Result<(), Flood> {
        self.wire_mut().budget.pass(now);
        while self.flood().is_none()
            && let Some(frame) = self.wire_mut().incoming.cut(&mut fresh, now)
        {
            self.wire_mut().flood = self.came(&frame, now).err();
        }
        self.flood().map_or(Ok(()), Err)
    }

    /// Follows what has just been written.
    ///
    /// # Errors
    /// As [`Self::feed`].
    fn wrote(&mut self, mut written: &[u8], now: Millis) -> Result<(), Flood> {
        while let Some(frame) = self.wire_mut().outgoing.cut(&mut written, now) {
            let went = self.went(&frame, now);
            self.wire_mut().flood = self.flood().or(went.err());
        }
        self.flood().map_or(Ok(()), Err)
    }

    /// What has been too much.
    fn flood(&self) -> Option<Flood> {
        self.wire().flood
    }

    /// May a frame of ours be written here?
    fn is_between_frames(&self) -> bool {
        self.wire().outgoing.is_between()
    }
}
