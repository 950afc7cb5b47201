//! The streams whose requests are not answered yet, when each was opened, and when something was last written to it.
//!
//! A sorted list, since numbers only rise: a new one goes to the end, an old one is found by bisection. It takes 12
//! bytes for each stream of as many as were ever open at a time, and is seldom longer than a few cache lines.

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
    /// The same of the last frame of its answer.
    moved: u32,
}

impl Open {
    fn new(number: u32, now: Millis) -> Self {
        let at = now.0 as u32;
        Self { number, at, moved: at }
    }
}

/// How long ago this was.
fn age(at: u32, now: Millis) -> u32 {
    (now.0 as u32).wrapping_sub(at)
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
        self.open.push(Open::new(number, now));
        Opened::New
    }

    /// The stream is answered or reset: how old it was, if it was open.
    pub(super) fn close(&mut self, number: u32, now: Millis) -> Option<Duration> {
        let open = self.open.remove(self.find(number)?);
        Some(Duration::from_millis(age(open.at, now).into()))
    }

    /// A frame of the answer was written, and not its last.
    pub(super) fn moved(&mut self, number: u32, now: Millis) {
        if let Some(open) = self.find(number).and_then(|at| self.open.get_mut(at)) {
            open.moved = now.0 as u32;
        }
    }

    fn find(&self, number: u32) -> Option<usize> {
        self.open.binary_search_by_key(&number, |open| open.number).ok()
    }

    /// Since when nothing has moved on more than so many of them; `None`: there are no more.
    pub(super) fn still_since(&self, number: usize, now: Millis) -> Option<Millis> {
        if self.open.len() <= number {
            return None;
        }
        let ages = self.open.iter().map(|open| age(open.moved, now));
        let age = if number == 0 {
            ages.max()?
        } else {
            *ages.collect::<Vec<u32>>().select_nth_unstable_by(number, |one, other| other.cmp(one)).1
        };
        Some(Millis(now.0.saturating_sub(age.into())))
    }

    /// No stream beyond this one will be answered.
    pub(super) fn end_at(&mut self, last: u32) {
        self.last = self.last.min(last);
        self.open.retain(|open| open.number <= last);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The last stream that the client opened.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }
}
