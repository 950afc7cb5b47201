//! Every address of this machine, of whichever family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A port at every address. A socket of IPv6 takes connections over IPv4 as well, so it is the one to have wherever the
/// system has any: in a cluster of IPv6 alone, a kubelet asks there and nowhere else.
#[must_use]
pub(super) fn everywhere(port: u16) -> SocketAddr {
    // No packet is sent, and nobody is kept from the port that it takes.
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    let address: IpAddr = if has_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    SocketAddr::new(address, port)
}
