//! A socket with a guard: what is read from it passes the guard before anybody else sees it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::delegate::delegate_write;
use super::guard::{Guard, Place, Refusal, Requests, Responses, Side, stand_in};

/// A socket, and the guard that it shares with whoever has to know what was refused.
#[derive(Debug)]
pub(super) struct Guarded<S, D> {
    stream: S,
    guard: Rc<RefCell<Guard<D>>>,
    /// So much of the [`stand_in`] has been handed on.
    stood_in: usize,
}

/// What hyper is told when nothing more passes.
pub(super) trait Verdict: Side {
    /// What is read in place of a refused head; `None`: the read fails.
    fn stand_in(refusal: Refusal) -> Option<&'static [u8]>;
}

impl Verdict for Requests {
    fn stand_in(refusal: Refusal) -> Option<&'static [u8]> {
        Some(stand_in(refusal))
    }
}

impl Verdict for Responses {
    fn stand_in(_: Refusal) -> Option<&'static [u8]> {
        None
    }
}

impl<S, D: Verdict> Guarded<S, D> {
    pub(super) fn new(stream: S, guard: Rc<RefCell<Guard<D>>>) -> Self {
        Self { stream, guard, stood_in: 0 }
    }

    /// The socket, and what has been read from it and not been handed on.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        let kept = self.guard.borrow_mut().take_kept();
        (self.stream, kept)
    }

    /// A head that is refused is answered in its turn, by whoever knows the stand-in for it; what comes after it is
    /// never read. Nothing but an error ends a body that is refused, and nobody who speaks no HTTP would understand.
    fn refused(&mut self, refusal: Refusal, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_answered = refusal.place == Place::Head && refusal.rule.is_answered();
        let Some(stand_in) = D::stand_in(refusal).filter(|_| is_answered) else {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal.rule)));
        };
        let rest = &stand_in[self.stood_in..];
        if rest.is_empty() {
            return Poll::Pending;
        }
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.stood_in += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin, D: Verdict> AsyncRead for Guarded<S, D> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Round again rather than return with nothing, which would mean the end.
        loop {
            let mut guard = this.guard.borrow_mut();
            let ready = guard.ready();
            if !ready.is_empty() {
                let length = ready.len().min(buf.remaining());
                buf.put_slice(&ready[..length]);
                guard.consume(length);
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = guard.refusal() {
                drop(guard);
                return this.refused(refusal, buf);
            }
            if guard.is_http2() {
                // Whoever drives the connection looks at the guard as well.
                return Poll::Pending;
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = guard.feed(fresh);
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, D: Verdict> AsyncWrite for Guarded<S, D> {
    delegate_write!(stream);

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
