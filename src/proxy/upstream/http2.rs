//! A connection to an endpoint over HTTP/2, which many requests share.
//!
//! ## Why tasks drive it
//! No single request could: it would have to move the bytes of all the others. So hyper's tasks do, on the worker's own
//! thread. What that costs, a connection for each request would cost more.
//!
//! ## Why nobody ends it for the others
//! - A client that reads slowly fills the window of its own stream and no more. The connection's window is never full.
//! - h2 ends a connection when small frames that nobody has taken need more than half of its window, at 256 bytes each:
//!   clients that read nothing may leave [`SMALL_FRAMES`] each there.
//! - Clients that go have their streams reset. What is on its way then, h2 takes for an error if it has forgotten the stream, and
//!   of many it ends the connection; so it is told to remember more than its 50, for longer than its second. Servers end
//!   connections on which many streams are reset (Netty: 200 within 30 s). So after as many as there may be at a time a
//!   connection gets no more requests, and ends with the last of those that it has.

pub(in crate::proxy) mod body;
mod join;
mod peer;
mod reporter;
mod request;
mod verdict;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use self::body::{Copy, StreamBody};
pub(super) use self::join::Joining;
pub(crate) use self::join::join;
use self::peer::Peer;
pub(super) use self::reporter::Reporter;
use self::verdict::{Verdict, verdict};
use super::super::body::RequestBody;
use super::super::connection::BODY_BUFFER;
use super::super::frames::{Bounds, EndpointGuard, Guarded};
use super::super::watch::Watch;
use super::connection::{Open, SendError};
use super::dial::DialError;
use super::place::Place;
use super::socket::Socket;
use crate::limits::Limits;
use crate::routing::Millis;

type Driver = http2::Connection<TokioIo<Guarded<Peer, Reporter, EndpointGuard>>, StreamBody, Local>;

/// So much of one response may be here and not yet with its client. Half of it is on its way while the other half is
/// read: 64 KiB carry a quarter of a gigabit a second over a millisecond's round trip.
pub(in crate::proxy) const STREAM_WINDOW: u32 = 64 * 1024;
/// What the frames take that fill this window, at 256 bytes each, when there are sixteen bytes in each: as much as a client that
/// does not read may cost.
pub(in crate::proxy) const SMALL_FRAMES: u32 = STREAM_WINDOW / 16 * 256;
/// The largest window that HTTP/2 knows.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// So many times as many streams as there may be at a time are remembered after they were reset: more than a connection has before
/// it is retired, since those that were answered before all of their body was sent are reset as well.
const REMEMBERED: usize = 8;
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// A connection to an endpoint, with as many requests under way as both sides allow.
#[derive(Debug)]
pub(super) struct Multiplexed {
    sender: RefCell<http2::SendRequest<StreamBody>>,
    /// `None` once the connection takes no more: requests that wait inside of it come back when it is dropped.
    driver: Rc<RefCell<Option<Driver>>>,
    peer: Rc<peer::State>,
    address: SocketAddr,
    streams: Cell<usize>,
    /// Requests under way at a time, if the endpoint allows as many.
    bound: usize,
    /// How many have been given up before their end.
    given_up: Cell<usize>,
    /// Since when there is none.
    idle_since: Cell<Option<Millis>>,
    /// It gets no more requests.
    is_retired: Cell<bool>,
    has_served: Cell<bool>,
    open: Open,
}

/// One request's share of a connection, until its response has come to its end.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Rc<Multiplexed>,
    is_fresh: bool,
    /// Would its end be a reset?
    is_under_way: bool,
    /// What was sent, to be sent once more.
    copy: Option<Box<Copy>>,
}

/// hyper's tasks run on the thread of the worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

impl Multiplexed {
    /// Speaks HTTP/2 over this socket, and waits until the endpoint has shown that it does so, too: its first frame says
    /// how many requests it takes at a time.
    pub(super) async fn new(
        socket: Socket,
        address: SocketAddr,
        limits: &Limits,
        open: Open,
        reporter: Reporter,
    ) -> Result<Self, DialError> {
        let bound = limits.upstream_streams;
        let streams = u32::try_from(bound).unwrap_or(u32::MAX);
        let peer = Rc::new(peer::State::new(limits));
        let bounds = Bounds { frames: limits.http2_frames, head_size: limits.head_size, streams: bound };
        let stream = Guarded::to_endpoint(Peer::new(socket, Rc::clone(&peer)), bounds, reporter);
        let (sender, driver) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(streams.saturating_mul(2 * SMALL_FRAMES).min(LARGEST_WINDOW))
            .initial_max_send_streams(bound)
            .max_concurrent_reset_streams(bound.saturating_mul(REMEMBERED))
            .reset_stream_duration(REMEMBERED_FOR)
            .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
            .max_send_buf_size(BODY_BUFFER)
            .keep_alive_interval(limits.upstream_ping)
            .keep_alive_timeout(limits.upstream_ping_timeout)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Rc::new(RefCell::new(Some(driver)));
        tokio::task::spawn_local(drive(Rc::clone(&driver), Rc::clone(&peer)));
        peer.greeted().await?;
        Ok(Self {
            sender: RefCell::new(sender),
            driver,
            peer,
            address,
            streams: Cell::new(0),
            bound,
            given_up: Cell::new(0),
            idle_since: Cell::new(None),
            is_retired: Cell::new(false),
            has_served: Cell::new(false),
            open,
        })
    }

