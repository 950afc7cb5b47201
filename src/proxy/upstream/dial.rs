//! Connecting to an endpoint.
//!
//! A dead pod's address does not refuse, it swallows: a dial to it would hang for minutes. So a dial has a second, in
//! which TLS is agreed upon too, and ends at once when the snapshot says that the endpoint has gone. What is sent has a
//! time-out too: see `Connection::send`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::super::metrics::WorkerMetrics;
use super::super::socket::tune;
use super::super::worker::Worker;
use super::connection::{Connection, Open};
use super::http2::{Multiplexed, Reporter};
use super::place::Transport;
use super::socket::Socket;
use super::tls::{self, Unfit};
use super::{Upstream, Upstreams};
use crate::descriptors;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// As many as allowed are open, or as this system can have.
    #[error("too many connections")]
    Full,
    /// Nobody answered in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// A connection that worked has swallowed what was sent on it.
    #[error("nothing was acknowledged for {0:?}")]
    Silent(Duration),
    /// The endpoint has gone meanwhile.
    #[error("the endpoint has left")]
    Gone,
    /// It was accepted, and closed before it took a request.
    #[error("the connection was closed before it took a request")]
    Closed,
    /// The endpoint is there, and is not spoken to as it should be.
    #[error(transparent)]
    Unfit(Unfit),
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// hyper says no.
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

/// A fresh connection to the first of the addresses that answers within this time.
pub(crate) async fn dial(
    upstreams: &Upstreams,
    upstream: &Upstream,
    addresses: &[SocketAddr],
    within: Duration,
    head_size: usize,
) -> Result<Box<Connection>, DialError> {
    if upstream.is_full(upstreams) {
        return Err(DialError::Full);
    }
    let transport = upstream.transport();
    // Counted from now on: dials under way are connections too.
    let open = Open::new(&upstream.open, &transport);
    let connect = async |address| Ok((connect(address, &transport).await?, address));
    let (socket, address) = tokio::select! {
        connected = first_of(addresses, within, connect) => connected?,
        () = upstream.changed.notified() => return Err(DialError::Gone),
    };
    Ok(Box::new(Connection::new(socket, address, head_size, open).await?))
}

/// A fresh connection over HTTP/2 to the first of the addresses that answers within this time.
pub(super) async fn dial_http2(
    worker: &Worker,
    upstream: &Upstream,
    addresses: &[SocketAddr],
    within: Duration,
) -> Result<Multiplexed, DialError> {
    let transport = upstream.transport();
    let connect = async |address| {
        let open = Open::new(&upstream.open, &transport);
        let socket = connect(address, &transport).await?;
        Multiplexed::new(socket, address, &worker.limits, open, Reporter::new(worker, upstream)).await
    };
    tokio::select! {
        connected = first_of(addresses, within, connect) => connected,
        () = upstream.changed.notified() => Err(DialError::Gone),
    }
}

/// Can a connection be made? One to whoever is not what it should be counts: waiting mends nothing there.
pub(crate) async fn probe(worker: &Worker, upstream: &Upstream, addresses: &[SocketAddr]) -> bool {
    let transport = upstream.transport();
    let within = worker.limits.connect;
    let probed = if transport.protocol.is_http2() {
        dial_http2(worker, upstream, addresses, within).await.map(drop)
    } else {
        first_of(addresses, within, async |address| connect(address, &transport).await.map(drop)).await
    };
    matches!(probed, Ok(()) | Err(DialError::Unfit(_)))
}

/// Counts a dial that came to nothing.
pub(crate) fn count_failure(metrics: &WorkerMetrics, error: &DialError) {
    match error {
        DialError::Full | DialError::Gone => {}
        DialError::Unfit(_) => {
            metrics.dial_failures.inc();
            metrics.upstream_tls_failures.inc();
        }
        _ => metrics.dial_failures.inc(),
    }
}

async fn first_of<T>(
    addresses: &[SocketAddr],
    within: Duration,
    connect: impl AsyncFn(SocketAddr) -> Result<T, DialError>,
) -> Result<T, DialError> {
    let mut last = DialError::Io(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        match timeout(within, connect(*address)).await {
            Ok(Ok(connected)) => return Ok(connected),
            // The endpoint has no part in it, and another address would not help.
            Ok(Err(DialError::Io(error))) if descriptors::is_exhausted(&error) => {
                tracing::debug!(%error, %address, "no socket for a connection to an endpoint");
                return Err(DialError::Full);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = DialError::Timeout(within),
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, transport: &Transport) -> Result<Socket, DialError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if descriptors::is_reserved(&socket) {
        return Err(descriptors::exhausted().into());
    }
    let stream = socket.connect(address).await?;
    tune(&stream);
    if !transport.protocol.is_tls() {
        return Ok(Socket::Plain(stream));
    }
    let Some(secure) = &transport.secure else { return Err(DialError::Unfit(Unfit::Unknown)) };
    // Boxed: a handshake is large, and most dials have none.
    let stream = Box::pin(secure.connect(stream, address)).await.map_err(|error| {
        // What is no fault of TLS is the network's: nobody is there, or breaks off.
        Unfit::from_handshake(&error).map_or(DialError::Io(error), DialError::Unfit)
    })?;
    if transport.protocol.is_http2() && !tls::agreed_on_http2(&stream) {
        return Err(DialError::Unfit(Unfit::NoAlpn));
    }
    Ok(Socket::Tls(Box::new(stream)))
}
