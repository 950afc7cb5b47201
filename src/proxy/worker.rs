//! A worker: one thread, one runtime, its own sockets, connections and counters. Workers share the index of
//! sessions, who waits for which endpoint and which endpoints cannot be reached, and nothing on the way of a request
//! that all is well with.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::access_log::AccessLog;
use super::held::Held;
use super::listener::Listener;
use super::metrics::WorkerMetrics;
use super::overload::Overload;
use super::turns::Turns;
use super::upstream::Upstreams;
use super::watch::{AT_ONCE, SWEEP, Watches};
use crate::clock::{Clock, unix_seconds};
use crate::drain::{Drain, Stage};
use crate::limits::Limits;
use crate::routing::{Millis, Now};
use crate::sessions::Sessions;
use crate::snapshot::{Reader, Snapshot};

/// How often connections are asked to close at the end.
const CLOSING: Duration = Duration::from_millis(10);

/// What all connections of one worker have in common.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) sessions: Arc<Sessions>,
    pub(super) held: Arc<Held>,
    pub(super) upstreams: Upstreams,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) log: AccessLog,
    pub(super) watches: Watches,
    pub(super) turns: Turns,
    pub(super) rng: RefCell<fastrand::Rng>,
    /// Told when another snapshot is in force.
    pub(super) republished: Notify,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) overload: Overload,
    /// This worker's share of the requests that may be under way.
    requests: u64,
    reader: RefCell<Reader>,
    current: RefCell<Option<Rc<InForce>>>,
    /// See [`Worker::is_leaving`].
    leaving: Cell<bool>,
    /// The time at which something last happened: exact enough for limits of seconds.
    coarse: Cell<Millis>,
    unix: Cell<u64>,
}

/// The snapshot that a worker routes by. Behind an `Rc`, since every request takes a share of it: workers would
/// otherwise all write the one counter of the `Arc`.
#[derive(Debug)]
pub(super) struct InForce(Arc<Snapshot>);

impl std::ops::Deref for InForce {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// Everything that a worker is made of, from outside its thread.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) sessions: Arc<Sessions>,
    pub(super) held: Arc<Held>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) overload: Overload,
    pub(super) workers: usize,
    pub(super) reader: Reader,
    pub(super) metrics: Arc<WorkerMetrics>,
}

impl Worker {
    pub(super) fn new(inputs: Inputs, upstreams: Upstreams, log: AccessLog) -> Rc<Self> {
        let requests = u64::try_from(inputs.limits.requests.div_ceil(inputs.workers)).unwrap_or(u64::MAX);
        Rc::new(Self {
            limits: inputs.limits,
            clock: inputs.clock,
            sessions: inputs.sessions,
            held: inputs.held,
            upstreams,
            metrics: inputs.metrics,
            log,
            watches: Watches::default(),
            turns: Turns::default(),
            rng: RefCell::new(fastrand::Rng::new()),
            republished: Notify::new(),
            connections: inputs.connections,
            overload: inputs.overload,
            requests,
            reader: RefCell::new(inputs.reader),
            current: RefCell::new(None),
            leaving: Cell::new(false),
            coarse: Cell::new(inputs.clock.millis()),
            unix: Cell::new(unix_seconds()),
        })
    }

    /// Serves until the drain is over.
    pub(super) async fn run(self: Rc<Self>, listeners: Vec<Listener>, mut drain: Drain) {
        tokio::task::spawn_local(Rc::clone(&self).follow());
        tokio::task::spawn_local(Rc::clone(&self).sweep());
        let worker = Rc::clone(&self);
        tokio::task::spawn_local(async move { worker.turns.run(&worker.metrics.turns).await });
        let mut listening = JoinSet::new();
        for listener in listeners {
            listening.spawn_local(listener.run(Rc::clone(&self), drain.clone()));
        }
        drain.reached(Stage::Leaving).await;
        self.leaving.set(true);
        self.watches.wake();
        drain.reached(Stage::Draining).await;
        let finished = async {
            // Those that still come in are asked to close, too.
            while !listening.is_empty() || self.metrics.connections.get() > 0 {
                while let Some(ended) = listening.try_join_next() {
                    report(ended);
                }
                self.watches.close();
                tokio::time::sleep(CLOSING).await;
            }
        };
        tokio::select! {
            () = finished => {}
            () = tokio::time::sleep(self.limits.shutdown) => {
                tracing::warn!(open = self.metrics.connections.get(), "connections cut off at the end of the time for shutting down");
            }
            () = drain.reached(Stage::Ending) => {}
        }
    }

    /// Will the proxy end soon? Then each answer over HTTP/1 says that it is the last of its connection, which is left alone
    /// until then: closing it now might cross with a request. An HTTP/2 connection is told so at once (GOAWAY).
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// The snapshot in force; `None` before the first.
    pub(super) fn current(&self) -> Option<Rc<InForce>> {
        if let Some(newer) = self.reader.borrow_mut().newer() {
            self.apply(newer);
        }
        self.current.borrow().clone()
    }

    fn apply(&self, snapshot: Arc<Snapshot>) {
        self.upstreams.retain(&snapshot.connectors, |id| snapshot.routes.locate(id));
        *self.current.borrow_mut() = Some(Rc::new(InForce(snapshot)));
        self.republished.notify_waiters();
    }

    /// Puts new snapshots in force when no request does: connections to endpoints that have gone are closed,
    /// and requests that wait are decided upon anew.
    async fn follow(self: Rc<Self>) {
        let mut reader = self.reader.borrow().clone();
        loop {
            // What was published before this task ran counts as seen already.
            self.current();
            reader.changed().await;
        }
    }

    async fn sweep(self: Rc<Self>) {
        let mut every = tokio::time::interval(SWEEP);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = self.tick(every.tick().await.max(Instant::now()));
            self.unix.set(unix_seconds());
            self.upstreams.sweep(&self.limits, now);
            self.log.flush();
            for some in self.watches.expired(now).chunks(AT_ONCE) {
                some.iter().for_each(|watch| watch.wake());
                tokio::task::yield_now().await;
            }
        }
    }

    /// Notes what time it is.
    pub(super) fn tick(&self, now: Instant) -> Millis {
        let now = self.clock.millis_at(now);
        self.coarse.set(now);
        now
    }

    /// The time of the last tick.
    pub(super) fn coarse(&self) -> Millis {
        self.coarse.get()
    }

    /// Both clocks, the wall clock as of the last sweep.
    pub(super) fn now(&self) -> Now {
        Now { unix: self.unix.get(), mono: self.coarse.get() }
    }

    /// Counts a connection, unless there are too many.
    pub(super) fn enter(&self) -> bool {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.limits.connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.metrics.connections.inc();
        self.metrics.connections_total.inc();
        true
    }

    /// May the request that has just been counted be served?
    pub(super) fn admits(&self) -> bool {
        let admitted = self.metrics.active.get() <= self.requests;
        if !admitted {
            self.metrics.requests_refused.inc();
        }
        admitted
    }

    /// A connection has ended.
    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

/// Says so if a listener did not end because it was told to.
fn report(ended: Result<io::Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "listener ended"),
        Err(error) => tracing::error!(%error, "listener ended"),
    }
}
