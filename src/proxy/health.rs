//! Endpoints that cannot be connected to: noticed by the request that tried, watched by one probe until they
//! can be reached again. Nobody else has to try meanwhile.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::upstream::{DialError, Unfit, Upstream, probe};
use super::worker::Worker;
use crate::routing::Millis;

/// The pause before the first probe; it doubles with each, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// No connection to this endpoint could be made.
pub(super) fn unreachable(worker: &Rc<Worker>, upstream: &Rc<Upstream>, error: &DialError) {
    mark(worker, upstream, worker.clock.millis(), error);
}

fn mark(worker: &Rc<Worker>, upstream: &Rc<Upstream>, since: Millis, error: &DialError) {
    if upstream.shared.mark_unreachable(since) {
        tracing::warn!(endpoint = %upstream.id, %error, "endpoint cannot be connected to");
        tokio::task::spawn_local(watch(Rc::clone(worker), Rc::clone(upstream)));
    }
}

/// Nobody has acknowledged what was sent there for so long; it has been away since then.
pub(super) fn silent(worker: &Rc<Worker>, upstream: &Rc<Upstream>, time: Duration) {
    let since = Millis(worker.clock.millis().0.saturating_sub(time.as_millis().try_into().unwrap_or(u64::MAX)));
    mark(worker, upstream, since, &DialError::Silent(time));
}

/// This endpoint is there, and cannot be spoken to as it should. It is not marked for that: nothing would find out when
/// it has been mended but the next request.
pub(super) fn unfit(worker: &Rc<Worker>, upstream: &Rc<Upstream>, error: &Unfit) {
    if upstream.shared.unfit.is_due(worker.clock.millis()) {
        let advice = error.advice();
        tracing::warn!(endpoint = %upstream.id, %error, advice, "endpoint cannot be spoken to: its requests get 502");
    }
}

/// Tries again until a connection is made, or the endpoint has left the snapshot.
async fn watch(worker: Rc<Worker>, upstream: Rc<Upstream>) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(LONGEST),
            // It may be back under another address.
            () = upstream.changed.notified() => pause = FIRST,
        }
        let snapshot = worker.current();
        let Some(endpoint) = snapshot.as_ref().and_then(|snapshot| snapshot.routes.endpoint(&upstream.id)) else {
            break;
        };
        if probe(&worker, &upstream, &endpoint.addresses).await {
            tracing::info!(endpoint = %upstream.id, "endpoint can be connected to again");
            break;
        }
    }
    upstream.shared.mark_reachable();
}
