//! Both directions of a connection with a client: what each frame costs or earns, and what the connection is waiting for.

use std::time::Duration;

use super::Bounds;
use super::block::Blocks;
use super::budget::{Budget, PER_ANSWER};
use super::flood::Flood;
use super::head::{self, Cutter, Frame};
use super::streams::{Opened, Streams};
use super::wire::{Follow, Wire};
use crate::routing::Millis;

const REFUSED_STREAM: u32 = 7;

/// A request that is taken back after this time was meant.
const MEANT: Duration = Duration::from_secs(1);

/// So many bytes of header blocks are read before hyper is given the requests. h2 by itself takes all that there is first, and be it
/// as many large heads as there may be streams.
const HEADS_AT_ONCE: u32 = 128 * 1024;

/// Follows the frames of one connection with a client.
#[derive(Debug)]
pub(in crate::proxy) struct Guard {
    wire: Wire,
    /// So much of header blocks may still be read.
    heads_left: u32,
    streams: Streams,
    /// When the connection began, or the last stream was closed.
    quiet: Millis,
    /// When a frame of an answer was written last.
    moved: Millis,
}

impl Guard {
    /// For a connection of which nothing has been read yet, not even the preface.
    pub(in crate::proxy) fn new(bounds: Bounds, now: Millis) -> Self {
        let blocks = Blocks::new(bounds.head_size, Flood::HeaderBlock.cost());
        let budget = Budget::new(bounds.frames, now);
        Self {
            wire: Wire::new(Cutter::of_client(), Cutter::default(), blocks, budget),
            heads_left: HEADS_AT_ONCE,
            streams: Streams::new(bounds.streams.saturating_add(bounds.frames)),
            quiet: now,
            moved: now,
        }
    }

    /// Since when the client owes the rest of a header block, of another frame that is not DATA, or of the preface.
    #[must_use]
    pub(in crate::proxy) fn unfinished_since(&self) -> Option<Millis> {
        let Wire { incoming, blocks, .. } = &self.wire;
        match blocks.owed_since(incoming.is_within()) {
            None if incoming.awaits_preface() => Some(self.quiet),
            owed => owed.or_else(|| incoming.unfinished_since()),
        }
    }

    /// Has the client still to say that it speaks HTTP/2?
    #[must_use]
    pub(in crate::proxy) fn awaits_preface(&self) -> bool {
        self.wire.incoming.awaits_preface()
    }

    /// Since when no request waits for an answer or the end of one.
    #[must_use]
    pub(in crate::proxy) fn idle_since(&self) -> Option<Millis> {
        self.streams.is_empty().then_some(self.quiet)
    }

    /// hyper has been given the requests that have been read, and asks for more.
    pub(super) fn allow_heads(&mut self) {
        self.heads_left = HEADS_AT_ONCE;
    }

    /// How many requests wait for an answer or the end of one.
    #[must_use]
    pub(in crate::proxy) fn open(&self) -> usize {
        self.streams.len()
    }

    /// Since when nothing of any answer has been written.
    #[must_use]
    pub(in crate::proxy) fn moved(&self) -> Millis {
        self.moved
    }

    /// Since when nothing of an answer has been written to more than so many of these; `None`: there are no more.
    #[must_use]
    pub(in crate::proxy) fn still_since(&self, number: usize, now: Millis) -> Option<Millis> {
        self.streams.still_since(number, now)
    }

    fn headers(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        let Wire { incoming, blocks, budget, .. } = &mut self.wire;
        match self.streams.open(frame.stream, now) {
            Opened::New => {}
            Opened::Nothing => budget.charge(Flood::Headers)?,
            Opened::TooMany => return Err(Flood::Streams),
        }
        blocks.begin(frame, incoming.since(), budget)
    }

    fn close(&mut self, stream: u32, now: Millis) -> Option<Duration> {
        let age = self.streams.close(stream, now)?;
        self.settle(now);
        Some(age)
    }

    fn settle(&mut self, now: Millis) {
        if self.streams.is_empty() {
            self.quiet = now;
        }
    }
}

impl Follow for Guard {
    fn wire(&self) -> &Wire {
        &self.wire
    }

    fn wire_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn came(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        if let head::HEADERS | head::CONTINUATION = frame.kind {
            self.heads_left = self.heads_left.saturating_sub(frame.length);
        }
        let Wire { blocks, budget, .. } = &mut self.wire;
        match frame.kind {
            head::CONTINUATION => return blocks.go_on(frame, budget),
            head::HEADERS => return self.headers(frame, now),
            _ => blocks.end(),
        }
        if frame.kind != head::RST_STREAM {
            return budget.pay(frame);
        }
        let flood = match self.close(frame.stream, now) {
            Some(age) if age >= MEANT => return Ok(()),
            Some(_) => Flood::RapidReset,
            None => Flood::Reset,
        };
        self.wire.budget.charge(flood)
    }

    fn went(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        match frame.kind {
            head::DATA | head::HEADERS => {
                self.wire.budget.sent(if frame.kind == head::DATA { frame.data() } else { 0 });
                self.moved = now;
                if !frame.ends_stream() {
                    self.streams.moved(frame.stream, now);
                } else if self.close(frame.stream, now).is_some() {
                    self.wire.budget.earn(PER_ANSWER);
                }
            }
            head::RST_STREAM => {
                let was_open = self.close(frame.stream, now).is_some();
                // A client may not have read how many streams it may open.
                let is_refused = frame.number() == REFUSED_STREAM;
                if is_refused || frame.is_provoked() {
                    return self.wire.budget.provoked(was_open && !is_refused);
                }
            }
            head::GOAWAY => {
                let was_idle = self.streams.is_empty();
                self.streams.end_at(frame.number());
                if !was_idle {
                    self.settle(now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn newest_stream(&self) -> u32 {
        self.streams.newest()
    }

    fn may_read(&self) -> bool {
        self.heads_left > 0
    }
}
