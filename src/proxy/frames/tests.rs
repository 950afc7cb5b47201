//! Every flood ends, every client that is one goes on, and the verdict is that of the bytes.

use super::guard::Guard;
use super::head;
use super::{Bounds, EndpointGuard, Flood, Follow};
use crate::routing::Millis;

mod clients;
mod docs;
mod endpoints;
mod floods;
mod laws;
mod socket;
mod waiting;

const BOUNDS: Bounds = Bounds { frames: 800, head_size: 64 * 1024, streams: 100 };

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const INTERNAL_ERROR: u32 = 2;
const STREAM_CLOSED: u32 = 5;
const REFUSED_STREAM: u32 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request head; its payload is nobody's business here.
fn headers(stream: u32) -> Vec<u8> {
    frame(head::HEADERS, END_HEADERS, stream, b"head")
}

/// The same, of a request without a body, of a response without one, or of trailers.
fn last_headers(stream: u32) -> Vec<u8> {
    frame(head::HEADERS, END_HEADERS | END_STREAM, stream, b"head")
}

fn data(stream: u32, length: usize) -> Vec<u8> {
    frame(head::DATA, 0, stream, &vec![b'x'; length])
}

fn last_data(stream: u32, length: usize) -> Vec<u8> {
    frame(head::DATA, END_STREAM, stream, &vec![b'x'; length])
}

fn reset(stream: u32, error: u32) -> Vec<u8> {
    frame(head::RST_STREAM, 0, stream, &error.to_be_bytes())
}

fn update(stream: u32) -> Vec<u8> {
    frame(head::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1])
}

fn ping() -> Vec<u8> {
    frame(head::PING, 0, 0, &[0; 8])
}

fn settings() -> Vec<u8> {
    frame(head::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
}

fn priority(stream: u32) -> Vec<u8> {
    frame(head::PRIORITY, 0, stream, &[0; 5])
}

fn goaway(last: u32) -> Vec<u8> {
    frame(head::GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat())
}

/// The numbers that a client gives its streams.
fn numbers() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// A connection with a clock.
struct Connection<G = Guard> {
    guard: G,
    now: Millis,
    /// Feed everything byte by byte?
    in_bytes: bool,
}

impl Connection {
    /// A client has said what clients say first.
    fn new() -> Self {
        let mut connection = Self::silent();
        connection.gets(PREFACE).gets(&settings()).gets(&frame(head::SETTINGS, ACK, 0, &[]));
        connection
    }

    fn silent() -> Self {
        let now = Millis(1_000_000);
        Self { guard: Guard::new(BOUNDS, now), now, in_bytes: false }
    }
}

impl Connection<EndpointGuard> {
    /// One to an endpoint, on which both sides have said what they say first.
    fn to_endpoint() -> Self {
        let now = Millis(1_000_000);
        let mut connection = Self { guard: EndpointGuard::new(BOUNDS, now), now, in_bytes: false };
        connection.sends(PREFACE).sends(&settings()).gets(&settings()).gets(&frame(head::SETTINGS, ACK, 0, &[]));
        connection
    }
}

impl<G: Follow> Connection<G> {
    /// The other side sends, and nothing is wrong with that.
    #[track_caller]
    fn gets(&mut self, bytes: &[u8]) -> &mut Self {
        assert_eq!(self.try_gets(bytes), Ok(()));
        self
    }

    fn try_gets(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        let piece = if self.in_bytes { 1 } else { usize::MAX };
        bytes.chunks(piece.min(bytes.len().max(1))).try_for_each(|piece| self.guard.feed(piece, self.now))
    }

    /// We send, and nothing is wrong with that.
    #[track_caller]
    fn sends(&mut self, bytes: &[u8]) -> &mut Self {
        assert_eq!(self.guard.wrote(bytes, self.now), Ok(()));
        self
    }

    /// Time passes.
    fn after(&mut self, millis: u64) -> &mut Self {
        self.now.0 += millis;
        self
    }
}
