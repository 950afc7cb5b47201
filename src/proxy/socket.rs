//! What sockets are told, on whichever side they are.
//!
//! ## Why the system is not to keep more than it can send
//! It makes room for megabytes while a peer that is slow takes nothing. All of that is fetched from the other side, copied and
//! kept for nobody, at the cost of everybody else. So it takes more only while little is left that it has not sent yet: what is
//! on its way counts no part in that, and a peer that is far and fast loses nothing.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Two pieces of a body: one is sent while the next is fetched.
#[cfg(target_os = "linux")]
pub(super) const UNSENT: u32 = 128 * 1024;

/// Tells a connection what all of them are told. It works without.
pub(super) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = bound_unsent(&SockRef::from(stream));
}

/// What bytes go over in the end.
pub(super) trait OverTcp {
    /// The connection below.
    fn tcp(&self) -> &TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// Has the connection end with a reset when it is closed, if that can be had: its peer does not take that for the end of what was
/// sent, and the system keeps nothing that nobody reads.
pub(super) fn reset_at_end(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(target_os = "linux")]
fn bound_unsent(socket: &SockRef<'_>) -> std::io::Result<()> {
    socket.set_tcp_notsent_lowat(UNSENT)
}

/// Not every system has such an option.
#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &SockRef<'_>) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_keeps_little_that_it_has_not_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        tune(&stream);
        assert_eq!(SockRef::from(&stream).tcp_notsent_lowat().expect("an option of Linux"), UNSENT);
        assert!(stream.nodelay().expect("an option"));
    }
}
