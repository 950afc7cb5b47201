//! Sockets to listen on, and what to do about an address that cannot be listened on.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// A socket that is about to be bound to this address. One of IPv6 takes connections over IPv4 as well, whatever the system does
/// by itself.
///
/// # Errors
/// If the system has none of this family.
pub fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(socket, address)
}

fn prepare(socket: Socket, address: SocketAddr) -> io::Result<Socket> {
    // Whoever starts anew need not wait for the last connections of the one before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_ipv6_takes_ipv4_as_well_whatever_the_system_does_by_itself() {
        // A system without IPv6 has nothing to decide.
        let Ok(socket) = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)) else { return };
        socket.set_only_v6(true).expect("an option");
        let socket = prepare(socket, "[::]:0".parse().expect("an address")).expect("options");
        assert!(!socket.only_v6().expect("an option"));
    }
}
