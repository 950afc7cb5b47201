//! A socket whose frames are followed, and that ends the connection itself when they are a flood.
//!
//! ## How it ends
//! What was read last is not handed on. If our side is between two frames, and it is unless the client has stopped
//! reading, a GOAWAY with ENHANCE_YOUR_CALM and the name of the flood is written; if the socket has no room for it, the
//! client has stopped reading as well, and goes without. Then our direction is shut down, which throws away what has
//! come in the meantime (`proxy::linger`), and reads and writes fail: hyper drops the connection and everything under
//! way on it. Nothing of this waits for the client.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Bounds;
use super::endpoint::EndpointGuard;
use super::flood::Flood;
use super::guard::Guard;
use super::head;
use super::wire::Follow;
use crate::routing::Millis;

/// Who knows the time, and wants to know about floods and what becomes of what is written.
pub(in crate::proxy) trait Warden {
    /// The time, as exact as a limit of seconds needs it.
    fn now(&self) -> Millis;

    /// A connection has been ended.
    fn flooded(&self, flood: Flood);

    /// So many bytes have been written.
    fn written(&self, _bytes: usize) {}

    /// The socket has no room for more.
    fn blocked(&self) {}

    /// The socket has taken everything, and has room.
    fn flushed(&self) {}
}

/// What a connection is waiting for, for whoever limits its time.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Follower(Rc<RefCell<Guard>>);

impl Follower {
    /// Since when the client owes the rest of a header block, of another frame that is not DATA, or of the preface.
    pub(in crate::proxy) fn unfinished_since(&self) -> Option<Millis> {
        self.0.borrow().unfinished_since()
    }

    /// Since when no request waits for an answer or the end of one.
    pub(in crate::proxy) fn idle_since(&self) -> Option<Millis> {
        self.0.borrow().idle_since()
    }

    /// Has the client still to say that it speaks HTTP/2?
    pub(in crate::proxy) fn awaits_preface(&self) -> bool {
        self.0.borrow().awaits_preface()
    }

    /// Has there been a request?
    pub(in crate::proxy) fn has_begun(&self) -> bool {
        self.0.borrow().newest_stream() > 0
    }

    /// hyper is about to be polled: more heads may be read.
    pub(in crate::proxy) fn allow_heads(&self) {
        self.0.borrow_mut().allow_heads();
    }

    /// How many requests wait for an answer or the end of one.
    pub(in crate::proxy) fn open(&self) -> usize {
        self.0.borrow().open()
    }

    /// Since when nothing of any answer has been written.
    pub(in crate::proxy) fn moved(&self) -> Millis {
        self.0.borrow().moved()
    }

    /// Since when nothing of an answer has been written to more than so many of these; `None`: there are no more.
    pub(in crate::proxy) fn still_since(&self, number: usize, now: Millis) -> Option<Millis> {
        self.0.borrow().still_since(number, now)
    }

    /// Why the connection has been ended.
    #[cfg(test)]
    pub(in crate::proxy) fn flood(&self) -> Option<Flood> {
        self.0.borrow().flood()
    }
}

/// A socket with its guard.
#[derive(Debug)]
pub(in crate::proxy) struct Guarded<S, W, G = Guard> {
    stream: S,
    warden: W,
    guard: Rc<RefCell<G>>,
    is_ended: bool,
}

impl<S, W: Warden> Guarded<S, W, EndpointGuard> {
    /// For a connection to an endpoint, whose preface is still to be written to `stream`.
    pub(in crate::proxy) fn to_endpoint(stream: S, bounds: Bounds, warden: W) -> Self {
        let guard = Rc::new(RefCell::new(EndpointGuard::new(bounds, warden.now())));
        Self { stream, warden, guard, is_ended: false }
    }
}

impl<S, W: Warden> Guarded<S, W> {
    /// For a connection of a client, whose preface is still to be read from `stream`.
    pub(in crate::proxy) fn new(stream: S, bounds: Bounds, warden: W) -> Self {
        let guard = Rc::new(RefCell::new(Guard::new(bounds, warden.now())));
        Self { stream, warden, guard, is_ended: false }
    }

    /// What tells the state of this connection for as long as it lasts.
    pub(in crate::proxy) fn follower(&self) -> Follower {
        Follower(Rc::clone(&self.guard))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, W: Warden, G: Follow> Guarded<S, W, G> {
    /// Ends the connection, if it is to be.
    ///
    /// # Errors
    /// The flood.
    fn pass(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(flood) = self.guard.borrow().flood() else { return Ok(()) };
        if !self.is_ended {
            self.is_ended = true;
            self.warden.flooded(flood);
            self.end(cx, flood);
        }
        Err(io::Error::other(flood))
    }

    /// Does what can be done at once. Whatever fails, the connection is over.
    fn end(&mut self, cx: &mut Context<'_>, flood: Flood) {
        let mut stream = Pin::new(&mut self.stream);
        if self.guard.borrow().is_between_frames() {
            let frame = goaway(self.guard.borrow().newest_stream(), flood);
            let _ = stream.as_mut().poll_write(cx, &frame);
        }
        let _ = stream.as_mut().poll_flush(cx);
        let _ = stream.as_mut().poll_shutdown(cx);
    }

    /// What a write has come to.
    fn noted<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            self.warden.blocked();
        }
        polled
    }

    fn wrote(&self, cx: &Context<'_>, bytes: &[u8]) {
        if self.guard.borrow_mut().wrote(bytes, self.warden.now()).is_err() {
            // The connection ends when it is polled next.
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, W: Warden + Unpin, G: Follow> AsyncRead for Guarded<S, W, G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pass(cx)?;
        if !self.guard.borrow().may_read() {
            // What has been read is looked at when this returns.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let verdict = self.guard.borrow_mut().feed(&buf.filled()[before..], self.warden.now());
        if verdict.is_err() {
            buf.set_filled(before);
        }
        Poll::Ready(self.pass(cx))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, W: Warden + Unpin, G: Follow> AsyncWrite for Guarded<S, W, G> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pass(cx)?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let written = ready!(self.noted(polled))?;
        self.warden.written(written);
        self.wrote(cx, &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pass(cx)?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let written = ready!(self.noted(polled))?;
        self.warden.written(written);
        let mut rest = written;
        for slice in slices {
            let length = rest.min(slice.len());
            self.wrote(cx, &slice[..length]);
            rest -= length;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pass(cx)?;
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS takes what the socket does not, and comes to its end here.
        if let Poll::Ready(Ok(())) = polled {
            self.warden.flushed();
        }
        self.noted(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// GOAWAY with ENHANCE_YOUR_CALM. Every stream up to the last may have been begun.
fn goaway(last: u32, flood: Flood) -> Vec<u8> {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let debug = flood.name().as_bytes();
    let length = 8 + debug.len() as u8;
    let mut frame = vec![0, 0, length, head::GOAWAY, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    frame.extend_from_slice(debug);
    frame
}
