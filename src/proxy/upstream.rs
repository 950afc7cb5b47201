//! Our side of the endpoints: connections, load and reachability.
//!
//! All of it is keyed by [`EndpointId`] and outlives snapshots. What is asked on every request belongs to one
//! worker ([`Upstream`]) and needs no atomics; what workers have to agree on, whether an endpoint can be
//! reached and who waits for it, is shared ([`Shared`]) and only touched when something goes wrong.

mod connection;
mod dial;
pub(super) mod http2;
mod link;
mod place;
mod socket;
mod tls;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use tokio::sync::Notify;

pub(super) use self::connection::{Connection, SendError, Switched};
pub(super) use self::dial::{DialError, count_failure, dial, probe};
pub(super) use self::http2::join;
use self::http2::{Joining, Multiplexed, Stream};
pub(super) use self::link::Link;
use self::place::{Place, Transport};
pub(super) use self::tls::Unfit;
use super::held::Queue;
use super::metrics::{BackendCounters, WorkerMetrics};
use crate::limits::Limits;
use crate::routing::{Backend, BackendId, Endpoint, EndpointId, LoadView, Millis};
use crate::sessions::{Berth, Sessions};
use crate::snapshot::Connectors;

/// What every request may find is said in the log this often.
const REPEAT: Duration = Duration::from_secs(10);

/// When something was said last, in milliseconds and one; 0: never.
#[derive(Debug, Default)]
pub(super) struct Seldom(AtomicU64);

/// What all workers share about one endpoint.
#[derive(Debug)]
pub(super) struct Shared {
    berth: Arc<Berth>,
    /// When it became unreachable, in milliseconds and one; 0 while it can be reached.
    unreachable: AtomicU64,
    /// When the log said last that it is not what it should be,
    pub(super) unfit: Seldom,
    /// and that it sends too much of no use.
    pub(super) floods: Seldom,
    /// Told when it can be reached again.
    pub(super) recovered: Notify,
    /// Who waits for it.
    pub(super) queue: Queue,
}

/// The shared part of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<HashMap<EndpointId, Arc<Shared>>>);

/// One worker's side of an endpoint.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) id: EndpointId,
    /// What people call it.
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) berth: Arc<Berth>,
    pub(super) counters: Arc<BackendCounters>,
    /// Told when the endpoint has left the snapshot, or has another address: dials are given up then.
    pub(super) changed: Notify,
    place: RefCell<Place>,
    #[expect(
        clippy::vec_box,
        reason = "a connection goes in and out with every request: its box is moved, not its bytes"
    )]
    idle: RefCell<Vec<Box<Connection>>>,
    /// Connections that requests share.
    multiplexed: RefCell<Vec<Rc<Multiplexed>>>,
    /// One that is being made.
    joining: RefCell<Option<Rc<Joining>>>,
    open: Rc<Cell<usize>>,
    requests: Cell<u32>,
}

/// All endpoints that one worker has met.
#[derive(Debug)]
pub(super) struct Upstreams {
    known: RefCell<HashMap<EndpointId, Rc<Upstream>, foldhash::fast::RandomState>>,
    turns: RefCell<HashMap<BackendId, usize, foldhash::fast::RandomState>>,
    first_turn: usize,
    registry: Arc<Registry>,
    sessions: Arc<Sessions>,
    metrics: Arc<WorkerMetrics>,
    /// Those of the snapshot in force.
    connectors: RefCell<Arc<Connectors>>,
    bounds: Bounds,
}

/// A worker's share of the bounds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    open: usize,
    idle: usize,
}

/// Counts a request as under way until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Rc<Upstream>);

