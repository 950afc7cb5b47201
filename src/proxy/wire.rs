//! A socket that tells somebody what moves, and writes small messages in one piece.
//!
//! ## Why small messages are copied together
//! hyper hands over head and body as two slices. For a small response gathering them in the kernel takes longer than
//! copying them here, and so does gathering a single one. Over TLS it makes no difference: rustls gathers both into one
//! record, as it does with larger ones.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Messages up to this size are written in one piece.
const SMALL: usize = 2048;

/// Who wants to know what moves.
pub(super) trait Observer<S> {
    /// So much is read at a time, at most; never nothing, which would be the end.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// Some bytes have been read.
    fn read(&self);

    /// Some bytes are about to be written, these first. They may be about to be written again, if there was no room.
    fn writing(&self, _stream: &S, _bytes: &[u8]) {}

    /// Some bytes have been written.
    fn written(&self) {}

    /// Everything that there was has been written.
    fn flushed(&self) {}

    /// The connection is to be closed.
    fn closing(&self) {}
}

/// A socket with an observer.
#[derive(Debug)]
pub(super) struct Wire<S, O> {
    stream: S,
    observer: O,
}

impl<S, O: Observer<S>> Wire<S, O> {
    pub(super) fn new(stream: S, observer: O) -> Self {
        Self { stream, observer }
    }

    /// The socket, unobserved.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    fn wrote(&self, written: io::Result<usize>) -> Poll<io::Result<usize>> {
        if matches!(written, Ok(1..)) {
            self.observer.written();
        }
        Poll::Ready(written)
    }
}

impl<S: AsyncRead + Unpin, O: Observer<S> + Unpin> AsyncRead for Wire<S, O> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let most = u64::try_from(self.observer.most()).unwrap_or(u64::MAX);
        let polled = Pin::new(&mut (&mut self.stream).take(most)).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.observer.read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin, O: Observer<S> + Unpin> AsyncWrite for Wire<S, O> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.observer.writing(&self.stream, bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.observer.writing(&self.stream, slices.first().map_or(&[], |first| first));
        let stream = Pin::new(&mut self.stream);
        let written = match slices {
            [only] => ready!(stream.poll_write(cx, only)),
            several if several.iter().map(|slice| slice.len()).sum::<usize>() <= SMALL => {
                let mut together = [0; SMALL];
                let mut length = 0;
                for slice in several {
                    together[length..length + slice.len()].copy_from_slice(slice);
                    length += slice.len();
                }
                ready!(stream.poll_write(cx, &together[..length]))
            }
            many => ready!(stream.poll_write_vectored(cx, many)),
        };
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.observer.flushed();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.observer.closing();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
