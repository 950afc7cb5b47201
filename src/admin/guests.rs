//! A listener with room for so many: who comes when it is full takes the place of who has been there longest. So nobody
//! who keeps connections open, idle or not, keeps a probe out, or uses up descriptors that the proxy needs.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// As many connections are open at once: those of probes, scrapers and a few people who look.
pub(super) const ROOM: usize = 48;

/// A listener, and who is there, the longest first.
pub(super) struct Guests {
    listener: TcpListener,
    places: VecDeque<oneshot::Sender<()>>,
}

/// A connection, until its place is somebody else's.
pub(super) struct Guest {
    stream: TcpStream,
    place: oneshot::Receiver<()>,
    has_left: bool,
}

impl Guests {
    pub(super) fn of(listener: TcpListener) -> Self {
        Self { listener, places: VecDeque::with_capacity(ROOM) }
    }
}

impl Listener for Guests {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.places.retain(|place| !place.is_closed());
        if self.places.len() >= ROOM {
            self.places.pop_front();
        }
        let (theirs, place) = oneshot::channel();
        self.places.push_back(theirs);
        (Guest { stream, place, has_left: false }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Guest {
    fn stays(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.has_left = self.has_left || Pin::new(&mut self.place).poll(cx).is_ready();
        if self.has_left { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
