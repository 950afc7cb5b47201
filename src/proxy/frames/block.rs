//! Header blocks: how large one may be, in how many frames it may come, and since when the rest of one is owed.

use super::budget::Budget;
use super::flood::Flood;
use super::head::Frame;
use crate::routing::Millis;

/// CONTINUATION frames of one header block: enough for the largest head in frames of the smallest size that anybody
/// makes on purpose.
const CONTINUATIONS: u8 = 16;

/// A header block larger than this many times the bound is not even decompressed; one that is a little too large
/// should get its 431.
const FAR_TOO_LARGE: usize = 2;

/// The header blocks that come on a connection.
#[derive(Debug)]
pub(super) struct Blocks {
    /// How large one may be, and what a larger one costs.
    head_size: usize,
    too_large: u32,
    /// The last one, until the next frame.
    last: Option<Block>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    since: Millis,
    /// Has its last frame begun?
    is_ending: bool,
    size: usize,
    continuations: u8,
}

impl Blocks {
    pub(super) fn new(head_size: usize, too_large: u32) -> Self {
        Self { head_size, too_large, last: None }
    }

    /// HEADERS came.
    pub(super) fn begin(&mut self, frame: &Frame, since: Millis, budget: &mut Budget) -> Result<(), Flood> {
        self.extend(Block { since, is_ending: false, size: 0, continuations: 0 }, frame, budget)
    }

    /// CONTINUATION came.
    pub(super) fn go_on(&mut self, frame: &Frame, budget: &mut Budget) -> Result<(), Flood> {
        budget.charge(Flood::Continuation)?;
        // Without a block it ends the connection, but that is not for us to say.
        let Some(mut block) = self.last.take().filter(|block| !block.is_ending) else { return Ok(()) };
        block.continuations += 1;
        if block.continuations > CONTINUATIONS {
            return Err(Flood::Continuation);
        }
        self.extend(block, frame, budget)
    }

    /// Another frame came. Within a block it ends the connection, but that is not for us to say.
    pub(super) fn end(&mut self) {
        self.last = None;
    }

    fn extend(&mut self, mut block: Block, frame: &Frame, budget: &mut Budget) -> Result<(), Flood> {
        let was_too_large = block.size > self.head_size;
        block.size += frame.length as usize;
        if block.size > self.head_size.saturating_mul(FAR_TOO_LARGE) {
            return Err(Flood::HeaderBlock);
        }
        if block.size > self.head_size && !was_too_large {
            budget.spend(Flood::HeaderBlock, self.too_large)?;
        }
        block.is_ending = frame.ends_headers();
        self.last = Some(block);
        Ok(())
    }

    /// Since when the rest of one is owed; of its last frame only if it `is_within` that.
    pub(super) fn owed_since(&self, is_within: bool) -> Option<Millis> {
        self.last.filter(|block| !block.is_ending || is_within).map(|block| block.since)
    }
}