impl Shared {
    /// Notes that it cannot be reached since then. Returns whether that is news.
    pub(super) fn mark_unreachable(&self, since: Millis) -> bool {
        self.unreachable.compare_exchange(0, since.0 + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that it can be reached again, and wakes who waits for that.
    pub(super) fn mark_reachable(&self) {
        if self.unreachable.swap(0, Ordering::Relaxed) != 0 {
            self.recovered.notify_waiters();
        }
    }

    pub(super) fn unreachable_since(&self) -> Option<Millis> {
        self.unreachable.load(Ordering::Relaxed).checked_sub(1).map(Millis)
    }
}

impl Seldom {
    /// Is it time to say it again? Whoever is told so says it.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = last.checked_sub(1).is_none_or(|last| now.since(Millis(last)) >= REPEAT);
        due && self.0.compare_exchange(last, now.0 + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Registry {
    fn shared(&self, berth: &Arc<Berth>) -> Arc<Shared> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = || Shared {
            berth: Arc::clone(berth),
            unreachable: AtomicU64::new(0),
            unfit: Seldom::default(),
            floods: Seldom::default(),
            recovered: Notify::new(),
            queue: Queue::default(),
        };
        Arc::clone(known.entry(berth.id.clone()).or_insert_with(|| Arc::new(shared())))
    }

    /// The endpoints that have been asked for something, and whether they can be reached.
    pub(super) fn reachable(&self) -> Vec<(Arc<Berth>, bool)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|shared| (Arc::clone(&shared.berth), shared.unreachable_since().is_none())).collect()
    }

    /// Endpoints that no worker holds any more are forgotten.
    fn prune(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, shared| Arc::strong_count(shared) > 1);
    }
}

impl Upstreams {
    pub(super) fn new(
        registry: Arc<Registry>,
        sessions: Arc<Sessions>,
        metrics: Arc<WorkerMetrics>,
        limits: &Limits,
        workers: usize,
    ) -> Self {
        let share = |bound: usize| bound.div_ceil(workers);
        Self {
            known: RefCell::default(),
            turns: RefCell::default(),
            first_turn: fastrand::usize(..),
            registry,
            sessions,
            metrics,
            connectors: RefCell::default(),
            bounds: Bounds { open: share(limits.upstream_connections), idle: share(limits.upstream_idle_connections) },
        }
    }

    /// Our side of this endpoint.
    pub(super) fn of(&self, backend: &Backend, endpoint: &Endpoint) -> Rc<Upstream> {
        if let Some(upstream) = self.known.borrow().get(&endpoint.id) {
            return Rc::clone(upstream);
        }
        let berth = self.sessions.berth(backend.id(), endpoint);
        let upstream = Rc::new(Upstream {
            id: endpoint.id.clone(),
            name: endpoint.name.clone(),
            shared: self.registry.shared(&berth),
            berth,
            counters: self.metrics.backend(backend.id()),
            changed: Notify::new(),
            place: RefCell::new(Place::of(backend, endpoint, &self.connectors.borrow(), &Rc::default())),
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            joining: RefCell::default(),
            open: Rc::default(),
            requests: Cell::new(0),
        });
        self.known.borrow_mut().insert(endpoint.id.clone(), Rc::clone(&upstream));
        upstream
    }

    /// A snapshot has been put in force: whatever it does not know any more is let go, and connections to
    /// addresses that an endpoint has no longer, or made in a way that holds no longer, are closed.
    pub(super) fn retain<'s>(
        &self,
        connectors: &Arc<Connectors>,
        endpoint: impl Fn(&EndpointId) -> Option<(&'s Backend, &'s Endpoint)>,
    ) {
        *self.connectors.borrow_mut() = Arc::clone(connectors);
        self.known.borrow_mut().retain(|id, upstream| {
            let found = endpoint(id);
            let place = |(backend, endpoint)| Place::of(backend, endpoint, connectors, &upstream.transport());
            let place = found.map(place).unwrap_or_default();
            upstream.idle.borrow_mut().retain(|connection| connection.fits(&place));
            upstream.multiplexed.borrow_mut().retain(|connection| connection.fits(&place));
            upstream.settle(place);
            found.is_some()
        });
        self.turns
            .borrow_mut()
            .retain(|backend, _| self.known.borrow().values().any(|upstream| upstream.berth.backend == *backend));
        self.registry.prune();
    }

    /// Closes the connections that have been idle for too long, or that their server has closed.
    pub(super) fn sweep(&self, limits: &Limits, now: Millis) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for upstream in self.known.borrow().values() {
            upstream
                .idle
                .borrow_mut()
                .retain_mut(|idle| now.since(idle.idle_since()) < limits.upstream_idle && idle.is_usable(&mut cx));
            upstream.multiplexed.borrow_mut().retain(|connection| connection.is_kept(limits, now));
        }
    }

    fn with<T: Default>(&self, id: &EndpointId, ask: impl FnOnce(&Upstream) -> T) -> T {
        self.known.borrow().get(id).map(|upstream| ask(upstream)).unwrap_or_default()
    }
}

