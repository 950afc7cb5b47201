//! HTTP/2 with a client: its streams are lanes of one request each, and everything on the way of a request is the same.
//!
//! ## Why streams are wrapped
//! hyper knows no time limit for a stream: one whose client grants no window would wait for ever, inside hyper, where
//! nobody can ask it to give up. So each of its futures runs under the watch of its lane, and is dropped when the time
//! is over; hyper resets the stream then. What it still has to write after that is watched on the wire ([`watched`]).
//!
//! ## What differs from HTTP/1
//! Interim responses are not sent, not even `100 Continue`: hyper has no way to. Clients that expect it go on after a
//! moment (RFC 9110 §10.1.1).

pub(super) mod backlog;
mod heads;
pub(super) mod watched;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use self::backlog::{Backlog, Paced};
use self::heads::{Heads, Share, TooMany};
use self::watched::{Stream, Watched};
use super::client::Client;
use super::forward;
use super::frames::{Bounds, Flood, Follower, Guarded, Warden};
use super::lane::Lane;
use super::watch::{Phase, Watch};
use super::worker::Worker;
use crate::limits::Limits;
use crate::routing::Millis;

/// Serves a connection whose client speaks HTTP/2, preface included.
pub(super) async fn serve(client: Rc<Client>, watch: Rc<Watch>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let worker = Rc::clone(&client.worker);
    let limits = &worker.limits;
    let bounds = Bounds { frames: limits.http2_frames, head_size: limits.head_size, streams: limits.streams };
    let backlog = Backlog::new(Rc::clone(&watch));
    let warden = Attendant { worker: Rc::clone(&worker), backlog: Rc::clone(&backlog) };
    let stream = Guarded::new(stream, bounds, warden);
    let watched = Watched::new(Rc::clone(&watch));
    let mut state = State { follower: stream.follower(), watch, watched: Rc::clone(&watched), left: None, told: None };
    let exec = Executor::new(limits, Rc::clone(&backlog), watched);
    let service = {
        let exec = exec.clone();
        service_fn(move |request| exec.handle(&client, request))
    };
    let mut http = pin!(builder(exec, limits).serve_connection(TokioIo::new(stream), service));
    let ended = poll_fn(|cx| {
        state.watch.register(cx);
        match state.next(&worker) {
            Next::Go => {}
            Next::Tell => http.as_mut().graceful_shutdown(),
            Next::End => return Poll::Ready(Ok(())),
        }
        state.follower.allow_heads();
        let polled = http.as_mut().poll(cx);
        state.note(&worker);
        backlog.settle(state.follower.open().saturating_sub(state.watched.streams()));
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "connection ended");
    }
}

/// How far a connection has come.
struct State {
    follower: Follower,
    watch: Rc<Watch>,
    watched: Rc<Watched>,
    /// Since when there are more streams than are watched.
    left: Option<Millis>,
    /// When the client was told to come no more.
    told: Option<Millis>,
}

/// What is to be done with a connection.
enum Next {
    Go,
    /// Tell the client to come no more.
    Tell,
    End,
}

impl State {
    fn next(&mut self, worker: &Worker) -> Next {
        if self.watch.is_expired() && self.watch.phase() != Phase::Resting {
            return Next::End;
        }
        // Not before its first request, for which elsewhere may be here again: it would make one connection after the other.
        let is_leaving = worker.is_leaving() && self.follower.has_begun();
        let is_over = self.watch.is_expired() || self.watch.is_closing() || is_leaving;
        if !is_over || self.told.is_some() {
            return Next::Go;
        }
        self.told = Some(worker.coarse());
        Next::Tell
    }

    /// Notes what is waited for, and until when. Nothing changes but while the connection is polled.
    fn note(&mut self, worker: &Worker) {
        let limits = &worker.limits;
        let left = self.left_until(limits, worker.coarse());
        let (phase, until) = match (self.follower.unfinished_since(), self.follower.idle_since(), self.told) {
            (Some(since), _, _) if self.follower.awaits_preface() => (Phase::FirstByte, since.plus(limits.first_byte)),
            (Some(since), _, _) => (Phase::Head, since.plus(limits.head)),
            (None, Some(since), Some(told)) => (Phase::Closing, since.max(told).plus(limits.linger)),
            (None, Some(since), None) => (Phase::Resting, since.plus(limits.idle)),
            (None, None, _) => left.map_or((Phase::Routing, Millis(u64::MAX)), |until| (Phase::Flushing, until)),
        };
        self.watch.enter(phase, until);
    }
}

