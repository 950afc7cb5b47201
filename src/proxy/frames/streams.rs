//! The streams whose requests are not answered yet, and when each was opened.
//!
//! A sorted list, since numbers only rise: a new one goes to the end, an old one is found by bisection. It takes 8
//! bytes for each stream of as many as were ever open at a time, and is seldom longer than a cache line or two.

use std::time::Duration;

use crate::routing::Millis;

/// Open streams.
#[derive(Debug)]
pub(super) struct Streams {
    open: Vec<Open>,
    /// The last one that the client opened.
    newest: u32,
    /// Beyond this, we have said that we answer no more.
    last: u32,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    number: u32,
    /// The low half of the time, since only the age matters: a stream that is open for 49 days passes as new.
    at: u32,
}

/// What HEADERS of a client do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// They open a stream.
    New,
    /// They do not, or one that nobody will answer.
    Nothing,
    /// They would, if there were not more already than anybody can have misunderstood.
    TooMany,
}

impl Streams {
    pub(super) fn new(most: usize) -> Self {
        Self { open: Vec::new(), newest: 0, last: u32::MAX, most }
    }

    /// HEADERS came for this stream.
    pub(super) fn open(&mut self, number: u32, now: Millis) -> Opened {
        if number <= self.newest || number.is_multiple_of(2) {
            return Opened::Nothing;
        }
        self.newest = number;
        if number > self.last {
            return Opened::Nothing;
        }
        if self.open.len() == self.most {
            return Opened::TooMany;
        }
        self.open.push(Open { number, at: now.0 as u32 });
        Opened::New
    }

    /// The stream is answered or reset: how old it was, if it was open.
    pub(super) fn close(&mut self, number: u32, now: Millis) -> Option<Duration> {
        let at = self.open.binary_search_by_key(&number, |open| open.number).ok()?;
        let open = self.open.remove(at);
        Some(Duration::from_millis((now.0 as u32).wrapping_sub(open.at).into()))
    }

    /// No stream beyond this one will be answered.
    pub(super) fn end_at(&mut self, last: u32) {
        self.last = self.last.min(last);
        self.open.retain(|open| open.number <= last);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The last stream that the client opened.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }
}
