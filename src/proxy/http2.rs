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

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
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

use super::body::ResponseBody;
use super::client::Client;
use super::forward;
use super::lane::Lane;
use super::watch::{Phase, Watch};
use super::worker::Worker;
use crate::limits::Limits;
use crate::routing::Millis;

/// Serves a connection whose client speaks HTTP/2, preface included.
pub(super) async fn serve(client: Rc<Client>, watch: Rc<Watch>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let worker = Rc::clone(&client.worker);
    let address = client.address;
    let streams = Rc::new(Streams {
        watch: Rc::clone(&watch),
        worker,
        open: Cell::new(0),
        closing: Cell::new(false),
        has_begun: Cell::new(false),
        next: RefCell::default(),
    });
    let service = {
        let streams = Rc::clone(&streams);
        service_fn(move |request| streams.handle(&client, request))
    };
    if watch.phase() != Phase::Preface {
        streams.rest();
    }
    let exec = Executor(Rc::clone(&streams));
    let mut http = pin!(builder(exec, &streams.worker.limits).serve_connection(TokioIo::new(stream), service));
    let ended = poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() && watch.phase() != Phase::Resting {
            return Poll::Ready(Ok(()));
        }
        let is_over = watch.is_expired() || watch.is_closing() || streams.is_leaving();
        if is_over && !streams.closing.get() {
            streams.closing.set(true);
            http.as_mut().graceful_shutdown();
            streams.rest();
        }
        http.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, peer = %address, "connection ended");
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

/// What the streams of a connection have in common.
#[derive(Debug)]
struct Streams {
    /// Of the connection as a whole: has it anything to do?
    watch: Rc<Watch>,
    worker: Rc<Worker>,
    open: Cell<usize>,
    /// Has the client been told to come no more?
    closing: Cell<bool>,
    /// Has there been a request?
    has_begun: Cell<bool>,
    /// The watch of the stream that is about to be spawned.
    next: RefCell<Option<Rc<Watch>>>,
}

impl Streams {
    /// Should the client go elsewhere? Not before its first request, for which elsewhere may be here again: it would make one
    /// connection after the other.
    fn is_leaving(&self) -> bool {
        self.worker.is_leaving() && self.has_begun.get()
    }

    fn handle(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
        let watch = self.worker.watches.add(&self.worker.limits, self.worker.coarse());
        *self.next.borrow_mut() = Some(Rc::clone(&watch));
        self.has_begun.set(true);
        let lane = Lane::new(Rc::clone(client), watch, None, Some(Stream::open(self)));
        forward::handle(lane, request)
    }

    /// Nothing is under way: another request comes within its time, or none does.
    fn rest(&self) {
        if self.open.get() == 0 && self.watch.phase() != Phase::Closing {
            let limits = &self.worker.limits;
            let (phase, patience) =
                if self.closing.get() { (Phase::Closing, limits.linger) } else { (Phase::Resting, limits.idle) };
            self.watch.enter(phase, self.worker.coarse().plus(patience));
        }
    }
}

/// A stream counts as open until this is dropped.
#[derive(Debug)]
pub(super) struct Stream(Rc<Streams>);

impl Stream {
    fn open(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        streams.watch.enter(Phase::Routing, Millis(u64::MAX));
        Self(Rc::clone(streams))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.rest();
    }
}

/// Runs what hyper spawns, on this thread and under a watch.
#[derive(Clone, Debug)]
struct Executor(Rc<Streams>);

impl<F: Future + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        match self.0.next.borrow_mut().take() {
            Some(watch) => drop(tokio::task::spawn_local(limited(future, watch))),
            // The sending half of a tunnel, which ends with its other half.
            None => drop(tokio::task::spawn_local(async move { drop(future.await) })),
        }
    }
}

/// Drops a stream whose time is over.
async fn limited<F: Future>(future: F, watch: Rc<Watch>) {
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
