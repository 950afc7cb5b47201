//! One connection to an endpoint.
//!
//! ## Why no task drives it
//! hyper's client connection is a future that somebody has to poll. Given a task of its own, every request
//! would pay two task switches. Here the request that uses the connection polls it, and while it is idle
//! nobody does: whether the server has closed it meanwhile is seen when it is taken out again.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::body::RequestBody;
use super::super::connection::BODY_BUFFER;
use super::super::guard::{Asked, Bounds, FIELDS, ResponseGuard, Responses, Rule};
use super::super::guarded::Guarded;
use super::super::retry;
use super::super::watch::Watch;
use super::super::wire::{Observer, Wire};
use super::place::{Place, Transport};
use super::socket::Socket;
use crate::routing::Millis;

type Driver = http1::Connection<TokioIo<Guarded<Wire<Socket, Rc<Shared>>, Responses>>, RequestBody>;

/// A connection to an endpoint, with at most one request under way.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    address: SocketAddr,
    shared: Rc<Shared>,
    idle_since: Millis,
    is_fresh: bool,
    open: Open,
}

/// A connection that speaks another protocol now.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) stream: Socket,
    /// What the endpoint has sent in it already.
    pub(crate) early: Bytes,
    pub(crate) _open: Open,
}

/// Counts an open connection until it is dropped, and knows how it was made.
#[derive(Debug)]
pub(crate) struct Open(Rc<Cell<usize>>, Rc<Transport>);

/// Why a request got no response head.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nothing was written: here is the request.
    Unsent(Box<Request<RequestBody>>),
    /// The request was written, at least in part.
    Sent {
        /// What went wrong.
        error: hyper::Error,
        /// Had the upstream begun to answer?
        answered: bool,
    },
    /// The endpoint has refused it without looking at it: here is the request, whatever it is.
    Unprocessed(Box<Request<RequestBody>>),
    /// Its host is none that HTTP/2 could name.
    NoAuthority,
    /// What came back breaks a rule.
    Refused(Rule),
    /// The time for it is over.
    Timeout,
}

