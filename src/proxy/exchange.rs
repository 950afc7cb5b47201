//! One request and its response, as the metrics and the access log will tell of them: begun when the head has
//! been read, ended when the last byte of the response has been handed on, or when one side vanished.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::access_log::Line;
use super::body::Broken;
use super::error::Error;
use super::filter::Filtered;
use super::lane::Lane;
use super::metrics::BackendCounters;
use super::upstream::{Connection, Upstream};
use super::watch::Phase;
use super::worker::Worker;
use crate::routing::{Outcome, SessionId};

/// What is counted and logged when the client has gone before there was an answer, as nginx does.
const CLIENT_CLOSED: u16 = 499;

/// One request and its response.
#[derive(Debug)]
pub(super) struct Exchange {
    lane: Rc<Lane>,
    started: Instant,
    version: Version,
    method: Method,
    pub(super) request_id: HeaderValue,
    /// None until there is an answer.
    status: Option<StatusCode>,
    /// Has all of it been handed on?
    is_complete: bool,
    outcome: Option<Outcome>,
    /// How long it has waited for its endpoint.
    held: Duration,
    upstream: Option<Rc<Upstream>>,
    /// Of the backend, when there is no upstream.
    counters: Option<Arc<BackendCounters>>,
    bytes: u64,
    /// What its rule does beside routing, if anything.
    pub(super) filtered: Option<Box<Filtered>>,
    /// Only if somebody will read it.
    details: Option<Box<Details>>,
}

/// What only the access log wants to know.
#[derive(Debug)]
struct Details {
    uri: Uri,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    session: Option<SessionId>,
    answered: Cell<Option<Instant>>,
    error: Option<String>,
}

impl Exchange {
    pub(super) fn begin(
        lane: &Rc<Lane>,
        request: &Request<Incoming>,
        started: Instant,
        request_id: HeaderValue,
    ) -> Self {
        let worker = lane.worker();
        let details = worker.log.is_on().then(|| {
            let field = |name| request.headers().get(name).cloned();
            Box::new(Details {
                uri: request.uri().clone(),
                host: field(header::HOST),
                referer: field(header::REFERER),
                user_agent: field(header::USER_AGENT),
                session: None,
                answered: Cell::new(None),
                error: None,
            })
        });
        worker.metrics.active.inc();
        Self {
            lane: Rc::clone(lane),
            started,
            version: request.version(),
            method: request.method().clone(),
            request_id,
            status: None,
            is_complete: false,
            outcome: None,
            held: Duration::ZERO,
            upstream: None,
            counters: None,
            bytes: 0,
            filtered: None,
            details,
        }
    }

    /// The request goes, or would have gone, to this endpoint.
    pub(super) fn decided(&mut self, outcome: Outcome, upstream: &Rc<Upstream>, session: Option<SessionId>) {
        self.outcome = Some(outcome);
        self.upstream = Some(Rc::clone(upstream));
        if let Some(details) = &mut self.details {
            details.session = session;
        }
    }

    /// No endpoint gets the request.
    pub(super) fn refused(&mut self, outcome: Outcome, counters: Arc<BackendCounters>, session: Option<SessionId>) {
        self.outcome = Some(outcome);
        self.upstream = None;
        self.counters = Some(counters);
        if let Some(details) = &mut self.details {
            details.session = session;
        }
    }

    /// The request has waited, which is counted once and beside what comes of it.
    pub(super) fn held(&mut self, duration: Duration) {
        if let Some(upstream) = self.upstream.as_ref().filter(|_| self.held.is_zero()) {
            upstream.counters.count(Outcome::Held);
        }
        self.held += duration.max(Duration::from_micros(1));
    }

    /// Says to the client what its rule says of every response.
    pub(super) fn tell(&self, fields: &mut HeaderMap) {
        if let Some(filtered) = &self.filtered {
            filtered.tell(fields);
        }
    }

