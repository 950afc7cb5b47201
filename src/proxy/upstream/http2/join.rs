//! A share of a connection over HTTP/2: of one that is there, or of one that is made for all who wait for it.
//!
//! ## Why the dial is a task of its own
//! A hundred requests that come at once need one connection. The first of them has it made; should its client go
//! meanwhile, the others need it all the same.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::super::super::worker::Worker;
use super::super::Upstream;
use super::super::dial::{self, DialError};
use super::{Multiplexed, Stream};

/// An endpoint that so often closed what it had just taken takes nothing.
const CLOSED: usize = 3;

/// A connection that is being made.
#[derive(Debug, Default)]
pub(in super::super) struct Joining {
    done: Notify,
    outcome: RefCell<Option<Outcome>>,
}

type Outcome = Result<Rc<Multiplexed>, Rc<DialError>>;

/// A share of a connection to this endpoint. If one has to be made, it is given this time; where several wait for it, the
/// first one's.
///
/// # Errors
/// Why there is none. Whoever waited for the same connection gets the same error.
pub(crate) async fn join(
    worker: &Rc<Worker>,
    upstream: &Rc<Upstream>,
    addresses: &[SocketAddr],
    within: Duration,
) -> Result<Stream, Rc<DialError>> {
    let mut closed = 0;
    loop {
        if let Some(stream) = upstream.enter() {
            return Ok(stream);
        }
        if closed == CLOSED {
            return Err(Rc::new(DialError::Closed));
        }
        // One that has been filled by others meanwhile was worth it: the next is begun, until there are too many.
        let connection = begun(worker, upstream, addresses, within)?.outcome().await?;
        closed += usize::from(!connection.is_usable());
    }
}

/// The connection that is being made; if there is none, one is begun.
fn begun(
    worker: &Rc<Worker>,
    upstream: &Rc<Upstream>,
    addresses: &[SocketAddr],
    within: Duration,
) -> Result<Rc<Joining>, Rc<DialError>> {
    let mut joining = upstream.joining.borrow_mut();
    if let Some(joining) = &*joining {
        return Ok(Rc::clone(joining));
    }
    if upstream.is_full(&worker.upstreams) {
        return Err(Rc::new(DialError::Full));
    }
    let begun = Rc::clone(joining.insert(Rc::default()));
    let making = make(Rc::clone(worker), Rc::clone(upstream), addresses.into(), within, Rc::clone(&begun));
    tokio::task::spawn_local(making);
    Ok(begun)
}

async fn make(
    worker: Rc<Worker>,
    upstream: Rc<Upstream>,
    addresses: Box<[SocketAddr]>,
    within: Duration,
    joining: Rc<Joining>,
) {
    worker.metrics.dials.inc();
    let made = dial::dial_http2(&worker, &upstream, &addresses, within).await;
    let outcome = match made {
        Ok(connection) => {
            let connection = Rc::new(connection);
            upstream.share(&connection).then_some(connection).ok_or_else(|| Rc::new(DialError::Gone))
        }
        Err(error) => {
            dial::count_failure(&worker.metrics, &error);
            Err(Rc::new(error))
        }
    };
    upstream.joining.take();
    *joining.outcome.borrow_mut() = Some(outcome);
    joining.done.notify_waiters();
}

impl Joining {
    async fn outcome(&self) -> Outcome {
        let mut done = pin!(self.done.notified());
        // From here on the end is not missed.
        done.as_mut().enable();
        if self.outcome.borrow().is_none() {
            done.await;
        }
        self.outcome.borrow().clone().unwrap_or_else(|| Err(Rc::new(DialError::Closed)))
    }
}
