//! The two sides of a connection: what a guard asks about a head.

use std::fmt::Debug;

use super::Bounds;
use super::rules::Rule;

/// What differs between requests and responses.
pub(in crate::proxy) trait Side: Debug {
    /// How many bytes before a head are ignored.
    fn lead(_: &[u8]) -> usize {
        0
    }

    /// May a head begin, and with this byte?
    ///
    /// # Errors
    /// The rule that the byte breaks.
    fn begin(&self, first: u8) -> Result<(), Rule>;

    /// Judges the head at the beginning of `bytes`; `None` if it is not complete.
    ///
    /// # Errors
    /// The rule that it breaks.
    fn judge(&self, bytes: &[u8], bounds: &Bounds) -> Result<Option<Judged>, Rule>;

    /// The rule that a first line breaks which is as long as a head may be.
    fn line_too_long() -> Rule {
        Rule::HeadTooLarge
    }

    /// A head has passed.
    fn accept(&mut self, _: Body) {}

    /// A message has come to its end.
    fn over(&mut self) {}
}

/// A head that has no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Judged {
    pub(super) length: usize,
    pub(super) body: Body,
    /// It asks for another protocol.
    pub(super) upgrade: bool,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Body {
    /// The next message.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, and a trailer section.
    Chunked,
    /// Whatever comes.
    UntilClose,
    /// Another head of the same message.
    Interim,
    /// Another protocol.
    Switched,
}