impl Open {
    pub(super) fn new(count: &Rc<Cell<usize>>, transport: &Rc<Transport>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count), Rc::clone(transport))
    }

    pub(super) fn transport(&self) -> &Rc<Transport> {
        &self.1
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Connection {
    /// Speaks HTTP/1.1 over this stream.
    ///
    /// # Errors
    /// hyper's handshake does nothing over HTTP/1 that could fail; its signature says it may.
    pub(super) async fn new(
        stream: Socket,
        address: SocketAddr,
        head_size: usize,
        open: Open,
    ) -> Result<Self, hyper::Error> {
        let shared = Rc::new(Shared::new(head_size));
        let wire = Wire::new(stream, Rc::clone(&shared));
        let guard = Rc::clone(&shared.guard);
        let (sender, driver) = http1::Builder::new()
            .max_header_size(head_size)
            .max_buf_size(BODY_BUFFER.max(head_size))
            .handshake(TokioIo::new(Guarded::new(wire, guard)))
            .await?;
        let driver = Some(driver);
        Ok(Self { sender, driver, address, shared, idle_since: Millis(0), is_fresh: true, open })
    }

    /// Sends a request and waits for the head of its response; gives up when `watch` says that the time is over, or
    /// when the endpoint's host has not acknowledged anything for as long as `patience`. A host that is there and does
    /// not want any more at the moment does not acknowledge either: bodies need more patience than heads.
    /// Dropping the future closes the connection, since nobody knows then how far the request got.
    pub(crate) fn send(
        &mut self,
        mut request: Request<RequestBody>,
        watch: &Watch,
        patience: Duration,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        self.shared.answered.set(false);
        self.shared.patience.set(patience);
        self.shared.head.borrow_mut().clear();
        let upgrade = request.headers().contains_key(header::UPGRADE);
        self.shared.upgrade.set(upgrade);
        frame(&mut request);
        let asked = Asked { head: request.method() == Method::HEAD, upgrade };
        self.shared.guard.borrow_mut().ask(asked);
        // Before there is a future: the request does not have to live in it.
        let response = self.sender.try_send_request(request);
        let (driver, shared) = (&mut self.driver, &self.shared);
        async move {
            let mut response = pin!(response);
            let sent = poll_fn(|cx| {
                drive(driver, shared, cx);
                match response.as_mut().poll(cx) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending if watch.is_expired() => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
            match sent {
                None => Err(SendError::Timeout),
                Some(Ok(response)) => Ok(response),
                Some(Err(mut failed)) => Err(match failed.take_message() {
                    Some(request) => SendError::Unsent(Box::new(request)),
                    None => match shared.guard.borrow().refusal() {
                        Some(refusal) => SendError::Refused(refusal.rule),
                        None => SendError::Sent { error: failed.into_error(), answered: shared.answered.get() },
                    },
                }),
            }
        }
    }

    /// The request that was sent last, to be sent once more over another connection.
    pub(crate) fn replay(&self) -> Option<Request<RequestBody>> {
        retry::reread(&self.shared.head.borrow())
    }

    /// The socket of a connection whose endpoint has answered with 101.
    ///
    /// # Errors
    /// If the connection has broken meanwhile.
    pub(crate) async fn switched(mut self) -> io::Result<Switched> {
        poll_fn(|cx| {
            self.drive(cx);
            if self.shared.ended.get() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let driver = self.driver.take().ok_or(io::ErrorKind::NotConnected)?;
        let http1::Parts { io, read_buf, .. } = driver.into_parts();
        let (wire, kept) = io.into_inner().into_parts();
        let early = if kept.is_empty() { read_buf } else { [&read_buf[..], &kept].concat().into() };
        Ok(Switched { stream: wire.into_inner(), early, _open: self.open })
    }

    /// So much is read at a time, at most, until the response has come to its end.
    pub(crate) fn read_at_most(&self, bytes: usize) {
        self.shared.most.set(bytes);
    }

    /// Moves bytes. A response body that comes from here makes progress only while somebody calls this.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, &self.shared, cx);
    }

    /// Can another request be sent? Looks at the socket, so that a server that has closed it is noticed.
    pub(crate) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.shared.ended.get() && self.sender.is_ready() && self.shared.guard.borrow().is_answered()
    }

    pub(super) fn rest(&mut self, now: Millis) {
        self.read_at_most(usize::MAX);
        self.idle_since = now;
        self.is_fresh = false;
    }

    pub(super) fn idle_since(&self) -> Millis {
        self.idle_since
    }

    /// Was it made to where the endpoint is, and in the way that it is spoken to now?
    pub(super) fn fits(&self, place: &Place) -> bool {
        place.addresses.contains(&self.address) && Rc::ptr_eq(self.open.transport(), &place.transport)
    }

    /// Has it had no request before the present one?
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }
}

fn drive(driver: &mut Option<Driver>, shared: &Shared, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && !shared.ended.get()
        && Pin::new(running).poll(cx).is_ready()
    {
        shared.ended.set(true);
        // What was asked for another protocol may have become a tunnel, which still needs the socket.
        if !shared.upgrade.get() {
            *driver = None;
        }
    }
}

/// What a connection and its socket tell each other.
#[derive(Debug)]
struct Shared {
    guard: Rc<RefCell<ResponseGuard>>,
    /// May the endpoint answer with another protocol?
    upgrade: Cell<bool>,
    /// Has hyper's connection come to its end?
    ended: Cell<bool>,
    /// Has anything come back?
    answered: Cell<bool>,
    /// How long the endpoint's host may leave what we send unacknowledged,
    patience: Cell<Duration>,
    /// and what the socket was told of it.
    told: Cell<Duration>,
    /// The head of the request under way: what was given to the socket first.
    head: RefCell<Vec<u8>>,
    /// So much is read at a time.
    most: Cell<usize>,
}

impl Shared {
    fn new(head_size: usize) -> Self {
        // Only requests have targets, and only clients begin.
        let bounds = Bounds { head_size, target_size: 0, fields: FIELDS, prior_knowledge: false };
        Self {
            guard: Rc::new(RefCell::new(ResponseGuard::new(bounds))),
            upgrade: Cell::default(),
            ended: Cell::default(),
            answered: Cell::default(),
            patience: Cell::default(),
            told: Cell::default(),
            head: RefCell::default(),
            most: Cell::new(usize::MAX),
        }
    }
}

impl Observer<Socket> for Rc<Shared> {
    fn most(&self) -> usize {
        self.most.get()
    }

    fn read(&self) {
        self.answered.set(true);
    }

    fn writing(&self, stream: &Socket, bytes: &[u8]) {
        let mut head = self.head.borrow_mut();
        if head.is_empty() {
            head.extend_from_slice(bytes);
        }
        let patience = self.patience.get();
        if self.told.replace(patience) != patience {
            // Without it only the time limits of bodies and responses apply.
            let _ = set_user_timeout(stream.tcp(), patience);
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) fn set_user_timeout(stream: &TcpStream, timeout: Duration) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

/// Other systems have no such option.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_user_timeout(_: &TcpStream, _: Duration) -> std::io::Result<()> {
    Ok(())
}

/// Makes hyper send a body of unknown length whatever the method: with GET and HEAD it would leave it out, and the
/// endpoint would answer another request than the client's.
fn frame(request: &mut Request<RequestBody>) {
    let is_bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_bodiless && !request.body().is_end_stream() && request.body().size_hint().exact().is_none() {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
