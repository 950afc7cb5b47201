//! A socket that is closed in a way that lets its peer read the last answer.
//!
//! ## Why it reads on
//! A system that is told to close a socket on which something is unread resets the connection, and the peer's system
//! throws away what it has not read yet: the very answer that says why the connection ends. So the end is written first,
//! and then everything is read and thrown away until the peer has seen it (RFC 9112 §9.6). Whoever drives the connection
//! bounds the time for that; the amount has a bound here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::delegate::delegate_write;

/// So much is thrown away; whoever sends more does not listen.
pub(super) const MOST: usize = 1 << 20;

/// A socket that waits for its peer when it is closed.
#[derive(Debug)]
pub(super) struct Linger<S> {
    stream: S,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has ended.
    Open,
    /// The peer has ended, so nobody needs to wait for it.
    Ended,
    /// We have ended, and read on: so much has been thrown away.
    Draining(usize),
}

impl<S> Linger<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, state: State::Open }
    }

    /// The socket, which closes like any.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Linger<S> {
    /// Reads on until the peer has ended, or has sent too much.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while let State::Draining(drained) = &mut self.state {
            let mut buf = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            *drained += buf.filled().len();
            if read.is_err() || buf.filled().is_empty() || *drained > MOST {
                self.state = State::Ended;
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if room > 0 && buf.filled().len() == before {
            self.state = State::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    delegate_write!(stream);

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.state, State::Draining(_)) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.state == State::Open {
                self.state = State::Draining(0);
            }
        }
        self.poll_drain(cx).map(Ok)
    }
}