    /// The head of the response is there.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        let worker = self.lane.worker();
        self.lane.watch.enter(Phase::Download, worker.coarse().plus(worker.limits.body));
        if let Some(details) = &self.details {
            details.answered.set(Some(Instant::now()));
        }
    }

    /// Says to the client, while the proxy is leaving, that this answer is the last over its connection. HTTP/2 has no
    /// such field, and GOAWAY instead.
    pub(super) fn say_goodbye(&self, fields: &mut HeaderMap) {
        if self.lane.worker().is_leaving() && self.version <= Version::HTTP_11 {
            fields.entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
        }
    }

    /// Must a body be left out of the answer? Over HTTP/1 hyper does that, and says how long it would have been.
    pub(super) fn leaves_body_out(&self) -> bool {
        self.method == Method::HEAD && self.version > Version::HTTP_11
    }

    /// The answer is ours: why there is no other.
    pub(super) fn failed(&mut self, error: &Error) {
        self.answered(error.status());
        match error {
            Error::Refused(rule) => self.lane.refused(*rule),
            Error::RefusedResponse(rule) => self.lane.worker().metrics.refusals.count(*rule),
            _ => {}
        }
        if let Some(details) = &mut self.details {
            details.error = Some(error.to_string());
        }
    }

    /// The response has been handed on to its last byte.
    pub(super) fn completed(&mut self) {
        self.is_complete = true;
    }

    /// So much of the response has been handed on.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        let worker = self.lane.worker();
        self.lane.watch.set_silence(None);
        self.lane.watch.extend(worker.coarse().plus(worker.limits.body));
    }

    /// The client has got everything so far, and the endpoint says nothing. If the rule bounds that, this is where its
    /// time begins.
    pub(super) fn waits(&self) {
        let (watch, read) = (&self.lane.watch, self.lane.timeouts().read);
        if let (Some(read), None, Phase::Download) = (read, watch.silence(), watch.phase()) {
            watch.set_silence(Some(read));
            watch.extend(self.lane.worker().coarse().plus(read));
        }
    }

    /// There is more, perhaps, and the client has not taken what was before it: now its time runs, and not the endpoint's.
    pub(super) fn client_stalls(&self) {
        let (watch, worker) = (&self.lane.watch, self.lane.worker());
        // Once: whoever asks again is not given more of it.
        if watch.silence().is_some() {
            watch.set_silence(None);
            watch.extend(worker.coarse().plus(worker.limits.body));
        }
    }

    /// Whose connection it came over.
    pub(super) fn worker(&self) -> &Worker {
        self.lane.worker()
    }

    /// The client got so much through a tunnel, which has ended.
    pub(super) fn tunnelled(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The response ended before it was complete.
    pub(super) fn broke(&mut self, error: &Broken) {
        self.lane.worker().metrics.truncated.inc();
        tracing::debug!(%error, "response broke off");
        if let Some(details) = &mut self.details {
            details.error = Some(error.to_string());
        }
    }

    /// A connection has served its request and may serve another.
    pub(super) fn give_back(&self, upstream: &Upstream, connection: Box<Connection>) {
        let worker = self.lane.worker();
        worker.upstreams.give_back(upstream, connection, worker.coarse());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let worker = self.lane.worker();
        let now = Instant::now();
        let duration = now - self.started;
        let coarse = worker.tick(now);
        self.lane.watch.enter(Phase::Flushing, coarse.plus(worker.limits.body));
        worker.metrics.active.dec();
        let counters = self.upstream.as_ref().map(|upstream| &upstream.counters).or(self.counters.as_ref());
        if let (Some(outcome), Some(counters)) = (self.outcome, counters)
            // Whoever has waited was counted as such already; whoever left while waiting was not.
            && (outcome != Outcome::Held || self.held.is_zero())
        {
            counters.count(outcome);
        }
        let status = self.status.or(StatusCode::from_u16(CLIENT_CLOSED).ok()).unwrap_or_default();
        worker.metrics.request(&self.method, status, duration);
        let Some(details) = &self.details else { return };
        let vanished = (!self.is_complete).then_some("the client closed the connection");
        worker.log.write(&Line {
            client: self.lane.client.address,
            request_id: &self.request_id,
            method: &self.method,
            uri: &details.uri,
            version: self.version,
            host: details.host.as_ref(),
            referer: details.referer.as_ref(),
            user_agent: details.user_agent.as_ref(),
            status,
            bytes: self.bytes,
            duration,
            held: self.held,
            upstream_duration: details.answered.get().map(|answered| answered - self.started),
            outcome: self.outcome,
            endpoint: self.upstream.as_ref().map(|upstream| &*upstream.name),
            backend: self.upstream.as_ref().map(|upstream| upstream.berth.backend.as_str()),
            session: details.session,
            error: details.error.as_deref().or(vanished),
        });
    }
}
