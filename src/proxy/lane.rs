//! Where requests of a client come one after the other: over HTTP/1 the whole connection, over HTTP/2 one stream of it,
//! on which there is only one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::Version;

use super::client::Client;
use super::filter::Filtered;
use super::guard::{Place, Refusal, RequestGuard, Rule};
use super::http2::watched::Stream;
use super::tunnel::Tunnel;
use super::watch::{Phase, Watch};
use super::worker::Worker;
use crate::routing::filters::Timeouts;

/// A sequence of requests, of which one at most is under way.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) client: Rc<Client>,
    pub(super) watch: Rc<Watch>,
    /// Is it the client whose next piece of a body we wait for, and not the endpoint?
    pub(super) is_awaited: Cell<bool>,
    /// The time limits of the present request's rule.
    timeouts: Cell<Timeouts>,
    /// So many bytes more its body may have; `None`: it has had too many.
    allowance: Cell<Option<u64>>,
    /// What has been refused on the bytes, where bytes are looked at: over HTTP/1.
    guard: Option<Rc<RefCell<RequestGuard>>>,
    /// What it is over HTTP/2.
    _stream: Option<Rc<Stream>>,
    /// How many requests have begun.
    requests: Cell<u64>,
    /// Is the present one of HTTP/1.0?
    is_old: Cell<bool>,
    /// Has the client been told of a refusal?
    told: Cell<bool>,
    /// What the connection becomes once the present request has been answered with 101.
    tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Lane {
    /// A connection over HTTP/1.
    pub(super) fn of_connection(client: Rc<Client>, watch: Rc<Watch>, guard: Rc<RefCell<RequestGuard>>) -> Rc<Self> {
        Self::new(client, watch, Some(guard), None)
    }

    /// A stream of a connection over HTTP/2.
    pub(super) fn of_stream(client: Rc<Client>, watch: Rc<Watch>, stream: Rc<Stream>) -> Rc<Self> {
        Self::new(client, watch, None, Some(stream))
    }

    fn new(
        client: Rc<Client>,
        watch: Rc<Watch>,
        guard: Option<Rc<RefCell<RequestGuard>>>,
        stream: Option<Rc<Stream>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            client,
            watch,
            is_awaited: Cell::new(false),
            timeouts: Cell::default(),
            allowance: Cell::new(Some(u64::MAX)),
            guard,
            _stream: stream,
            requests: Cell::new(0),
            is_old: Cell::new(false),
            told: Cell::new(false),
            tunnel: RefCell::default(),
        })
    }

    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.client.worker
    }

    /// Another request begins, of this version. If it is only the stand-in for one that was refused: why.
    pub(super) fn next(&self, version: Version) -> Option<Rule> {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        self.is_old.set(version == Version::HTTP_10);
        let guard = self.guard.as_ref()?.borrow();
        guard
            .refusal()
            .filter(|refusal| refusal.place == Place::Head && number > guard.heads())
            .map(|refusal| refusal.rule)
    }

    /// Is the present request of HTTP/1.0?
    pub(super) fn is_old(&self) -> bool {
        self.is_old.get()
    }

    /// The present request's rule bounds it so.
    pub(super) fn bound(&self, filtered: Option<&Filtered>) {
        self.is_awaited.set(false);
        self.timeouts.set(filtered.map_or(Timeouts::default(), |filtered| filtered.timeouts));
        self.allowance.set(Some(filtered.and_then(|filtered| filtered.body_size).unwrap_or(u64::MAX)));
    }

    /// The time limits of the present request's rule.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts.get()
    }

    /// How long the endpoint may take nothing of the body.
    pub(super) fn send_limit(&self) -> Duration {
        self.timeouts.get().send.unwrap_or(self.worker().limits.body)
    }

    /// How long the endpoint may wait with its answer.
    pub(super) fn answer_limit(&self) -> Duration {
        self.timeouts.get().read.unwrap_or(self.worker().limits.response_head)
    }

    /// So many bytes more of the body have come. Are they still allowed?
    pub(super) fn admits(&self, bytes: usize) -> bool {
        let left = self.allowance.get().and_then(|left| left.checked_sub(bytes as u64));
        self.allowance.set(left);
        left.is_some()
    }

    /// Has the body had more bytes than its rule allows?
    pub(super) fn is_too_large(&self) -> bool {
        self.allowance.get().is_none()
    }

    /// The present request is about to be answered, with another protocol if `switched`.
    pub(super) fn decide(&self, switched: bool) {
        if let Some(guard) = &self.guard {
            guard.borrow_mut().decide(self.requests.get(), switched);
        }
    }

    /// After this answer the connection is a tunnel.
    pub(super) fn switch(&self, tunnel: Box<Tunnel>) {
        *self.tunnel.borrow_mut() = Some(tunnel);
    }

    /// What the connection has become.
    pub(super) fn take_tunnel(&self) -> Option<Box<Tunnel>> {
        self.tunnel.borrow_mut().take()
    }

    /// Which rule the body of the present request has broken.
    pub(super) fn refused_body(&self) -> Option<Rule> {
        let refusal = self.guard.as_ref()?.borrow().refusal();
        refusal.filter(|Refusal { place, .. }| *place == Place::Body).map(|refusal| refusal.rule)
    }

    /// Counts a refusal that the client is told of.
    pub(super) fn refused(&self, rule: Rule) {
        self.told.set(true);
        self.worker().metrics.refusals.count(rule);
    }

    /// Counts a refusal that ended the connection before anybody could be told.
    pub(super) fn count_untold(&self) {
        if let Some(refusal) = self.guard.as_ref().and_then(|guard| guard.borrow().refusal())
            && !self.told.get()
        {
            self.refused(refusal.rule);
        }
    }

    /// A part of the request's body has passed, or its end.
    pub(super) fn uploaded(&self, more: bool) {
        let worker = self.worker();
        let (limits, now) = (&worker.limits, worker.coarse());
        match self.watch.phase() {
            Phase::Upload if more => self.watch.extend(now.plus(self.send_limit())),
            Phase::Upload => self.watch.enter(Phase::ResponseHead, now.plus(self.answer_limit())),
            // The endpoint answers before the client has sent everything.
            Phase::Download => self.watch.extend(now.plus(self.watch.silence().unwrap_or(limits.body))),
            _ => {}
        }
    }

    /// The endpoint has taken what there was of the body. From here on it is the client's time that passes.
    pub(super) fn drained(&self) {
        if self.timeouts.get().send.is_some() && self.watch.phase() == Phase::Upload {
            let worker = self.worker();
            self.watch.extend(worker.coarse().plus(worker.limits.body));
        }
    }
}
