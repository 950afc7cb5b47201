//! The guard in front of hyper's HTTP/2: follows the frames on a connection and says when they are a flood.
//!
//! ## Why it is needed
//! h2 (0.4.18 and later) ends a connection for more than 20 requests that are taken back before hyper has looked at
//! them, for more than about 5 CONTINUATION frames of a header block, for 100 empty DATA frames, for small DATA frames
//! that pile up unread, for 1,024 streams that it has to reset itself (or another number of them), however long that took, and
//! for a header list of four times its bound. It counts no reset of a request that has been begun (the usual rapid reset, one at
//! a time), and no PING, SETTINGS, WINDOW_UPDATE, PRIORITY or unknown frame. hyper has no time limit for a header block, and none
//! for idle connections.
//!
//! ## What is counted
//! Frames that bring no request forward ([`Flood`], `docs/floods.md`) are paid for from one budget, whatever their
//! kind: so many kinds with a bound each would add up. It begins with [`Bounds::frames`], is never larger, and is
//! earned back by what clients are there for:
//!
//! - 4 by each answer that comes to its end: Firefox and old Chromes send PRIORITY and WINDOW_UPDATE with each
//!   request;
//! - 20 by each second: keep-alive, a user who changes their mind.
//!
//! HEADERS that open a stream cost nothing, and neither does DATA that has a byte or ends its stream. The number of
//! streams is bounded by h2, DATA by its windows, and both are what a proxy is for; uploads of any size and in pieces
//! of any size are free. WINDOW_UPDATEs and PINGs are accounted for by what we have sent before they cost anything, so
//! reading is free as well.
//!
//! Endpoints have such a budget as well ([`EndpointGuard`]), and earn by the requests that they are sent.
//!
//! With a budget of 800, whoever does no work gets through with 800 frames, or 400 requests that are taken back at
//! once. A connection that works has no bound on frames, only on frames for each piece of work.
//!
//! Large heads are read a few at a time, so that hyper sees those before the next ([`guard`]).
//!
//! ## Why it looks at what we write
//! Only that tells which requests are answered, and which streams we have to reset because a client makes us
//! (`MadeYouReset`). hyper's frames pass as they are.
//!
//! ## What it is not
//! No parser of HTTP/2: frames that make no sense are h2's to refuse. It decompresses nothing: what a header block
//! says, and how much comes out of it, is bounded by h2's header list size, which has to be set to `head_size`.
//!
//! ## What it costs
//! Less than 200 bytes for each connection, and 12 for each of as many streams as were open at a time. There is no
//! allocation but for these, and for a moment while some streams of several have been answered and not been taken. The verdict
//! depends on the bytes and the times, never on the pieces in which they came.

mod block;
mod budget;
mod endpoint;
mod flood;
mod guard;
mod guarded;
mod head;
mod streams;
#[cfg(test)]
mod tests;
mod wire;

pub(super) use self::endpoint::EndpointGuard;
pub(super) use self::flood::Flood;
#[cfg(fuzzing)]
pub(super) use self::guard::Guard;
pub(super) use self::guarded::{Follower, Guarded, Warden};
#[cfg(any(test, fuzzing))]
pub(super) use self::wire::Follow;

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Frames that bring no request forward, on top of what is earned.
    pub(super) frames: usize,
    /// The largest header block in bytes, before it is decompressed: no list of that size has a larger one.
    pub(super) head_size: usize,
    /// Streams at a time: as many as we have said in SETTINGS, or open ourselves.
    pub(super) streams: usize,
}
