//! Both directions of a connection to an endpoint: what each frame costs or earns.
//!
//! ## What differs from a client's
//! Requests are ours, so they are what earns, and as many as there may be at a time are paid for from the start: all of them may
//! be answered at once. Streams are not followed: which of the frames that come for a stream are of no use depends on what
//! the clients have taken back meanwhile, and that is no fault of the endpoint's. Nor is how large the head of a response is.

use super::block::Blocks;
use super::budget::{Budget, PER_REQUEST};
use super::flood::Flood;
use super::head::{self, Cutter, Frame};
use super::{Bounds, Follow, PREFACE};
use crate::routing::Millis;

/// Servers may read in pieces that are so many times smaller than what clients read, and acknowledge each: Go's did up to 1.19.
const SMALL_READS: u32 = 8;

/// Follows the frames of one connection to an endpoint.
#[derive(Debug)]
pub(in crate::proxy) struct EndpointGuard {
    incoming: Cutter,
    outgoing: Cutter,
    blocks: Blocks,
    budget: Budget,
    flood: Option<Flood>,
}

impl EndpointGuard {
    /// For a connection of which nothing has been written yet, not even the preface.
    pub(in crate::proxy) fn new(bounds: Bounds, now: Millis) -> Self {
        Self {
            incoming: Cutter::default(),
            outgoing: Cutter::after(PREFACE.into()),
            blocks: Blocks::new(bounds.head_size, 1),
            budget: Budget::new(bounds.frames.saturating_add(bounds.streams.saturating_mul(PER_REQUEST as usize)), now),
            flood: None,
        }
    }

    /// A frame of the endpoint, as soon as it is known.
    fn came(&mut self, frame: &Frame) -> Result<(), Flood> {
        match frame.kind {
            head::CONTINUATION => return self.blocks.go_on(frame, &mut self.budget),
            head::HEADERS => {
                self.budget.charge(Flood::Headers)?;
                return self.blocks.begin(frame, self.incoming.since(), &mut self.budget);
            }
            _ => self.blocks.end(),
        }
        match frame.kind {
            head::RST_STREAM => self.budget.charge(Flood::Reset),
            // It ends a response, if there is one.
            head::DATA if frame.data() == 0 && frame.ends_stream() => self.budget.spend(Flood::EmptyData, 1),
            _ => self.budget.pay(frame),
        }
    }

    /// A frame of ours.
    fn went(&mut self, frame: &Frame) -> Result<(), Flood> {
        match frame.kind {
            head::HEADERS => {
                self.budget.earn(PER_REQUEST);
                self.budget.sent(0);
            }
            head::DATA => self.budget.sent(frame.data().saturating_mul(SMALL_READS)),
            head::RST_STREAM if frame.is_provoked() => return self.budget.provoked(false),
            _ => {}
        }
        Ok(())
    }
}

impl Follow for EndpointGuard {
    fn feed(&mut self, mut fresh: &[u8], now: Millis) -> Result<(), Flood> {
        self.budget.pass(now);
        while self.flood.is_none()
            && let Some(frame) = self.incoming.cut(&mut fresh, now)
        {
            self.flood = self.came(&frame).err();
        }
        self.flood.map_or(Ok(()), Err)
    }

    fn wrote(&mut self, mut written: &[u8], now: Millis) -> Result<(), Flood> {
        while let Some(frame) = self.outgoing.cut(&mut written, now) {
            let went = self.went(&frame);
            self.flood = self.flood.or(went.err());
        }
        self.flood.map_or(Ok(()), Err)
    }

    fn flood(&self) -> Option<Flood> {
        self.flood
    }

    fn is_between_frames(&self) -> bool {
        self.outgoing.is_between()
    }

    /// We take no pushes.
    fn newest_stream(&self) -> u32 {
        0
    }
}
