//! The messages of a connection, one after the other: what passes, what is kept, and where it ends.

use super::Bounds;
use super::chunk::Chunk;
use super::head::{self, End};
use super::response::{Asked, Responses};
use super::rules::Rule;
use super::side::{Body, Judged, Side};

/// Where in a message a connection is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a head, or in one.
    Head,
    Length(u64),
    Chunks(Chunk),
    Trailers,
    /// Behind a request for an upgrade: what comes now is a request or another protocol, nobody knows yet.
    Undecided,
    /// Nothing is looked at any more.
    Open,
    /// The client speaks HTTP/2, which is not ours to follow.
    Http2,
    Refused,
}

/// The beginning of the preface of RFC 9113 §3.4, which is no request of any other version. Who sends this speaks HTTP/2,
/// and who then goes on wrongly is told so in HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// What the head of a request begins with whose answer has no body.
const HEAD: &[u8] = b"HEAD ";

/// Why nothing passes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Refusal {
    /// What was broken.
    pub(in crate::proxy) rule: Rule,
    /// Where.
    pub(in crate::proxy) place: Place,
    /// Is it the head of a `HEAD`, whose answer has no body?
    pub(in crate::proxy) is_bodiless: bool,
}

/// Where in a message a rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Place {
    /// In its head, none of which has passed: messages before it are whole.
    Head,
    /// After its head, which has passed.
    Body,
}

/// Follows one direction of a connection.
#[derive(Debug)]
pub(in crate::proxy) struct Guard<S> {
    side: S,
    bounds: Bounds,
    state: State,
    refusal: Option<Refusal>,
    /// What did not pass when it came: first, up to `ready`, what may now, then the beginning of a section.
    kept: Vec<u8>,
    ready: usize,
    /// So much of the section that is kept has been looked at.
    scanned: usize,
    /// What follows the present message.
    next: State,
    heads: u64,
}

impl<S: Side + Default> Guard<S> {
    pub(in crate::proxy) fn new(bounds: Bounds) -> Self {
        Self {
            side: S::default(),
            bounds,
            state: State::Head,
            refusal: None,
            kept: Vec::new(),
            ready: 0,
            scanned: 0,
            next: State::Head,
            heads: 0,
        }
    }
}

impl<S: Side> Guard<S> {
    /// Follows what has just been read. So many bytes of it may be handed on where they lie, if [`Self::ready`]
    /// was empty; the others are kept, or refused.
    #[must_use]
    pub(in crate::proxy) fn feed(&mut self, fresh: &[u8]) -> usize {
        if self.kept.is_empty() {
            let passed = self.advance(fresh);
            if self.refusal.is_none() {
                self.kept.extend_from_slice(&fresh[passed..]);
            }
            return passed;
        }
        self.kept.extend_from_slice(fresh);
        self.advance_kept();
        0
    }

    /// The request of this number, the first being 1, is about to be answered, with 101 if `switched`. What it says
    /// of any request but the last is nothing new: behind a request for an upgrade no other has passed.
    pub(in crate::proxy) fn decide(&mut self, request: u64, switched: bool) {
        if request != self.heads {
            return;
        }
        self.next = if switched { State::Open } else { State::Head };
        if matches!(self.state, State::Undecided | State::Head) {
            self.state = self.next;
            self.advance_kept();
        }
    }

    /// What had been kept was handed on, so much of it.
    pub(in crate::proxy) fn consume(&mut self, length: usize) {
        let length = length.min(self.ready);
        self.kept.drain(..length);
        self.ready -= length;
        if self.kept.is_empty() {
            // A connection lives long, and seldom has such a head again.
            self.kept = Vec::new();
        }
    }

    /// What had been kept and may be handed on now, before anything that is read later.
    #[must_use]
    pub(in crate::proxy) fn ready(&self) -> &[u8] {
        &self.kept[..self.ready]
    }

    /// Why nothing more passes, once [`Self::ready`] is empty.
    #[must_use]
    pub(in crate::proxy) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// How many heads have passed.
    #[must_use]
    pub(in crate::proxy) fn heads(&self) -> u64 {
        self.heads
    }

    /// Has the client begun to speak HTTP/2? Nothing passes then, until [`Self::open`].
    #[must_use]
    pub(in crate::proxy) fn is_http2(&self) -> bool {
        matches!(self.state, State::Http2)
    }

    /// Lets everything pass from here on, what has been kept first: somebody else looks at it.
    pub(in crate::proxy) fn open(&mut self) {
        self.state = State::Open;
        self.ready = self.kept.len();
    }

    /// What has not passed so far, for whoever goes on from here.
    #[must_use]
    pub(in crate::proxy) fn take_kept(&mut self) -> Vec<u8> {
        self.ready = 0;
        std::mem::take(&mut self.kept)
    }

