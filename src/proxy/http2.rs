//! HTTP/2 with a client: its streams are lanes of one request each, and everything on the way of a request is the same.
//!
//! ## Why streams are wrapped
//! hyper knows no time limit for a stream: one whose client grants no window would wait for ever, inside hyper, where
//! nobody can ask it to give up. So each of its futures runs under the watch of its lane, and is dropped when the time
//! is over; hyper resets the stream then.
//!
//! ## What differs from HTTP/1
//! Interim responses are not sent, not even `100 Continue`: hyper has no way to. Clients that expect it go on after a
//! moment (RFC 9110 §10.1.1).

mod heads;

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

use self::heads::{Heads, Share, TooMany};
use super::body::ResponseBody;
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
    let stream = Guarded::new(stream, bounds, Rc::clone(&worker));
    let mut state = State { follower: stream.follower(), watch, told: None };
    let exec = Executor::new(limits);
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
        let polled = http.as_mut().poll(cx);
        state.note(&worker);
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

    /// Notes what is waited for now, and until when. Nothing changes but while the connection is polled.
    fn note(&self, worker: &Worker) {
        let limits = &worker.limits;
        let (phase, until) = match (self.follower.unfinished_since(), self.follower.idle_since(), self.told) {
            (Some(since), _, _) if self.follower.awaits_preface() => (Phase::FirstByte, since.plus(limits.first_byte)),
            (Some(since), _, _) => (Phase::Head, since.plus(limits.head)),
            (None, Some(since), Some(told)) => (Phase::Closing, since.max(told).plus(limits.linger)),
            (None, Some(since), None) => (Phase::Resting, since.plus(limits.idle)),
            (None, None, _) => (Phase::Routing, Millis(u64::MAX)),
        };
        self.watch.enter(phase, until);
    }
}

impl Warden for Rc<Worker> {
    fn now(&self) -> Millis {
        self.coarse()
    }

    fn flooded(&self, flood: Flood) {
        self.metrics.floods.count(flood);
        tracing::debug!(flood = flood.name(), "connection ended: {flood}");
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
        .enable_connect_protocol()
        // A client that has gone without a word shows when it does not answer.
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.head);
    builder
}

/// So much of one request's body is taken before the endpoint has taken some of it.
const STREAM_WINDOW: u32 = 128 * 1024;
/// So much of all of them together: more than a stream's, so that one endpoint that is slow does not stall the others.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// So much of one response waits for its client, besides the piece that comes on top.
const SEND_BUFFER: usize = 16 * 1024;

/// Runs what hyper spawns, on this thread and under the watch of its lane.
#[derive(Clone, Debug)]
struct Executor {
    /// What belongs to the stream that is about to be spawned.
    next: Rc<RefCell<Option<Spawned>>>,
    heads: Rc<Heads>,
}

/// What lasts as long as a stream does.
#[derive(Debug)]
struct Spawned {
    watch: Rc<Watch>,
    _head: Option<Share>,
}

impl Executor {
    fn new(limits: &Limits) -> Self {
        Self { next: Rc::default(), heads: Heads::new(limits.http2_heads) }
    }

    fn handle(
        &self,
        client: &Rc<Client>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, TooMany>> + use<> {
        let worker = &client.worker;
        let watch = worker.watches.add(&worker.limits, worker.coarse());
        let head = self.heads.take(&request);
        let (head, answer) = match head {
            // Boxed: it is large, and gone when the body begins; hyper would keep room for it to the end of the stream.
            Ok(head) => {
                let lane = Lane::new(Rc::clone(client), Rc::clone(&watch), None);
                (head, Ok(Box::pin(forward::handle(lane, request))))
            }
            Err(error) => {
                worker.metrics.heads_refused.inc();
                tracing::debug!(%error, "request refused");
                (None, Err(error))
            }
        };
        *self.next.borrow_mut() = Some(Spawned { watch, _head: head });
        async move { answer?.await.map_err(|never| match never {}) }
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        match self.next.borrow_mut().take() {
            Some(stream) => drop(tokio::task::spawn_local(limited(future, stream))),
            // The sending half of a tunnel, which ends with its other half.
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
