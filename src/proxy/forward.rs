//! The life of one request: prepared, decided upon, sent, answered; and decided upon again when its endpoint
//! could not be reached (`reach`).

mod answer;
pub(super) mod reach;

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use self::answer::{Answer, Content};
use super::body::{RequestBody, ResponseBody};
use super::error::{Error, Form};
use super::exchange::Exchange;
use super::filter::Asked;
use super::grpc;
use super::headers::{self, Trailers};
use super::lane::Lane;
use super::retry;
use super::session::{self, Presented};
use super::target::{find, read_session};
use super::tunnel::Tunnel;
use super::upgrade::Upgrade;
use super::upstream::Unfit;
use super::watch::Phase;
use crate::routing::session::values;
use crate::routing::{
    Attempt, Backend, Canary, Decision, Endpoint, EndpointId, Forward, Millis, Outcome, Preference, Refusal, Rule,
    Scope, SessionId, decide,
};
use crate::snapshot::Snapshot;

/// Serves one request. Whatever goes wrong is an answer.
///
/// What needs no waiting is done before there is a future: hyper moves the future about, and a request inside it would
/// move along each time.
pub(super) fn handle(
    lane: Rc<Lane>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> {
    let started = Instant::now();
    lane.worker().tick(started);
    lane.watch.enter(Phase::Routing, Millis(u64::MAX));
    let (request_id, trace) = lane.client.identify(request.headers());
    let accept = request.headers().get(header::ACCEPT).cloned();
    let switching = (*request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
    let is_grpc = request.method() == Method::POST && grpc::is_grpc(request.headers());
    let exchange = Exchange::begin(&lane, &request, started, request_id);
    let journey = match lane.next(request.version()) {
        None => Journey::begin(Rc::clone(&lane), request, trace, exchange),
        Some(rule) => Err(Box::new((Error::Refused(rule), exchange))),
    };
    async move {
        let (answer, mut exchange) = match journey {
            Ok(mut journey) => (journey.run().await, journey.exchange),
            Err(failed) => (Err(failed.0), failed.1),
        };
        lane.decide(matches!(answer, Ok(Answer { content: Content::Tunnel(..), .. })));
        Ok(match answer {
            Ok(Answer { mut head, content, upstream }) => {
                exchange.answered(head.status);
                exchange.tell(&mut head.headers);
                let body = match content {
                    Content::Body(incoming, link) => {
                        exchange.say_goodbye(&mut head.headers);
                        // Both have to say so: anybody can ask any site like that.
                        let is_grpc = is_grpc && grpc::is_grpc(&head.headers);
                        let trailers = if is_grpc { Trailers::Metadata } else { Trailers::Listed };
                        ResponseBody::upstream(incoming, link, upstream, trailers, exchange)
                    }
                    Content::Tunnel(connection, session) => {
                        switch(lane, switching, Box::new(Tunnel { connection, upstream, exchange, session }));
                        ResponseBody::none()
                    }
                };
                Response::from_parts(head, body)
            }
            Err(error) => {
                tracing::debug!(%error, request_id = ?exchange.request_id, "request failed");
                exchange.failed(&error);
                let form = if is_grpc { Form::Grpc } else { Form::accepted(accept.as_ref()) };
                let mut response = error.response(form, &exchange.request_id);
                exchange.tell(response.headers_mut());
                exchange.say_goodbye(response.headers_mut());
                response.map(|body| ResponseBody::own(body, exchange))
            }
        })
    }
}

/// The client's side of a tunnel is the connection, once hyper has let go of it; or a stream, which hyper hands out.
fn switch(lane: Rc<Lane>, stream: Option<OnUpgrade>, tunnel: Box<Tunnel>) {
    let Some(stream) = stream else { return lane.switch(tunnel) };
    tokio::task::spawn_local(async move {
        match stream.await {
            Ok(stream) => tunnel.run(&lane, TokioIo::new(stream), &[]).await,
            Err(error) => tracing::debug!(%error, "stream broke off before it became a tunnel"),
        }
    });
}

/// A request on its way, through as many attempts as it takes.
struct Journey {
    lane: Rc<Lane>,
    exchange: Exchange,
    /// There while it is ours to send.
    request: Option<Request<RequestBody>>,
    presented: Presented,
    /// Where what was presented counts.
    scope: Option<Scope>,
    /// What counts somewhere else, if another snapshot has come meanwhile. It may go again.
    set_aside: Option<Box<(Option<Scope>, Presented)>>,
    is_tls: bool,
    /// It asks for another protocol.
    upgrade: Option<Upgrade>,
    tried: Vec<EndpointId>,
    failed_since: Option<Millis>,
    /// A kept connection failed: the next attempt makes its own.
    needs_fresh: bool,
    /// How many times it may be sent again although it has been sent.
    replays: u8,
    /// The endpoint gets a moment before the next attempt.
    pauses: bool,
    /// How many times an endpoint has refused it without looking at it.
    refusals: u8,
    /// Why an endpoint that was tried got no request, though it is there.
    unfit: Option<Box<Unfit>>,
}

impl Journey {
    /// Checks the head, reads the session from it, and makes it the head that the endpoint gets.
    fn begin(
        lane: Rc<Lane>,
        request: Request<Incoming>,
        trace: Option<HeaderValue>,
        mut exchange: Exchange,
    ) -> Result<Box<Self>, Box<(Error, Exchange)>> {
        if !lane.worker().admits() {
            return Err(Box::new((Error::Overloaded, exchange)));
        }
        let (mut head, body) = request.into_parts();
        let client = &lane.client;
        let upgrade = Upgrade::asked(&head);
        let is_tls = client.is_tls(&head.headers);
        let read = read_session(client, &mut head, is_tls, &mut exchange.filtered);
        lane.bound(exchange.filtered.as_deref());
        let (presented, scope) = match read {
            Ok(read) => read,
            Err(error) => return Err(Box::new((error, exchange))),
        };
        let host = head.headers.get(header::HOST).filter(|host| !host.is_empty()).cloned();
        client.rewrite(&mut head.headers, host.as_ref());
        head.headers.insert(headers::REQUEST_ID, exchange.request_id.clone());
        if let Some(trace) = trace {
            head.headers.insert(headers::TRACEPARENT, trace);
        }
        if let Some(filtered) = &mut exchange.filtered {
            filtered.apply(&mut head);
        }
        if let Some(upgrade) = &upgrade {
            let nonce = lane.worker().rng.borrow_mut().u128(..);
            upgrade.ask(&mut head, nonce);
        }
        head.version = Version::HTTP_11;
        let request = Some(Request::from_parts(head, RequestBody::new(body, &lane)));
        Ok(Box::new(Self {
            lane,
            exchange,
            request,
            presented,
            scope,
            set_aside: None,
            is_tls,
            upgrade,
            tried: Vec::new(),
            failed_since: None,
            needs_fresh: false,
            replays: retry::REPLAYS,
            pauses: false,
            refusals: 0,
            unfit: None,
        }))
    }

    async fn run(&mut self) -> Result<Answer, Error> {
        let lane = Rc::clone(&self.lane);
        let snapshot = lane.worker().current().ok_or(Error::NotConfigured)?;
        if let Some(answer) = self.attempt(&snapshot).await? {
            return Ok(answer);
        }
        loop {
            if std::mem::take(&mut self.pauses) {
                tokio::time::sleep(retry::PAUSE).await;
            }
            let snapshot = lane.worker().current().ok_or(Error::NotConfigured)?;
            // Boxed: what is rare should not make every request's state larger.
            if let Some(answer) = Box::pin(self.attempt(&snapshot)).await? {
                return Ok(answer);
            }
        }
    }

    /// Decides, and does what was decided. `None`: it did not work, and another attempt is worth it.
    async fn attempt(&mut self, snapshot: &Snapshot) -> Result<Option<Answer>, Error> {
        let Some(request) = &self.request else { return Err(Error::Unavailable) };
        let (host, target) = Asked::of(request, self.exchange.filtered.as_deref());
        let rule = find(&self.lane.client, snapshot, host, target)?;
        let scope = rule.session.as_ref().map(|persistence| persistence.scope);
        if scope != self.scope {
            self.change_scope(scope);
        }
        match self.decide(rule) {
            Decision::Forward(forward) => self.send(snapshot, rule, &forward).await,
            Decision::Hold { backend, endpoint, .. } => {
                Box::pin(self.hold(rule, backend, endpoint)).await.map(|()| None)
            }
            Decision::Refuse(refusal) => Err(self.refused(rule, refusal)),
        }
    }

    /// Another snapshot has its sessions elsewhere: there nothing has been presented.
    fn change_scope(&mut self, scope: Option<Scope>) {
        let nothing = Presented { shuns_none: self.presented.shuns_none, ..Presented::default() };
        let known = self.set_aside.take().filter(|aside| aside.0 == scope);
        let presented = std::mem::replace(&mut self.presented, known.map_or(nothing, |aside| aside.1));
        let before = std::mem::replace(&mut self.scope, scope);
        self.set_aside = Some(Box::new((before, presented)));
    }

    fn decide<'r>(&self, rule: &'r Rule) -> Decision<'r> {
        let worker = self.lane.worker();
        let attempt = Attempt {
            token: self.presented.token.as_ref(),
            legacy: self.presented.legacy.as_ref(),
            preference: rule.canary.as_ref().map_or(Preference::None, |canary| self.preference(canary)),
            tried: &self.tried,
            failed_since: self.failed_since,
        };
        decide(rule, &attempt, &worker.upstreams, &mut worker.rng.borrow_mut(), worker.now())
    }

    /// What the request says about a canary.
    fn preference(&self, canary: &Canary) -> Preference {
        let Some(fields) = self.request.as_ref().map(Request::headers) else { return Preference::None };
        canary.preference(
            |name| fields.get(name).map(HeaderValue::as_bytes),
            |name| {
                let mut cookies = fields.get_all(header::COOKIE).into_iter();
                cookies.find_map(|field| values(field.as_bytes(), name).next())
            },
        )
    }

    /// Sends the request to the endpoint that was decided upon.
    async fn send(&mut self, snapshot: &Snapshot, rule: &Rule, forward: &Forward<'_>) -> Result<Option<Answer>, Error> {
        let lane = Rc::clone(&self.lane);
        let worker = lane.worker();
        let upstream = worker.upstreams.of(forward.backend, forward.endpoint).begin();
        let session = forward.claims.map(|claims| claims.session);
        self.exchange.decided(forward.outcome, &upstream, session);
        let Some(mut link) = self.connect(&upstream, forward).await? else { return Ok(None) };
        let Some(mut request) = self.request.take() else { return Err(Error::Unavailable) };
        self.tell(request.headers_mut(), forward);
        if let (Some(token), Some(persistence)) = (&self.presented.token, &rule.session)
            && forward.outcome != Outcome::Temporary
        {
            worker.sessions.touch(token.claims.session, &upstream.berth, persistence.policy.idle, worker.coarse());
        }
        let repeatable = self.replays > 0 && retry::is_repeatable(&request);
        let limits = &worker.limits;
        let (phase, limit, patience) = if http_body::Body::is_end_stream(request.body()) {
            (Phase::ResponseHead, lane.answer_limit(), limits.upstream_user_timeout)
        } else {
            (Phase::Upload, lane.send_limit(), lane.send_limit())
        };
        lane.watch.enter(phase, worker.coarse().plus(limit));
        // By itself: what a match looks at would live as long as the match.
        let sent = link.send(request, &lane.watch, patience).await;
        match sent {
            Ok(response) => self.answer(snapshot, rule, forward, response, link, upstream).map(Some),
            Err(error) => {
                let replay = if repeatable { link.replay() } else { None };
                self.failed(error, replay, &upstream, &link).map(|()| None)
            }
        }
    }

    /// Tells the application what became of the session.
    fn tell(&self, fields: &mut http::HeaderMap, forward: &Forward<'_>) {
        let (Some(told), Some(claims)) = (forward.outcome.told(), forward.claims) else { return };
        let known = self.presented.id.as_ref().filter(|_| self.presented.token.is_some());
        fields.insert(headers::SESSION, HeaderValue::from_static(told));
        fields.insert(headers::SESSION_ID, known.cloned().unwrap_or_else(|| session::id_value(claims.session)));
    }

    /// Waits until the endpoint may be there again, another snapshot is in force, or the time is over.
    async fn hold(&mut self, rule: &Rule, backend: &Backend, endpoint: &Endpoint) -> Result<(), Error> {
        let lane = Rc::clone(&self.lane);
        let worker = lane.worker();
        let upstream = worker.upstreams.of(backend, endpoint);
        let session = self.presented.token.as_ref().map(|token| token.claims.session);
        self.exchange.decided(Outcome::Held, &upstream, session);
        // A cookie of ingress-nginx's names no session: each of its requests is one by itself.
        let place = session.unwrap_or_else(|| SessionId(worker.rng.borrow_mut().u64(..)));
        let Some(_waiting) = upstream.shared.queue.enter(&worker.held, place, &worker.limits) else {
            self.exchange.decided(Outcome::Rejected, &upstream, session);
            return Err(Error::HeldTooMany);
        };
        let since = Instant::now();
        let mut recovered = pin!(upstream.shared.recovered.notified());
        // From here on no recovery is missed; one that came just before shows in the next decision.
        recovered.as_mut().enable();
        if upstream.shared.unreachable_since().is_none() {
            self.tried.retain(|tried| *tried != endpoint.id);
        }
        worker.tick(Instant::now());
        if let Decision::Hold { until, .. } = self.decide(rule) {
            tokio::select! {
                () = &mut recovered => {}
                () = worker.republished.notified() => {}
                () = tokio::time::sleep_until(worker.clock.instant(until)) => {}
            }
            if upstream.shared.unreachable_since().is_none() {
                self.tried.retain(|tried| *tried != endpoint.id);
            }
            worker.tick(Instant::now());
        }
        self.exchange.held(since.elapsed());
        Ok(())
    }

    fn refused(&mut self, rule: &Rule, refusal: Refusal) -> Error {
        if let Some(primary) = rule.backends.first() {
            let session = self.presented.token.map(|token| token.claims.session);
            let counters = self.lane.worker().metrics.backend(primary.backend.id());
            self.exchange.refused(refusal.into(), counters, session);
        }
        if let Some(unfit) = self.unfit.take() {
            return Error::Unfit(*unfit);
        }
        match refusal {
            Refusal::Rejected => Error::Rejected,
            Refusal::Unavailable => Error::Unavailable,
        }
    }
}
