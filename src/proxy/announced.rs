//! Whose a connection is, when a load balancer in front announces it: the PROXY header is read, and nothing behind it.
//!
//! It is looked at in the socket before it is taken out of it: TLS or HTTP find their first byte where they expect it,
//! and need not know that anything was there.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy_protocol::{Broken, Parsed, parse};
use super::watch::Phase;
use super::worker::Worker;

/// So much is looked at at a time.
const LOOK: usize = 512;

/// Why nobody knows whose a connection is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The peer has made a connection, and ended it: a check whether the port is open.
    #[error("the connection ended before its first byte")]
    Unused,
    /// Its time is over.
    #[error("the PROXY header took too long")]
    Timeout,
    /// It is none.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The client whom the header names, within the limits for the first byte and for a head. `None`: the peer itself.
///
/// # Errors
/// If the connection is nobody's. Those who should have known better are counted.
pub(super) async fn client(worker: &Worker, stream: &mut TcpStream) -> Result<Option<SocketAddr>, Failure> {
    let watch = worker.watches.add(&worker.limits, worker.clock.millis());
    let mut receive =
        pin!(receive(stream, || watch.enter(Phase::Head, worker.clock.millis().plus(worker.limits.head))));
    let ended = poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() {
            return Poll::Ready(Err(Failure::Timeout));
        }
        receive.as_mut().poll(cx)
    });
    ended.await.inspect_err(|failure| {
        if matches!(failure, Failure::Timeout | Failure::Broken(_)) {
            worker.metrics.announcements_broken.inc();
        }
    })
}

/// Takes the header from a connection. It has no time limit of its own.
///
/// # Errors
/// As soon as it cannot become one.
pub(super) async fn receive(stream: &mut TcpStream, begun: impl FnOnce()) -> Result<Option<SocketAddr>, Failure> {
    let mut begun = Some(begun);
    let mut header = Vec::new();
    let mut look = [0; LOOK];
    loop {
        let seen = stream.peek(&mut look).await?;
        if seen == 0 {
            return Err(if header.is_empty() { Failure::Unused } else { Broken::CutOff.into() });
        }
        if let Some(begun) = begun.take() {
            begun();
        }
        let taken = header.len();
        header.extend_from_slice(&look[..seen]);
        match parse(&header)? {
            Parsed::Incomplete => drop(stream.read_exact(&mut look[..seen]).await?),
            Parsed::Complete { client, length } => {
                stream.read_exact(&mut look[..length - taken]).await?;
                return Ok(client);
            }
        }
    }
}
