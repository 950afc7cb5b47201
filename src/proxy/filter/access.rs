//! Who may come. Pure.
//!
//! The client's address is the one that its connection came from, or that a PROXY header named; and if that is a trusted
//! proxy, the one that this proxy says it speaks for: the last of `X-Forwarded-For` that is no trusted proxy's itself.
//! Whoever is not known by an address is nobody who was let in.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::super::client::Client;
use super::super::error::Error;
use super::super::headers::FORWARDED_FOR;
use crate::routing::filters::Access;

/// Turns away who may not come.
pub(super) fn check(access: &Access, client: &Client, fields: &HeaderMap) -> Result<(), Error> {
    match access {
        Access::Open => Ok(()),
        Access::Closed(why) => Err(Error::Closed(why.clone())),
        Access::Only(networks) => {
            let origin = match client.trusted_networks() {
                Some(trusted) => origin(client.address, fields, trusted),
                None => Some(client.address),
            };
            let is_let_in = origin.is_some_and(|origin| contain(networks, origin));
            if is_let_in { Ok(()) } else { Err(Error::Forbidden) }
        }
    }
}

/// On whose behalf the trusted proxy at `peer` asks; `None` if it says something that is no address.
fn origin(peer: IpAddr, fields: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut last = peer;
    for field in fields.get_all(FORWARDED_FOR).into_iter().rev() {
        for entry in field.as_bytes().rsplit(|byte| *byte == b',') {
            last = address(std::str::from_utf8(entry).ok()?.trim())?;
            if !contain(trusted, last) {
                return Some(last);
            }
        }
    }
    Some(last)
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

fn contain(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Behind 10.0.0.1, with these fields, where 10.0.0.0/8 is trusted.
    #[track_caller]
    fn check(forwarded_for: &[&'static str], expected: Option<&str>) {
        let mut fields = HeaderMap::new();
        for value in forwarded_for {
            fields.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let found = origin([10, 0, 0, 1].into(), &fields, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{forwarded_for:?}");
    }

    #[test]
    fn the_client_is_the_last_one_that_is_no_trusted_proxy() {
        check(&["192.0.2.1"], Some("192.0.2.1"));
        check(&["192.0.2.1, 10.0.0.2, 10.0.0.3"], Some("192.0.2.1"));
        check(&["192.0.2.1", "10.0.0.2"], Some("192.0.2.1"));
        check(&["192.0.2.9", "192.0.2.1"], Some("192.0.2.1"));
        check(&["10.0.0.9, 10.0.0.8"], Some("10.0.0.9"));
        check(&[], Some("10.0.0.1"));
    }

    #[test]
    fn nobody_gets_in_by_writing_the_field_himself() {
        check(&["192.0.2.200, 198.51.100.7"], Some("198.51.100.7"));
        check(&["192.0.2.200, 198.51.100.7, 10.0.0.2"], Some("198.51.100.7"));
    }

    #[test]
    fn addresses_come_with_ports_and_in_other_families() {
        check(&["192.0.2.1:4711"], Some("192.0.2.1"));
        check(&["[2001:db8::1]:4711"], Some("2001:db8::1"));
        check(&["[2001:db8::1]"], Some("2001:db8::1"));
        check(&["::ffff:192.0.2.1"], Some("192.0.2.1"));
    }

    #[test]
    fn what_is_no_address_is_nobodys() {
        for odd in ["", "unknown", "_hidden", "192.0.2.1, ", "192.0.2.1,,10.0.0.2", "192.0.2.300", "192.0.2.1 10.0.0.2"]
        {
            check(&[odd], None);
        }
    }
}
