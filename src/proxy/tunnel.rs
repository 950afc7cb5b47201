//! Bytes of another protocol, both ways, until both sides have ended or nothing has moved for too long.
//!
//! A tunnel is a request that goes on: its exchange is logged when it ends, its session lives as long as it does, and
//! a shutdown waits for it as for any request. Each direction ends by itself.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::interval;

use super::exchange::Exchange;
use super::lane::Lane;
use super::turns::Turn;
use super::upstream::{Connection, InFlight, Switched};
use super::watch::Phase;
use super::worker::Worker;
use crate::routing::SessionId;

/// So much is on its way in each direction, at most.
pub(super) const BUFFER: usize = 16 * 1024;

/// A connection to an endpoint that speaks another protocol now, and the request that it did so for.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) connection: Box<Connection>,
    pub(super) upstream: InFlight,
    pub(super) exchange: Exchange,
    /// The session that is there as long as this is, and how long it would be without.
    pub(super) session: Option<(SessionId, Duration)>,
}

impl Tunnel {
    /// Moves bytes between the client and the endpoint. `early` is what the client has sent already.
    pub(super) async fn run(self, lane: &Lane, client: impl AsyncRead + AsyncWrite + Unpin, early: &[u8]) {
        let Self { connection, upstream: _upstream, mut exchange, session } = self;
        let worker = lane.worker();
        worker.metrics.tunnels.inc();
        let received = Cell::new(0);
        let limit = lane.timeouts().read.unwrap_or(worker.limits.tunnel);
        let progress = || lane.watch.enter(Phase::Tunnel, worker.coarse().plus(limit));
        progress();
        let mut moved = pin!(async {
            let Switched { stream, early: first, _open } = connection.switched().await?;
            let mut client = Observed { stream: client, worker, turn: Turn::default(), progress: |_| progress() };
            let mut server = Observed {
                stream,
                worker,
                turn: Turn::default(),
                progress: |length| {
                    received.set(received.get() + length);
                    progress();
                },
            };
            received.set(first.len());
            client.write_all(&first).await?;
            server.write_all(early).await?;
            copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
        });
        let mut stay = pin!(stay(lane, session));
        let ended = poll_fn(|cx| {
            lane.watch.register(cx);
            if lane.watch.is_expired() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let _ = stay.as_mut().poll(cx);
            moved.as_mut().poll(cx)
        });
        match ended.await {
            Ok(_) => exchange.completed(),
            Err(error) => tracing::debug!(%error, "tunnel broke off"),
        }
        exchange.tunnelled(received.get());
        worker.metrics.tunnels.dec();
    }
}

/// Keeps a session in the index for as long as this is polled.
async fn stay(lane: &Lane, session: Option<(SessionId, Duration)>) {
    let Some((session, idle)) = session else { return pending().await };
    let worker = lane.worker();
    let mut every = interval((idle / 4).max(Duration::from_millis(10)));
    loop {
        every.tick().await;
        worker.sessions.stay(session, worker.clock.millis());
    }
}

/// A socket that is read in turns, and says when something has been read from it, and how much.
struct Observed<'w, S, F> {
    stream: S,
    worker: &'w Worker,
    turn: Turn,
    progress: F,
}

impl<S: AsyncRead + Unpin, F: Fn(usize) + Unpin> AsyncRead for Observed<'_, S, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (&mut *self, buf.filled().len());
        ready!(this.turn.poll(&this.worker.turns, cx));
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        this.turn.moved(read, this.worker.coarse());
        (this.progress)(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Observed<'_, S, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
