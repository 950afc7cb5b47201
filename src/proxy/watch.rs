//! Time limits of connections, without a timer for each.
//!
//! ## Why not one timer per state
//! A request passes through five states within a millisecond. Arming and dropping a timer for each would
//! cost more than routing it. So a connection only notes until when its present state may last, and one
//! sweep per worker, five times a second, looks whether some of them have outstayed their limit. Limits are
//! seconds; a fifth of one does not matter.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::limits::Limits;
use crate::routing::Millis;

/// How often a worker sweeps.
pub(super) const SWEEP: Duration = Duration::from_millis(200);

/// So many are woken at a time, and then those have their turn for whom something has come meanwhile: ending a connection takes
/// a while, and where one has outstayed its limit there may be hundreds.
pub(super) const AT_ONCE: usize = 4;

/// While the proxy ends, a client has this long to begin, from its connection on: its request may be on its way.
const LATECOMER: Duration = Duration::from_secs(2);

/// What a client's connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client has connected and not sent a byte, neither of a request nor of a handshake.
    FirstByte,
    /// The client has connected, and TLS is being agreed upon.
    Handshake,
    /// It has begun a request head.
    Head,
    /// The request is being decided upon, waits for its endpoint or for a connection: those have limits
    /// of their own.
    Routing,
    /// The client sends the body of its request.
    Upload,
    /// The endpoint has the request and has not answered.
    ResponseHead,
    /// The response goes to the client.
    Download,
    /// The response has been handed on whole, and not yet written.
    Flushing,
    /// The connection speaks HTTP/2, and no request is under way.
    Resting,
    /// Another protocol is spoken.
    Tunnel,
    /// Between two requests.
    Idle,
    /// We have ended the connection, and the client has not.
    Closing,
}

impl Phase {
    /// In these states somebody is waiting for an answer, which says that the time is over.
    pub(super) fn answers_itself(self) -> bool {
        matches!(self, Self::Upload | Self::ResponseHead)
    }
}

/// One connection, or one stream of it, as the sweep sees it. Written by the connection's own task.
#[derive(Debug)]
pub(super) struct Watch {
    phase: Cell<Phase>,
    until: Cell<Millis>,
    expired: Cell<bool>,
    /// The endpoint is waited for, which may be silent for so long; `None`: nobody says how long.
    silence: Cell<Option<Duration>>,
    /// When the connection was made.
    made: Millis,
    closing: Cell<Closing>,
    waker: RefCell<Option<Waker>>,
}

/// How often a connection has been asked to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Never,
    Once,
    /// It need not be woken again.
    Often,
}

/// All connections of a worker.
#[derive(Debug, Default)]
pub(super) struct Watches(RefCell<Vec<Weak<Watch>>>);

impl Watches {
    /// Watches a connection that has just been made.
    pub(super) fn add(&self, limits: &Limits, now: Millis) -> Rc<Watch> {
        let watch = Rc::new(Watch {
            phase: Cell::new(Phase::FirstByte),
            until: Cell::new(now.plus(limits.first_byte)),
            expired: Cell::new(false),
            silence: Cell::new(None),
            made: now,
            closing: Cell::new(Closing::Never),
            waker: RefCell::new(None),
        });
        self.0.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// The connections whose state has lasted too long, to be woken.
    pub(super) fn expired(&self, now: Millis) -> Vec<Rc<Watch>> {
        let mut expired = Vec::new();
        self.0.borrow_mut().retain(|weak| {
            let Some(watch) = weak.upgrade() else { return false };
            if now >= watch.until.get() && watch.phase.get() != Phase::Routing {
                watch.expired.set(true);
                expired.push(watch);
            }
            true
        });
        expired
    }

    /// Asks every connection to close as soon as it has nothing under way. To be called again: a connection that is asked
    /// for the first time looks once more whether there is a request, and new ones may have come.
    pub(super) fn close(&self) {
        self.each(|watch| {
            let next = match watch.closing.get() {
                Closing::Never => Closing::Once,
                Closing::Once | Closing::Often => Closing::Often,
            };
            if watch.closing.replace(next) != Closing::Often {
                watch.wake();
            }
            if watch.phase.get() == Phase::FirstByte {
                watch.until.set(watch.until.get().min(watch.made.plus(LATECOMER)));
            }
        });
    }

    /// Has every connection look what has changed.
    pub(super) fn wake(&self) {
        self.each(Watch::wake);
    }

    fn each(&self, mut act: impl FnMut(&Watch)) {
        self.0.borrow_mut().retain(|weak| weak.upgrade().inspect(|watch| act(watch)).is_some());
    }
}

impl Watch {
    /// A new state begins, which may last until then.
    pub(super) fn enter(&self, phase: Phase, until: Millis) {
        self.phase.set(phase);
        self.silence.set(None);
        self.until.set(until);
        self.expired.set(false);
    }

    /// The present state has made progress.
    pub(super) fn extend(&self, until: Millis) {
        self.until.set(until);
        self.expired.set(false);
    }

    /// How long the endpoint may be silent, while it is waited for and if that is bounded by itself.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.silence.get()
    }

    /// The endpoint is waited for, which may be silent for so long; or it is not, any more.
    pub(super) fn set_silence(&self, silence: Option<Duration>) {
        self.silence.set(silence);
    }

    /// What the connection is waiting for.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Has the present state lasted too long?
    pub(super) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// Should the connection close as soon as it can? Not one whose client had no time to begin: that ends by its limit.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get() != Closing::Never && self.phase.get() != Phase::FirstByte
    }

    /// The task of this connection is the one to wake.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Has its connection look what has changed.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