impl LoadView for Upstreams {
    fn sessions(&self, endpoint: &Endpoint) -> u32 {
        self.with(&endpoint.id, |upstream| upstream.berth.sessions())
    }

    /// Of this worker alone: what the others have under way would cost an atomic that all of them write.
    fn requests(&self, endpoint: &Endpoint) -> u32 {
        self.with(&endpoint.id, |upstream| upstream.requests.get())
    }

    fn unreachable_since(&self, endpoint: &Endpoint) -> Option<Millis> {
        self.with(&endpoint.id, |upstream| upstream.shared.unreachable_since())
    }

    fn turn(&self, backend: &Backend) -> usize {
        let mut turns = self.turns.borrow_mut();
        if let Some(turn) = turns.get_mut(backend.id()) {
            *turn = turn.wrapping_add(1);
            return *turn;
        }
        // Workers that all began with the first would send it every worker's first request.
        *turns.entry(backend.id().clone()).or_insert(self.first_turn)
    }
}

impl Upstream {
    /// A kept connection that has not been closed meanwhile: the one used last, so that those which are not
    /// needed grow old.
    pub(super) fn take_idle(&self, cx: &mut Context<'_>) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            if connection.is_usable(cx) {
                return Some(connection);
            }
        }
        None
    }

    /// Does a connection say something about where the endpoint is now? It may have been elsewhere when that was made.
    pub(super) fn is_at(&self, link: &Link) -> bool {
        link.fits(&self.place.borrow())
    }

    /// Do requests to it share connections?
    pub(super) fn is_multiplexed(&self) -> bool {
        self.place.borrow().transport.protocol.is_http2()
    }

    /// A share of a connection that has room. The first of them: those that are not needed grow old.
    fn enter(&self) -> Option<Stream> {
        self.multiplexed.borrow().iter().find_map(Multiplexed::enter)
    }

    /// Lets requests share this connection, unless the endpoint has gone somewhere else meanwhile.
    fn share(&self, connection: &Rc<Multiplexed>) -> bool {
        let fits = connection.fits(&self.place.borrow());
        if fits {
            self.multiplexed.borrow_mut().push(Rc::clone(connection));
        }
        fits
    }

    /// Notes where the endpoint is now. If it is somewhere else, or back, then what was found out about where it was
    /// counts no longer: dials are given up, and it is reachable until proven otherwise.
    fn settle(&self, place: Place) {
        if *self.place.borrow() != place {
            *self.place.borrow_mut() = place;
            self.changed.notify_waiters();
            self.shared.mark_reachable();
        }
    }

    /// How it is spoken to.
    fn transport(&self) -> Rc<Transport> {
        Rc::clone(&self.place.borrow().transport)
    }

    /// Keeps a connection for the next request.
    fn keep(&self, connection: Box<Connection>, bound: usize) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < bound && connection.fits(&self.place.borrow()) {
            idle.push(connection);
        }
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> InFlight {
        self.requests.set(self.requests.get() + 1);
        InFlight(Rc::clone(self))
    }

    pub(super) fn is_full(&self, upstreams: &Upstreams) -> bool {
        self.open.get() >= upstreams.bounds.open
    }
}

impl Upstreams {
    /// Takes a connection back whose response has been read to its end.
    pub(super) fn give_back(&self, upstream: &Upstream, mut connection: Box<Connection>, now: Millis) {
        // Once the endpoint has left the snapshot its connections have no owner, and end here.
        if self.known.borrow().get(&upstream.id).is_some_and(|known| std::ptr::eq(&**known, upstream)) {
            connection.rest(now);
            upstream.keep(connection, self.bounds.idle);
        }
    }
}

impl std::ops::Deref for InFlight {
    type Target = Rc<Upstream>;

    fn deref(&self) -> &Rc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
    }
}
