//! Connecting to an endpoint.
//!
//! A dead pod's address does not refuse, it swallows: a dial to it would hang for minutes. So a dial has a second, and
//! ends at once when the snapshot says that the endpoint has gone. What is sent has a time-out too: see
//! `Connection::send`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::connection::{Connection, Open};
use super::{Upstream, Upstreams};
use crate::descriptors;
use crate::limits::Limits;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// As many as allowed are open, or as this system can have.
    #[error("too many connections")]
    Full,
    /// Nobody answered in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The endpoint has gone meanwhile.
    #[error("the endpoint has left")]
    Gone,
    /// It was accepted, and closed before it took a request.
    #[error("the connection was closed before it took a request")]
    Closed,
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// hyper says no.
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

/// A fresh connection to the first of the addresses that answers.
pub(crate) async fn dial(
    upstreams: &Upstreams,
    upstream: &Upstream,
    addresses: &[SocketAddr],
    limits: &Limits,
) -> Result<Box<Connection>, DialError> {
    if upstream.is_full(upstreams) {
        return Err(DialError::Full);
    }
    // Counted from now on: dials under way are connections too.
    let open = Open::new(&upstream.open);
    let (stream, address) = tokio::select! {
        connected = connect_any(addresses, limits) => connected?,
        () = upstream.changed.notified() => return Err(DialError::Gone),
    };
    Ok(Box::new(Connection::new(stream, address, limits.head_size, open).await?))
}

/// Can a connection be made?
pub(crate) async fn probe(addresses: &[SocketAddr], limits: &Limits) -> bool {
    connect_any(addresses, limits).await.is_ok()
}

async fn connect_any(addresses: &[SocketAddr], limits: &Limits) -> Result<(TcpStream, SocketAddr), DialError> {
    let mut last = DialError::Io(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        match timeout(limits.connect, connect(*address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok((stream, *address));
            }
            // The endpoint has no part in it, and another address would not help.
            Ok(Err(error)) if descriptors::is_exhausted(&error) => {
                tracing::debug!(%error, %address, "no socket for a connection to an endpoint");
                return Err(DialError::Full);
            }
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = DialError::Timeout(limits.connect),
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if descriptors::is_reserved(&socket) {
        return Err(descriptors::exhausted());
    }
    socket.connect(address).await
}