    /// Is the connection between two messages, with nothing kept?
    #[must_use]
    pub(in crate::proxy) fn is_between(&self) -> bool {
        matches!(self.state, State::Head) && self.kept.is_empty()
    }

    fn advance_kept(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        self.ready += self.advance(&kept[self.ready..]);
        if self.refusal.is_some() {
            kept.truncate(self.ready);
        }
        self.kept = kept;
    }

    /// How many bytes pass.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&bytes[at..]) {
                Ok(0) => break,
                Ok(passed) => at += passed,
                Err(rule) => {
                    let is_head = matches!(self.state, State::Head);
                    let place = if is_head { Place::Head } else { Place::Body };
                    let start = &bytes[at..];
                    let is_bodiless = is_head && start[S::lead(start)..].starts_with(HEAD);
                    self.refusal = Some(Refusal { rule, place, is_bodiless });
                    self.state = State::Refused;
                }
            }
        }
        at
    }

    /// Follows a part of one message; 0 if more is needed to know. `bytes` are some.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        match &mut self.state {
            State::Head => self.head(bytes),
            State::Length(left) => {
                let passed = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= passed as u64;
                if *left == 0 {
                    self.over();
                }
                Ok(passed)
            }
            State::Chunks(chunk) => {
                let passed = chunk.advance(bytes)?;
                if matches!(chunk, Chunk::Last) {
                    self.state = State::Trailers;
                }
                Ok(passed)
            }
            State::Trailers => self.trailers(bytes),
            State::Undecided if bytes.len() > self.bounds.head_size => Err(Rule::Early),
            State::Undecided | State::Refused | State::Http2 => Ok(0),
            State::Open => Ok(bytes.len()),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        if self.heads == 0 && self.bounds.prior_knowledge && bytes.starts_with(PREFACE) {
            self.state = State::Http2;
            return Ok(0);
        }
        let lead = S::lead(bytes);
        if let Some(first) = bytes.get(lead) {
            self.side.begin(*first)?;
        }
        if self.scanned == 0
            && let Ok(Some(judged)) = self.side.judge(bytes, &self.bounds)
            && judged.length <= self.bounds.head_size
        {
            return Ok(self.passed(judged));
        }
        let Some(end) = self.end(bytes, lead)? else { return Ok(0) };
        if end == lead + 2 {
            return Err(Rule::EmptyLines);
        }
        // All lines are there: a parser that wants more sees another head than we do.
        let judged = self.side.judge(&bytes[..end], &self.bounds)?.filter(|judged| judged.length == end);
        Ok(self.passed(judged.ok_or(Rule::RequestLine)?))
    }

    fn trailers(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        let Some(end) = self.end(bytes, 0)? else { return Ok(0) };
        if end > 2 {
            head::check_trailers(&bytes[..end], self.bounds.fields)?;
        }
        self.over();
        Ok(end)
    }

    /// Where the section ends that begins at `start`.
    fn end(&mut self, bytes: &[u8], start: usize) -> Result<Option<usize>, Rule> {
        let most = self.bounds.head_size;
        match head::find_end(&bytes[..bytes.len().min(most)], start, self.scanned)? {
            End::At(end) => {
                self.scanned = 0;
                Ok(Some(end))
            }
            End::Beyond(_) if bytes.len() >= most => {
                let is_one_line = matches!(self.state, State::Head) && !bytes[start..most].contains(&b'\n');
                Err(if is_one_line { S::line_too_long() } else { Rule::HeadTooLarge })
            }
            End::Beyond(scanned) => {
                self.scanned = scanned;
                Ok(None)
            }
        }
    }

    fn passed(&mut self, judged: Judged) -> usize {
        self.heads += 1;
        self.next = if judged.upgrade { State::Undecided } else { State::Head };
        self.side.accept(judged.body);
        match judged.body {
            Body::None => self.over(),
            Body::Length(length) => self.state = State::Length(length),
            Body::Chunked => self.state = State::Chunks(Chunk::FIRST),
            Body::UntilClose | Body::Switched => self.state = State::Open,
            Body::Interim => {}
        }
        judged.length
    }

    fn over(&mut self) {
        self.side.over();
        self.state = self.next;
    }
}

impl Guard<Responses> {
    /// A request is about to be written. The one before it has been answered, or what comes answers neither.
    pub(in crate::proxy) fn ask(&mut self, asked: Asked) {
        if self.is_answered() {
            self.side.ask(asked);
        } else if self.refusal.is_none() {
            self.refusal = Some(Refusal { rule: Rule::Unasked, place: Place::Body, is_bodiless: false });
            self.state = State::Refused;
        }
    }

    /// Has the last request been answered to its end, so that another may be sent?
    #[must_use]
    pub(in crate::proxy) fn is_answered(&self) -> bool {
        self.is_between() && self.side.is_answered()
    }
}
