//! Where requests of a client come one after the other: over HTTP/1 the whole connection, over HTTP/2 one stream of it,
//! on which there is only one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::client::Client;
use super::guard::{Place, Refusal, RequestGuard, Rule};
use super::tunnel::Tunnel;
use super::watch::{Phase, Watch};
use super::worker::Worker;

/// A sequence of requests, of which one at most is under way.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) client: Rc<Client>,
    pub(super) watch: Rc<Watch>,
    /// Is it the client whose next piece of a body we wait for, and not the endpoint?
    pub(super) is_awaited: Cell<bool>,
    /// What has been refused on the bytes, where bytes are looked at: over HTTP/1.
    guard: Option<Rc<RefCell<RequestGuard>>>,
    /// How many requests have begun.
    requests: Cell<u64>,
    /// Has the client been told of a refusal?
    told: Cell<bool>,
    /// What the connection becomes once the present request has been answered with 101.
    tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Lane {
    pub(super) fn new(client: Rc<Client>, watch: Rc<Watch>, guard: Option<Rc<RefCell<RequestGuard>>>) -> Rc<Self> {
        Rc::new(Self {
            client,
            watch,
            is_awaited: Cell::new(false),
            guard,
            requests: Cell::new(0),
            told: Cell::new(false),
            tunnel: RefCell::default(),
        })
    }

    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.client.worker
    }

    /// Another request begins. If it is only the stand-in for one that was refused: why.
    pub(super) fn next(&self) -> Option<Rule> {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        let guard = self.guard.as_ref()?.borrow();
        guard
            .refusal()
            .filter(|refusal| refusal.place == Place::Head && number > guard.heads())
            .map(|refusal| refusal.rule)
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
            Phase::Upload if more => self.watch.extend(now.plus(limits.body)),
            Phase::Upload => self.watch.enter(Phase::ResponseHead, now.plus(limits.response_head)),
            // The endpoint answers before the client has sent everything.
            Phase::Download => self.watch.extend(now.plus(limits.body)),
            _ => {}
        }
    }
}
