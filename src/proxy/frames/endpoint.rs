//! Both directions of a connection to an endpoint: what each frame costs or earns.
//!
//! ## What differs from a client's
//! Requests are ours, so they are what earns, and as many as there may be at a time are paid for from the start: all of them may
//! be answered at once. Streams are not followed: which of the frames that come for a stream are of no use depends on what
//! the clients have taken back meanwhile, and that is no fault of the endpoint's. Nor is how large the head of a response is.

use super::Bounds;
use super::block::Blocks;
use super::budget::{Budget, PER_REQUEST};
use super::flood::Flood;
use super::head::{self, Cutter, Frame};
use super::wire::{Follow, Wire};
use crate::routing::Millis;

/// Servers may read in pieces that are so many times smaller than what clients read, and acknowledge each: Go's did up to 1.19.
const SMALL_READS: u32 = 8;

/// Follows the frames of one connection to an endpoint.
#[derive(Debug)]
pub(in crate::proxy) struct EndpointGuard(Wire);

impl EndpointGuard {
    /// For a connection of which nothing has been written yet, not even the preface.
    pub(in crate::proxy) fn new(bounds: Bounds, now: Millis) -> Self {
        let at_once = bounds.streams.saturating_mul(PER_REQUEST as usize);
        let budget = Budget::new(bounds.frames.saturating_add(at_once), now);
        Self(Wire::new(Cutter::default(), Cutter::of_client(), Blocks::new(bounds.head_size, 1), budget))
    }
}

impl Follow for EndpointGuard {
    fn wire(&self) -> &Wire {
        &self.0
    }

    fn wire_mut(&mut self) -> &mut Wire {
        &mut self.0
    }

    fn came(&mut self, frame: &Frame, _: Millis) -> Result<(), Flood> {
        let Wire { incoming, blocks, budget, .. } = &mut self.0;
        match frame.kind {
            head::CONTINUATION => return blocks.go_on(frame, budget),
            head::HEADERS => {
                budget.charge(Flood::Headers)?;
                return blocks.begin(frame, incoming.since(), budget);
            }
            _ => blocks.end(),
        }
        match frame.kind {
            head::RST_STREAM => budget.charge(Flood::Reset),
            // It ends a response, if there is one.
            head::DATA if frame.data() == 0 && frame.ends_stream() => budget.spend(Flood::EmptyData, 1),
            _ => budget.pay(frame),
        }
    }

    fn went(&mut self, frame: &Frame, _: Millis) -> Result<(), Flood> {
        let budget = &mut self.0.budget;
        match frame.kind {
            head::HEADERS => {
                budget.earn(PER_REQUEST);
                budget.sent(0);
            }
            head::DATA => budget.sent(frame.data().saturating_mul(SMALL_READS)),
            head::RST_STREAM if frame.is_provoked() => return budget.provoked(false),
            _ => {}
        }
        Ok(())
    }

    /// We take no pushes.
    fn newest_stream(&self) -> u32 {
        0
    }
}
