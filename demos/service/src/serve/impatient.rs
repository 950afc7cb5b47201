//! A stream that waits for nobody for long. Whoever asks for something and then does not take it would otherwise keep a
//! connection, and the answer in memory, for ever: hyper only limits the time for a request's head.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A stream whose writes fail once the other side has taken nothing for a while. Reading is another matter: an idle
/// connection is none that hangs.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Since a write had to wait.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        ready!(self.waiting.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (_client, server) = duplex(10);
        let started = Instant::now();
        let error = Impatient::new(server, PATIENCE).write_all(&[0; 11]).await.expect_err("nobody reads");
        assert_eq!((error.kind(), started.elapsed()), (ErrorKind::TimedOut, PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_little_by_little_gets_all() {
        let (mut client, server) = duplex(10);
        let answer = tokio::spawn(async move { Impatient::new(server, PATIENCE).write_all(&[7; 50]).await });
        for _ in 0..5 {
            sleep(PATIENCE / 2).await;
            assert_eq!(client.read(&mut [0; 10]).await.expect("bytes"), 10);
        }
        answer.await.expect("it ends").expect("all was written");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_hurried() {
        let (mut client, server) = duplex(10);
        let mut server = Impatient::new(server, PATIENCE);
        server.write_all(b"hello").await.expect("written");
        let late = tokio::spawn(async move {
            sleep(10 * PATIENCE).await;
            client.write_all(b"x").await.expect("written");
            client
        });
        assert_eq!(server.read_u8().await.expect("a byte"), b'x');
        late.await.expect("it ends");
    }
}