impl State {
    /// Until when what is left of streams that nobody watches has to move. One of them has longer, beside others that move: it
    /// may wait for them to leave it a window. So has all of it beside streams that are watched, which would end with the
    /// connection.
    fn left_until(&mut self, limits: &Limits, now: Millis) -> Option<Millis> {
        let watched = self.watched.streams();
        let Some(still) = self.follower.still_since(watched, now) else {
            self.left = None;
            return None;
        };
        let left = *self.left.get_or_insert(now);
        let at_last = left.max(still).plus(limits.body.saturating_mul(BESIDE_OTHERS));
        let alone = (watched == 0).then(|| left.max(self.follower.moved()).plus(limits.body));
        Some(alone.map_or(at_last, |alone| alone.min(at_last)))
    }
}

/// What is left of a stream may stand still so many times as long as a body, while others are under way.
pub(super) const BESIDE_OTHERS: u32 = 10;

/// Who is told what happens on the socket.
#[derive(Debug)]
struct Attendant {
    worker: Rc<Worker>,
    backlog: Rc<Backlog>,
}

impl Warden for Attendant {
    fn now(&self) -> Millis {
        self.worker.coarse()
    }

    fn flooded(&self, flood: Flood) {
        self.worker.metrics.floods.count(flood);
        tracing::debug!(flood = flood.name(), "connection ended: {flood}");
    }

    fn written(&self, bytes: usize) {
        self.backlog.written(bytes);
    }

    fn blocked(&self) {
        self.backlog.blocked();
    }

    fn flushed(&self) {
        self.backlog.written(0);
    }
}

fn builder(exec: Executor, limits: &Limits) -> http2::Builder<Executor> {
    let mut builder = http2::Builder::new(exec);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.streams).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_local_error_reset_streams(RESETS)
        .enable_connect_protocol()
        // A client that has gone without a word shows when it does not answer. It reads the question after all that has been
        // sent before it, and may be slow.
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.body);
    builder
}

/// So much of one request's body is taken before the endpoint has taken some of it.
pub(super) const STREAM_WINDOW: u32 = 128 * 1024;
/// So much of all of them together: more than a stream's, so that one endpoint that is slow does not stall the others.
pub(super) const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// So much of one response waits for its client, besides the piece that comes on top.
pub(super) const SEND_BUFFER: usize = 16 * 1024;

/// The guard counts streams that had to be reset once they are, and forgives. h2 counts them for as long as the connection lasts,
/// which only keeps those few that a client does not let us write.
const RESETS: usize = 4096;

/// Runs what hyper spawns, on this thread and under the watch of its lane.
#[derive(Clone, Debug)]
struct Executor {
    /// What belongs to the stream that is about to be spawned.
    next: Rc<RefCell<Option<Spawned>>>,
    heads: Rc<Heads>,
    backlog: Rc<Backlog>,
    watched: Rc<Watched>,
}

/// What lasts as long as a stream does.
#[derive(Debug)]
struct Spawned {
    watch: Rc<Watch>,
    _stream: Rc<Stream>,
    _head: Option<Share>,
}

impl Executor {
    fn new(limits: &Limits, backlog: Rc<Backlog>, watched: Rc<Watched>) -> Self {
        Self { next: Rc::default(), heads: Heads::new(limits.http2_heads), backlog, watched }
    }

    fn handle(
        &self,
        client: &Rc<Client>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Paced>, TooMany>> + use<> {
        let worker = &client.worker;
        let watch = worker.watches.add(&worker.limits, worker.coarse());
        let stream = self.watched.begin();
        let head = self.heads.take(&request);
        let (head, answer) = match head {
            // Boxed: it is large, and gone when the body begins; hyper would keep room for it to the end of the stream.
            Ok(head) => {
                let lane = Lane::of_stream(Rc::clone(client), Rc::clone(&watch), Rc::clone(&stream));
                (head, Ok(Box::pin(forward::handle(lane, request))))
            }
            Err(error) => {
                worker.metrics.heads_refused.inc();
                tracing::debug!(%error, "request refused");
                (None, Err(error))
            }
        };
        *self.next.borrow_mut() = Some(Spawned { watch, _stream: stream, _head: head });
        let backlog = Rc::clone(&self.backlog);
        async move {
            let Ok(response) = answer?.await;
            Ok(response.map(|body| backlog.pace(body)))
        }
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        match self.next.borrow_mut().take() {
            Some(stream) => drop(tokio::task::spawn_local(limited(future, stream))),
            // The sending half of a tunnel, which ends with the other one, unless what is left to send has no window.
            None => drop(tokio::task::spawn_local(async move { drop(future.await) })),
        }
    }
}

/// Drops a stream whose time is over.
async fn limited<F: Future>(future: F, stream: Spawned) {
    let watch = &stream.watch;
    let mut future = pin!(future);
    poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() && !watch.phase().answers_itself() {
            return Poll::Ready(());
        }
        future.as_mut().poll(cx).map(drop)
    })
    .await;
}
