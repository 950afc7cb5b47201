//! An address that cannot be listened on, and what to do about it.

use std::io;
use std::net::SocketAddr;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", explain(.system))]
pub struct BindError {
    /// Which one.
    pub address: SocketAddr,
    /// What the system says. Not a source: the message has it already, in words.
    pub system: io::Error,
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there already".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need the capability CAP_NET_BIND_SERVICE".into(),
        _ => error.to_string(),
    }
}
