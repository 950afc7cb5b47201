//! Both directions of a connection: what each frame costs or earns, and what the connection is waiting for.

use std::time::Duration;

use super::Bounds;
use super::budget::{Budget, PER_ANSWER};
use super::flood::Flood;
use super::head::{self, Cutter, Frame};
use super::streams::{Opened, Streams};
use crate::routing::Millis;

/// `PRI * HTTP/2.0 …`, which comes before the first frame.
const PREFACE: u8 = 24;

/// A request that is taken back after this time was meant.
const MEANT: Duration = Duration::from_secs(1);

/// CONTINUATION frames of one header block: enough for the largest head in frames of the smallest size that anybody
/// makes on purpose.
const CONTINUATIONS: u8 = 16;

/// A header block larger than this many times the bound is not even decompressed; one that is a little too large
/// should get its 431.
const FAR_TOO_LARGE: usize = 2;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(in crate::proxy) struct Guard {
    bounds: Bounds,
    /// So much of the preface is still to come.
    preface: u8,
    incoming: Cutter,
    outgoing: Cutter,
    /// The last header block, until the next frame.
    block: Option<Block>,
    streams: Streams,
    budget: Budget,
    /// When the connection began, or the last stream was closed.
    quiet: Millis,
    /// When a frame of an answer was written last.
    moved: Millis,
    flood: Option<Flood>,
}

/// A header block.
#[derive(Clone, Copy, Debug)]
struct Block {
    since: Millis,
    /// Has its last frame begun?
    is_ending: bool,
    size: usize,
    continuations: u8,
}

impl Guard {
    /// For a connection of which nothing has been read yet, not even the preface.
    pub(in crate::proxy) fn new(bounds: Bounds, now: Millis) -> Self {
        Self {
            bounds,
            preface: PREFACE,
            incoming: Cutter::default(),
            outgoing: Cutter::default(),
            block: None,
            streams: Streams::new(bounds.streams.saturating_add(bounds.frames)),
            budget: Budget::new(u32::try_from(bounds.frames).unwrap_or(u32::MAX), now),
            quiet: now,
            moved: now,
            flood: None,
        }
    }

    /// Follows what has just been read.
    ///
    /// # Errors
    /// The flood that it is part of; from then on, whatever comes.
    pub(in crate::proxy) fn feed(&mut self, mut fresh: &[u8], now: Millis) -> Result<(), Flood> {
        self.budget.pass(now);
        let preface = usize::from(self.preface).min(fresh.len());
        self.preface -= preface as u8;
        fresh = &fresh[preface..];
        while self.flood.is_none()
            && let Some(frame) = self.incoming.cut(&mut fresh, now)
        {
            self.flood = self.came(&frame, now).err();
        }
        self.flood.map_or(Ok(()), Err)
    }

    /// Follows what has just been written.
    ///
    /// # Errors
    /// As [`Self::feed`]: a client can make us write.
    pub(in crate::proxy) fn wrote(&mut self, mut written: &[u8], now: Millis) -> Result<(), Flood> {
        while let Some(frame) = self.outgoing.cut(&mut written, now) {
            let went = self.went(&frame, now);
            self.flood = self.flood.or(went.err());
        }
        self.flood.map_or(Ok(()), Err)
    }

    /// What has been too much.
    #[must_use]
    pub(in crate::proxy) fn flood(&self) -> Option<Flood> {
        self.flood
    }

    /// Since when the client owes the rest of a header block, of another frame that is not DATA, or of the preface.
    #[must_use]
    pub(in crate::proxy) fn unfinished_since(&self) -> Option<Millis> {
        match self.block {
            Some(block) if !block.is_ending || self.incoming.is_within() => Some(block.since),
            _ if self.preface > 0 => Some(self.quiet),
            _ => self.incoming.unfinished_since(),
        }
    }

    /// Has the client still to say that it speaks HTTP/2?
    #[must_use]
    pub(in crate::proxy) fn awaits_preface(&self) -> bool {
        self.preface > 0
    }

