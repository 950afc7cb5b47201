//! The guard in front of hyper: follows the messages on a connection, byte by byte, and lets nothing through that
//! two readers could understand in two ways. Pure: bytes in, a verdict out; it reads no socket and answers nobody.
//!
//! ## Why on the bytes
//! Much of what must be refused hyper takes without showing it: bare LF as line end, `#fragment` in a target, equal
//! `Content-Length`s, one that stands beside `Transfer-Encoding`. What it hands over looks clean then.
//!
//! ## Why heads are withheld until they are complete
//! A head is either good or refused, and of one that is refused hyper sees no byte, so it cannot have begun to act
//! on it. Bodies pass as they come. In the usual case a head arrives in one piece and is handed on where it lies;
//! only one that arrives in several pieces is copied together here.
//!
//! ## Why there are two ways to a verdict
//! The fast one parses at once ([`httparse`], as hyper does, so that both agree) and accepts what has no fault. For
//! everything else the slow one decides: it looks for the end of the head line by line, and only then judges. Its
//! verdict depends on the bytes alone, never on the pieces in which they came.
//!
//! ## How it is used
//! [`Guard::feed`] is told what has been read and says how much of it may be handed on in place. What it keeps comes
//! out of [`Guard::ready`] later, before anything that is read after it. Once [`Guard::refusal`] is there, nothing
//! more passes.
//!
//! `proxy::guarded` puts it between a socket and hyper. A client's refused head becomes a [`stand_in`] there, a refused body
//! an error of the read, and so does every refusal of what an endpoint sends.

mod authority;
mod chunk;
mod diagnosis;
mod head;
mod request;
pub(super) mod response;
mod rules;
mod side;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use self::authority::is_valid as is_authority;
pub(super) use self::head::is_length;
pub(super) use self::request::{Requests, check_path};
pub(super) use self::response::{Asked, Responses};
pub(super) use self::rules::Rule;
pub(super) use self::side::Side;
pub(super) use self::stream::{Guard, Place, Refusal};

/// Follows the requests of a client.
pub(super) type RequestGuard = Guard<Requests>;

/// Follows the responses of an endpoint.
pub(super) type ResponseGuard = Guard<Responses>;

/// What a message may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The largest head or trailer section in bytes.
    pub(super) head_size: usize,
    /// The longest request target in bytes.
    pub(super) target_size: usize,
    /// The most fields of a head or trailer section; never more than [`FIELDS`].
    pub(super) fields: usize,
    /// May a client begin with HTTP/2 (RFC 9113 §3.3)?
    pub(super) prior_knowledge: bool,
}

/// hyper takes so many fields unless it is told otherwise, and then allocates for every head.
pub(super) const FIELDS: usize = 100;

/// Stands in for a request that was refused, so that hyper asks for its answer after those of the requests before
/// it. Whoever handles requests knows it by its number, [`Guard::heads`] + 1, and answers with the refusal.
pub(super) fn stand_in(refusal: Refusal) -> &'static [u8] {
    if refusal.is_bodiless {
        b"HEAD / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n"
    } else {
        b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n"
    }
}
