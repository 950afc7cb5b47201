//! Cuts the bytes of one direction into frames, as they come: the nine bytes before each, and as much of what follows
//! them as anybody here looks at. The rest is counted, not kept.

use crate::routing::Millis;

/// Before every frame.
pub(super) const SIZE: usize = 9;

/// The most that is looked at of a payload: an error code, the last stream of a GOAWAY.
const PREFIX: usize = 4;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
/// RFC 9218 §7.1.
pub(super) const PRIORITY_UPDATE: u8 = 16;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// What is known about a frame once it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Frame {
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    /// Bytes of the payload.
    pub(super) length: u32,
    /// Its first bytes, zeros if nobody looks at them.
    prefix: [u8; PREFIX],
}

impl Frame {
    fn parse(head: &[u8; SIZE]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        // The first bit of a stream's number is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Self { kind, flags, stream, length: u32::from_be_bytes([0, a, b, c]), prefix: [0; PREFIX] }
    }

    /// Does it acknowledge one of ours? Asked of SETTINGS and PING.
    pub(super) fn acknowledges(&self) -> bool {
        self.flags & ACK != 0
    }

    /// How much of the payload is looked at.
    fn wanted(&self) -> u32 {
        let wanted = match self.kind {
            DATA if self.flags & PADDED != 0 => 1,
            RST_STREAM | GOAWAY => 4,
            _ => 0,
        };
        wanted.min(self.length)
    }

    /// Is it the last one of its stream? Asked of HEADERS and DATA.
    pub(super) fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    /// Is it the last one of its header block? Asked of HEADERS and CONTINUATION.
    pub(super) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Do we reset a stream with this for what the other side did? Otherwise somebody else or we ourselves have failed.
    pub(super) fn is_provoked(&self) -> bool {
        const PROTOCOL_ERROR: u32 = 1;
        const FLOW_CONTROL_ERROR: u32 = 3;
        const STREAM_CLOSED: u32 = 5;
        const FRAME_SIZE_ERROR: u32 = 6;
        matches!(self.number(), PROTOCOL_ERROR | FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR)
    }

    /// The bytes of a body in a DATA frame: its payload without the padding.
    pub(super) fn data(&self) -> u32 {
        let padding = if self.flags & PADDED != 0 { 1 + u32::from(self.prefix[0]) } else { 0 };
        self.length.saturating_sub(padding)
    }

    /// The number that a payload begins with: the error of a RST_STREAM, the last stream of a GOAWAY.
    pub(super) fn number(&self) -> u32 {
        u32::from_be_bytes(self.prefix)
    }
}

/// The bytes of `PRI * HTTP/2.0 …`, which clients send before the first frame.
const PREFACE: u8 = 24;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// So much of the preface is still to come.
    preface: u8,
    /// The beginning of a frame that has not come far enough, so many bytes of it.
    begun: [u8; SIZE + PREFIX],
    has: u8,
    /// The kind of the last frame, and how much of it is still to come.
    kind: u8,
    rest: u32,
    /// When the first byte of the last frame came, known or not.
    since: Millis,
}

impl Cutter {
    /// Of the direction that begins with the preface.
    pub(super) fn of_client() -> Self {
        Self { preface: PREFACE, ..Self::default() }
    }

    /// Takes bytes up to the next frame of which enough is there, or all of them.
    pub(super) fn cut(&mut self, bytes: &mut &[u8], now: Millis) -> Option<Frame> {
        let preface = usize::from(self.preface).min(bytes.len());
        self.preface -= preface as u8;
        let passed = (self.rest as usize).min(bytes.len() - preface);
        self.rest -= passed as u32;
        *bytes = &bytes[preface + passed..];
        if self.has == 0 && !bytes.is_empty() {
            self.since = now;
        }
        if !self.take(SIZE, bytes) {
            return None;
        }
        let mut frame = Frame::parse(self.begun.first_chunk()?);
        let wanted = frame.wanted();
        if !self.take(SIZE + wanted as usize, bytes) {
            return None;
        }
        frame.prefix[..wanted as usize].copy_from_slice(&self.begun[SIZE..SIZE + wanted as usize]);
        self.has = 0;
        self.kind = frame.kind;
        self.rest = frame.length - wanted;
        Some(frame)
    }

    /// Takes bytes until there are so many; says whether there are.
    fn take(&mut self, wanted: usize, bytes: &mut &[u8]) -> bool {
        let has = usize::from(self.has);
        let taken = wanted.saturating_sub(has).min(bytes.len());
        self.begun[has..has + taken].copy_from_slice(&bytes[..taken]);
        *bytes = &bytes[taken..];
        self.has += taken as u8;
        has + taken >= wanted
    }

    /// Is everything that has come a number of whole frames?
    pub(super) fn is_between(&self) -> bool {
        self.preface == 0 && self.has == 0 && self.rest == 0
    }

    /// Is a part of the preface still to come?
    pub(super) fn awaits_preface(&self) -> bool {
        self.preface > 0
    }

    /// Is a part of the last frame still to come?
    pub(super) fn is_within(&self) -> bool {
        self.rest > 0
    }

    /// When the first byte of the last frame came.
    pub(super) fn since(&self) -> Millis {
        self.since
    }

    /// When a frame began that is not whole. Not of DATA: bodies have their own limit.
    pub(super) fn unfinished_since(&self) -> Option<Millis> {
        (self.has > 0 || self.rest > 0 && self.kind != DATA).then_some(self.since)
    }
}