    /// Since when no request waits for an answer or the end of one.
    #[must_use]
    pub(in crate::proxy) fn idle_since(&self) -> Option<Millis> {
        self.streams.is_empty().then_some(self.quiet)
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

    /// May a frame of ours be written here?
    #[must_use]
    pub(super) fn is_between_frames(&self) -> bool {
        self.outgoing.is_between()
    }

    /// The last stream that the client opened.
    pub(super) fn newest_stream(&self) -> u32 {
        self.streams.newest()
    }

    /// A frame of the client, as soon as it is known.
    fn came(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        if frame.kind != head::CONTINUATION {
            // Whatever else comes within a block ends the connection, but that is not for us to say.
            self.block = None;
        }
        let flood = match frame.kind {
            head::HEADERS => return self.headers(frame, now),
            head::CONTINUATION => return self.continuation(frame),
            head::RST_STREAM => match self.close(frame.stream, now) {
                Some(age) if age >= MEANT => return Ok(()),
                Some(_) => Flood::RapidReset,
                None => Flood::Reset,
            },
            head::DATA if frame.ends_stream() || frame.data() > 0 => return Ok(()),
            head::DATA => Flood::EmptyData,
            head::SETTINGS if frame.acknowledges() => return self.budget.spend(Flood::Settings, 1),
            head::SETTINGS => Flood::Settings,
            head::PING => Flood::Ping,
            head::WINDOW_UPDATE => Flood::WindowUpdate,
            head::PRIORITY | head::PRIORITY_UPDATE => Flood::Priority,
            _ => Flood::Unknown,
        };
        self.budget.charge(flood)
    }

    fn headers(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        match self.streams.open(frame.stream, now) {
            Opened::New => {}
            Opened::Nothing => self.budget.charge(Flood::Headers)?,
            Opened::TooMany => return Err(Flood::Streams),
        }
        let since = self.incoming.since();
        self.extend(Block { since, is_ending: false, size: 0, continuations: 0 }, frame)
    }

    fn continuation(&mut self, frame: &Frame) -> Result<(), Flood> {
        self.budget.charge(Flood::Continuation)?;
        // Without a block it ends the connection, but that is not for us to say.
        let Some(mut block) = self.block.take().filter(|block| !block.is_ending) else { return Ok(()) };
        block.continuations += 1;
        if block.continuations > CONTINUATIONS {
            return Err(Flood::Continuation);
        }
        self.extend(block, frame)
    }

    fn extend(&mut self, mut block: Block, frame: &Frame) -> Result<(), Flood> {
        let was_too_large = block.size > self.bounds.head_size;
        block.size += frame.length as usize;
        if block.size > self.bounds.head_size.saturating_mul(FAR_TOO_LARGE) {
            return Err(Flood::HeaderBlock);
        }
        if block.size > self.bounds.head_size && !was_too_large {
            self.budget.charge(Flood::HeaderBlock)?;
        }
        block.is_ending = frame.ends_headers();
        self.block = Some(block);
        Ok(())
    }

    /// A frame of ours.
    fn went(&mut self, frame: &Frame, now: Millis) -> Result<(), Flood> {
        match frame.kind {
            head::DATA | head::HEADERS => {
                self.budget.sent(if frame.kind == head::DATA { frame.data() } else { 0 });
                self.moved = now;
                if !frame.ends_stream() {
                    self.streams.moved(frame.stream, now);
                } else if self.close(frame.stream, now).is_some() {
                    self.budget.earn(PER_ANSWER);
                }
            }
            head::RST_STREAM => {
                let was_open = self.close(frame.stream, now).is_some();
                let flood = Flood::ProvokedReset;
                match frame.number() {
                    // A client may not have read how many streams it may open.
                    REFUSED_STREAM => return self.budget.spend(flood, 1),
                    error if is_provoked(error) => {
                        return self.budget.spend(flood, if was_open { flood.cost() } else { 1 });
                    }
                    _ => {}
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

/// Do we reset a stream with this error for what the client did? Otherwise it is the endpoint or we who failed.
fn is_provoked(error: u32) -> bool {
    const PROTOCOL_ERROR: u32 = 1;
    const FLOW_CONTROL_ERROR: u32 = 3;
    const STREAM_CLOSED: u32 = 5;
    const FRAME_SIZE_ERROR: u32 = 6;
    matches!(error, PROTOCOL_ERROR | FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR)
}

const REFUSED_STREAM: u32 = 7;