    /// A share of it, if there is room for one more.
    pub(super) fn enter(self: &Rc<Self>) -> Option<Stream> {
        if !self.is_usable() || self.streams.get() >= self.room() {
            return None;
        }
        self.streams.set(self.streams.get() + 1);
        Some(Stream {
            connection: Rc::clone(self),
            is_fresh: !self.has_served.replace(true),
            is_under_way: false,
            copy: None,
        })
    }

    /// A request has been given up before its end.
    fn give_up(&self) {
        self.given_up.set(self.given_up.get() + 1);
        if self.given_up.get() >= self.bound {
            self.is_retired.set(true);
        }
    }

    fn is_usable(&self) -> bool {
        !self.is_retired.get() && !self.sender.borrow().is_closed()
    }

    /// As many as we want and the endpoint takes.
    fn room(&self) -> usize {
        let driver = self.driver.borrow();
        driver.as_ref().map_or(0, |driver| driver.current_max_send_streams().min(self.bound))
    }

    /// Was it made to where the endpoint is, and in the way that it is spoken to now?
    pub(super) fn fits(&self, place: &Place) -> bool {
        place.addresses.contains(&self.address) && Rc::ptr_eq(self.open.transport(), &place.transport)
    }

    /// Is it worth keeping? What is under way on a connection that is not kept goes on to its end.
    pub(super) fn is_kept(&self, limits: &Limits, now: Millis) -> bool {
        if self.streams.get() > 0 {
            self.idle_since.set(None);
            return self.is_usable();
        }
        let since = self.idle_since.get().unwrap_or(now);
        self.idle_since.set(Some(since));
        self.is_usable() && now.since(since) < limits.upstream_idle
    }
}

/// Moves requests to hyper's other tasks, until the connection takes no more.
async fn drive(driver: Rc<RefCell<Option<Driver>>>, peer: Rc<peer::State>) {
    let ended =
        poll_fn(|cx| driver.borrow_mut().as_mut().map_or(Poll::Ready(Ok(())), |driver| Pin::new(driver).poll(cx)));
    let ended = ended.await;
    // Out of its cell first: what it drops may look at it.
    let over = driver.borrow_mut().take();
    drop(over);
    if let Err(error) = ended {
        tracing::debug!(%error, "connection to an endpoint ended");
    }
    peer.ended();
}

impl Stream {
    /// See [`Multiplexed::fits`].
    pub(super) fn fits(&self, place: &Place) -> bool {
        self.connection.fits(place)
    }

    /// Sends a request and waits for the head of its response; gives up when `watch` says that the time is over.
    /// Dropping the future resets the stream.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        watch: &Watch,
    ) -> Result<Response<Incoming>, SendError> {
        let connection = &self.connection;
        let (mut head, body) = request.into_parts();
        let copied = head.clone();
        let secure = connection.open.transport().protocol.is_tls();
        request::translate(&mut head, secure, connection.address)?;
        let (body, kept) = StreamBody::new(body, &connection.peer);
        let copy = self.copy.insert(Box::new(Copy::new(copied, kept)));
        let heard = connection.peer.heard();
        self.is_under_way = true;
        let mut response = pin!(connection.sender.borrow_mut().try_send_request(Request::from_parts(head, body)));
        let sent = poll_fn(|cx| match response.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if watch.is_expired() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.is_under_way = !matches!(sent, Some(Err(_)));
        match sent {
            Some(Ok(response)) => {
                // Nobody will want it again.
                self.copy = None;
                Ok(response)
            }
            None => {
                // An endpoint that has said nothing to anybody meanwhile is not asked by the next.
                if connection.peer.heard() == heard {
                    connection.is_retired.set(true);
                }
                Err(SendError::Timeout)
            }
            Some(Err(mut failed)) => Err(match failed.take_message() {
                // hyper has taken it and nothing of it: all of it is there.
                Some(_) => match copy.restore() {
                    Some(request) => SendError::Unsent(Box::new(request)),
                    None => SendError::Sent { error: failed.into_error(), answered: true },
                },
                None => self.failed(failed.into_error()),
            }),
        }
    }

    /// The response has come to its end.
    pub(super) fn complete(&mut self) {
        self.is_under_way = false;
    }

    fn failed(&mut self, error: hyper::Error) -> SendError {
        let verdict = verdict(&error);
        if verdict == Verdict::GoneAway {
            self.connection.is_retired.set(true);
        }
        if verdict.is_unprocessed()
            && let Some(request) = self.copy.as_mut().and_then(|copy| copy.restore())
        {
            return SendError::Unprocessed(Box::new(request));
        }
        SendError::Sent { error, answered: verdict != Verdict::Broken }
    }

    /// The request that was sent last, to be sent once more.
    pub(crate) fn replay(&mut self) -> Option<Request<RequestBody>> {
        self.copy.as_mut()?.restore()
    }

    /// Has the connection had no request before this one?
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_under_way {
            self.connection.give_up();
        }
        self.connection.streams.set(self.connection.streams.get() - 1);
    }
}
