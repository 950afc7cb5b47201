//! The socket of a connection over HTTP/2: whether the endpoint speaks it at all, when it was last heard, and how long its
//! host may leave unacknowledged what we send.
//!
//! ## Why the host is asked whether it is there
//! A stream on which nothing moves is silent, whether its endpoint thinks or its node has gone. The kernel of a node
//! that is there answers a keep-alive of TCP; so a node that is gone is noticed within seconds. PINGs of HTTP/2 also
//! find out that a process hangs, but servers of gRPC count them and break off when they come more often than every
//! five minutes, which therefore is what we begin with.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::super::connection::set_user_timeout;
use super::super::dial::DialError;
use super::super::socket::Socket;
use super::super::tls::Unfit;
use crate::limits::Limits;

/// The head of every frame: RFC 9113 §4.1.
const FRAME_HEAD: usize = 9;
/// Server prefaces are SETTINGS: RFC 9113 §3.4.
const SETTINGS: u8 = 4;
/// One parameter of SETTINGS.
const SETTING: u32 = 6;
/// The largest frame that may come before anything has been agreed upon.
const LARGEST: u32 = 16 * 1024;

/// A socket whose bytes are looked at.
#[derive(Debug)]
pub(super) struct Peer {
    socket: Socket,
    state: Rc<State>,
}

/// What is known of the other side.
#[derive(Debug)]
pub(super) struct State {
    greeting: RefCell<Greeting>,
    /// Told when there is something to say about the greeting.
    greeted: Notify,
    /// How many times something was read.
    heard: Cell<u64>,
    /// Bodies on their way to the endpoint.
    uploads: Cell<usize>,
    /// How long the endpoint's host may leave heads unacknowledged, and bodies: see `Connection::send`.
    patience: (Duration, Duration),
    told: Cell<Duration>,
}

/// How far the endpoint has shown what it speaks.
#[derive(Debug)]
enum Greeting {
    /// So much of its first frame has come.
    Begun(Vec<u8>),
    /// It was one of SETTINGS.
    Good,
    /// It was something else.
    Bad,
    /// The connection ended before.
    Ended,
}

/// A body on its way. Counted until it is dropped.
#[derive(Debug)]
pub(super) struct Uploading(Rc<State>);

impl Peer {
    pub(super) fn new(socket: Socket, state: Rc<State>) -> Self {
        keep_alive(&socket, state.patience.0);
        Self { socket, state }
    }
}

/// Asks the endpoint's host whether it is still there, when nothing has come from it for as long as `patience`.
fn keep_alive(socket: &Socket, patience: Duration) {
    let second = Duration::from_secs(1);
    let asking = socket2::TcpKeepalive::new().with_time(patience.max(second)).with_interval(second).with_retries(3);
    // Without it only the time limits of bodies and responses, and PINGs, notice.
    let _ = socket2::SockRef::from(socket.tcp()).set_tcp_keepalive(&asking);
}

impl State {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            greeting: RefCell::new(Greeting::Begun(Vec::with_capacity(FRAME_HEAD))),
            greeted: Notify::new(),
            heard: Cell::new(0),
            uploads: Cell::new(0),
            patience: (limits.upstream_user_timeout, limits.body),
            told: Cell::new(Duration::ZERO),
        }
    }

    /// Waits until the endpoint has shown that it speaks HTTP/2.
    pub(super) async fn greeted(&self) -> Result<(), DialError> {
        loop {
            match *self.greeting.borrow() {
                Greeting::Begun(_) => {}
                Greeting::Good => return Ok(()),
                Greeting::Bad => return Err(DialError::Unfit(Unfit::NoHttp2)),
                Greeting::Ended => return Err(DialError::Closed),
            }
            // There is one who waits, and `notify_one` remembers.
            self.greeted.notified().await;
        }
    }

    /// How many times something was read.
    pub(super) fn heard(&self) -> u64 {
        self.heard.get()
    }

    /// The connection takes no more requests.
    pub(super) fn ended(&self) {
        let mut greeting = self.greeting.borrow_mut();
        if let Greeting::Begun(_) = *greeting {
            *greeting = Greeting::Ended;
            self.greeted.notify_one();
        }
    }

    /// A body begins.
    pub(super) fn upload(self: &Rc<Self>) -> Uploading {
        self.uploads.set(self.uploads.get() + 1);
        Uploading(Rc::clone(self))
    }

    fn read(&self, bytes: &[u8]) {
        self.heard.set(self.heard.get() + 1);
        let mut greeting = self.greeting.borrow_mut();
        let Greeting::Begun(head) = &mut *greeting else { return };
        head.extend(bytes.iter().take(FRAME_HEAD - head.len()));
        if head.len() == FRAME_HEAD {
            *greeting = judge(head);
            self.greeted.notify_one();
        }
    }

    fn writing(&self, socket: &Socket) {
        let (heads, bodies) = self.patience;
        let patience = if self.uploads.get() > 0 { bodies } else { heads };
        if self.told.replace(patience) != patience {
            // Without it only the time limits of bodies and responses apply.
            let _ = set_user_timeout(socket.tcp(), patience);
        }
    }
}

/// What a frame that begins like this is, as a server's first.
fn judge(head: &[u8]) -> Greeting {
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let whole_settings = length <= LARGEST && length.is_multiple_of(SETTING);
    let first = head[3] == SETTINGS && head[4] & 1 == 0 && head[5..].iter().all(|byte| *byte == 0);
    if whole_settings && first { Greeting::Good } else { Greeting::Bad }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.uploads.set(self.0.uploads.get() - 1);
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if let fresh @ [_, ..] = &buf.filled()[before..] {
            self.state.read(fresh);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.state.writing(&self.socket);
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.state.writing(&self.socket);
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: [u8; FRAME_HEAD], good: bool) {
        assert_eq!(matches!(judge(&head), Greeting::Good), good, "{head:?}");
    }

    #[test]
    fn only_settings_that_acknowledge_nothing_are_a_greeting() {
        check([0, 0, 0, 4, 0, 0, 0, 0, 0], true);
        check([0, 0, 18, 4, 0, 0, 0, 0, 0], true);
        check([0, 2, 4, 4, 0, 0, 0, 0, 0], true);
        check([0, 0, 0, 4, 1, 0, 0, 0, 0], false);
        check([0, 0, 7, 4, 0, 0, 0, 0, 0], false);
        check([0, 0, 8, 6, 0, 0, 0, 0, 0], false);
        check([0, 0, 6, 4, 0, 0, 0, 0, 1], false);
        check(*b"HTTP/1.1 ", false);
        check([21, 3, 3, 0, 2, 2, 80, 0, 0], false);
    }
}
