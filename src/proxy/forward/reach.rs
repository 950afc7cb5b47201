//! A request's way to its endpoint: the connection that it gets, and what is done when it gets none or gets nowhere on it.

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use http::Request;

use super::super::body::RequestBody;
use super::super::error::Error;
use super::super::health;
use super::super::retry;
use super::super::upstream::{DialError, InFlight, Link, SendError, count_failure, dial, join};
use super::super::watch::Phase;
use super::Journey;
use crate::routing::{EndpointId, Forward, Millis, Outcome};

/// A request that has been refused so often is not sent again: the endpoint has enough to do.
pub(in crate::proxy) const REFUSALS: u8 = 2;

impl Journey {
    /// A kept connection, or a fresh one. `None`: there is none to be had here.
    pub(super) async fn connect(&mut self, upstream: &InFlight, forward: &Forward<'_>) -> Result<Option<Link>, Error> {
        let lane = Rc::clone(&self.lane);
        let worker = lane.worker();
        let connect = lane.timeouts().connect.unwrap_or(worker.limits.connect);
        if upstream.is_multiplexed() {
            if self.upgrade.is_some() {
                return Err(Error::NoUpgrade);
            }
            return match Box::pin(join(worker, upstream, &forward.endpoint.addresses, connect)).await {
                Ok(stream) => {
                    if !stream.is_fresh() {
                        worker.metrics.reused.inc();
                    }
                    Ok(Some(Link::Http2(stream)))
                }
                Err(error) => self.not_connected(upstream, forward.outcome, &error).map(|()| None),
            };
        }
        if !self.needs_fresh && self.request.as_ref().is_some_and(|request| !retry::is_repeatable(request)) {
            // What cannot be sent twice lets the sockets speak first: a server that has just closed a kept connection
            // is noticed before the request is written, not after.
            tokio::task::yield_now().await;
        }
        if !self.needs_fresh
            && let Some(connection) = poll_fn(|cx| Poll::Ready(upstream.take_idle(cx))).await
        {
            worker.metrics.reused.inc();
            return Ok(Some(Link::Http1(connection)));
        }
        worker.metrics.dials.inc();
        match Box::pin(dial(&worker.upstreams, upstream, &forward.endpoint.addresses, connect, worker.limits.head_size))
            .await
        {
            Ok(connection) => Ok(Some(Link::Http1(connection))),
            Err(error) => {
                count_failure(&worker.metrics, &error);
                self.not_connected(upstream, forward.outcome, &error).map(|()| None)
            }
        }
    }

    /// There is no connection to this endpoint: is another attempt worth it?
    fn not_connected(&mut self, upstream: &InFlight, outcome: Outcome, error: &DialError) -> Result<(), Error> {
        let lane = Rc::clone(&self.lane);
        // Whoever does not belong here goes elsewhere, as long as there is somewhere else.
        let belongs_here = outcome.is_at_home();
        // The requests of a session that moves, or that was ingress-nginx's, come together and stay together.
        let stays_together = outcome == Outcome::Reassigned || self.presented.legacy.is_some();
        match error {
            DialError::Full if belongs_here || stays_together => return Err(Error::Busy),
            DialError::Full => {}
            // Another snapshot is in force, which knows better.
            DialError::Gone => return Ok(()),
            DialError::Unfit(unfit) => {
                health::unfit(lane.worker(), upstream, unfit);
                if belongs_here {
                    return Err(Error::Unfit(unfit.clone()));
                }
                self.unfit = Some(Box::new(unfit.clone()));
            }
            error => health::unreachable(lane.worker(), upstream, error),
        }
        self.give_up(&upstream.id);
        Ok(())
    }

    fn give_up(&mut self, endpoint: &EndpointId) {
        self.failed_since.get_or_insert(self.lane.worker().clock.millis());
        self.tried.push(endpoint.clone());
    }

    /// The request got no response head: is another attempt worth it?
    pub(super) fn failed(
        &mut self,
        error: SendError,
        replay: Option<Request<RequestBody>>,
        upstream: &InFlight,
        link: &Link,
    ) -> Result<(), Error> {
        let lane = Rc::clone(&self.lane);
        let worker = lane.worker();
        if let Some(rule) = self.lane.refused_body() {
            // The client's fault, whatever became of what had been sent of it.
            return Err(Error::Refused(rule));
        }
        if self.lane.is_too_large() {
            return Err(Error::BodyTooLarge);
        }
        match error {
            SendError::Refused(rule) => {
                tracing::warn!(endpoint = %upstream.id, rule = rule.name(), "response refused: {rule}");
                return Err(Error::RefusedResponse(rule));
            }
            SendError::Unsent(request) => {
                self.request = Some(*request);
                // A fresh connection that takes no request is as good as none.
                if link.is_fresh() {
                    health::unreachable(worker, upstream, &DialError::Closed);
                    self.give_up(&upstream.id);
                }
            }
            SendError::Unprocessed(request) => {
                worker.metrics.retries.inc();
                self.refusals += 1;
                if self.refusals > REFUSALS {
                    return Err(Error::Busy);
                }
                self.request = Some(*request);
            }
            SendError::NoAuthority => return Err(Error::BadRequest("The Host header is no host name.")),
            SendError::Sent { error, answered } => {
                // What has a body may wait for a server that reads none of it, and has been acknowledged as little.
                if replay.is_some() && is_silence(&error) && upstream.is_at(link) {
                    // A dial would only find out the same once more, and take its time for it.
                    health::silent(worker, upstream, worker.limits.upstream_user_timeout);
                    self.give_up(&upstream.id);
                }
                let Some(replay) = replay.filter(|_| !answered) else { return Err(Error::Upstream(error)) };
                worker.metrics.retries.inc();
                self.request = Some(replay);
                // A kept connection may have been closed before the request was there: that says little about the request.
                // Whoever may go elsewhere need not come back to find out.
                self.replays = if link.is_fresh() || self.scope.is_none() { 0 } else { self.replays - 1 };
                if self.scope.is_none() {
                    self.give_up(&upstream.id);
                }
                self.pauses = self.replays == 0 && !self.tried.contains(&upstream.id);
            }
            SendError::Timeout if self.lane.watch.phase() == Phase::Upload && self.lane.is_awaited.get() => {
                return Err(Error::UploadTimeout);
            }
            SendError::Timeout => return Err(Error::ResponseTimeout),
        }
        self.needs_fresh = true;
        self.lane.watch.enter(Phase::Routing, Millis(u64::MAX));
        Ok(())
    }
}

/// The system has given a connection up, since nobody acknowledged anything (TCP user time-out). It says what a router has
/// told it meanwhile, if one has.
fn is_silence(error: &hyper::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.is_some_and(|error| matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable))
}
