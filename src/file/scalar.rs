//! Single values of the file and of the command line: addresses, networks, names, durations and sizes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::ParseIntError;
use std::time::Duration;

use ipnet::IpNet;

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// `127.0.0.1`
    #[error("{0:?} has no port: write it as 127.0.0.1:8080")]
    NoPort(String),
    /// `http://…`
    #[error("{0:?} is a URL: only the address and the port belong here, as in 127.0.0.1:8080")]
    Url(String),
    /// `shop.internal:80`: names change what they lead to, and who a session belongs to would change with them.
    #[error("{0:?} is a name: give an IP address and a port, as in 127.0.0.1:8080")]
    HostName(String),
    /// `127.0.0.1:99999`
    #[error("{0:?} is no address: write it as 127.0.0.1:8080 or [::1]:8080")]
    Malformed(String),
    /// Nothing can be connected to at port 0.
    #[error("an endpoint has a port other than 0")]
    PortZero,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write it as 10.0.0.0/8, or as one address")]
pub struct NetworkError(pub String);

/// Why a text is no name of a backend or an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("a name is not empty")]
    Empty,
    /// As long as the longest name of a pod.
    #[error("a name has at most 253 characters")]
    TooLong,
    /// Names stand in metrics, in logs and before slashes.
    #[error("{0:?} cannot stand in a name: use letters, digits, '-', '_' and '.'")]
    Character(char),
}

/// Why a text is nothing that a certificate could cover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a server: write it as posts.internal, or as an IP address without a port")]
pub struct ServerNameError(pub String);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// `75`: of what?
    #[error("{0:?} has no unit: write it as {0}s, {0}ms or {0}m")]
    NoUnit(String),
    /// `abc`, `1.5s`, `-1s`
    #[error("{0:?} is no duration: write it as 500ms, 75s, 1m30s, 2h or 30d")]
    Malformed(String),
}

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size: write it as 64KiB, 1MiB or a number of bytes")]
pub struct SizeError(pub String);

/// Where to listen. Port 0 takes a free one.
///
/// # Errors
/// If it is no address.
pub fn listen_address(text: &str) -> Result<SocketAddr, AddressError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let owned = || text.to_owned();
    if text.contains("://") {
        return Err(AddressError::Url(owned()));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(AddressError::NoPort(owned()));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| AddressError::NoPort(owned()))?;
    let port: u16 = port.parse().map_err(|_: ParseIntError| AddressError::Malformed(owned()))?;
    match host {
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ if host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains([':', '[']) => {
            Err(AddressError::HostName(owned()))
        }
        _ => Err(AddressError::Malformed(owned())),
    }
}

/// Where an endpoint listens.
///
/// # Errors
/// If it is no address, or its port is 0.
pub fn endpoint_address(text: &str) -> Result<SocketAddr, AddressError> {
    let address = listen_address(text)?;
    if address.port() == 0 { Err(AddressError::PortZero) } else { Ok(address) }
}

/// The host of an address, if it is a name.
#[must_use]
pub fn host(address: &str) -> Option<&str> {
    let (host, _) = address.rsplit_once(':')?;
    (!host.starts_with('[') && host.parse::<IpAddr>().is_err()).then_some(host)
}

/// What certificates can cover: a DNS name, or an IP address.
///
/// # Errors
/// If it is neither.
pub fn server_name(text: &str) -> Result<&str, ServerNameError> {
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(usual)
    };
    let is_number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    let is_name = text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number);
    if is_name || text.parse::<IpAddr>().is_ok() { Ok(text) } else { Err(ServerNameError(text.to_owned())) }
}

/// A network, or one address as a network of its own. Bits behind the mask are dropped.
///
/// # Errors
/// If it is neither.
pub fn network(text: &str) -> Result<IpNet, NetworkError> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| canonical(network.trunc())).ok_or_else(|| NetworkError(text.to_owned()))
}

/// A network of IPv4 in the clothes of IPv6 is one of IPv4, as its addresses are.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(wide) = network else { return network };
    let narrow = wide.addr().to_ipv4_mapped().zip(wide.prefix_len().checked_sub(96));
    narrow.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// The name of a backend or an endpoint.
///
/// # Errors
/// If it could be taken for something else where it is shown.
pub fn name(text: &str) -> Result<&str, NameError> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text.chars().find(|c| !usual(*c)) {
        Some(c) => Err(NameError::Character(c)),
        None if text.is_empty() => Err(NameError::Empty),
        None if text.len() > 253 => Err(NameError::TooLong),
        None => Ok(text),
    }
}

/// A duration: whole numbers with units, the largest first, as in `1h30m`.
///
/// # Errors
/// If it is none. Only 0 goes without a unit.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text {
        "0" => return Ok(Duration::ZERO),
        _ if !text.is_empty() && digits(text) == text.len() => return Err(DurationError::NoUnit(text.to_owned())),
        _ => {}
    }
    let malformed = || DurationError::Malformed(text.to_owned());
    let (mut rest, mut total, mut smallest) = (text, 0u64, u64::MAX);
    while !rest.is_empty() || smallest == u64::MAX {
        let (number, behind) = rest.split_at(digits(rest));
        let letters = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, behind) = behind.split_at(letters);
        let millis = millis(unit).filter(|millis| *millis < smallest).ok_or_else(malformed)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)).ok_or_else(malformed)?;
        total = total.checked_add(part).ok_or_else(malformed)?;
        (rest, smallest) = (behind, millis);
    }
    Ok(Duration::from_millis(total))
}

fn millis(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        "d" => Some(24 * 60 * 60 * 1000),
        _ => None,
    }
}

/// A number of bytes.
///
/// # Errors
/// If it is none.
pub fn size(text: &str) -> Result<usize, SizeError> {
    let (number, unit) = text.split_at(text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let unit = match unit.trim_start() {
        "" | "B" => Some(1),
        "KiB" => Some(1024),
        "MiB" => Some(1024 * 1024),
        "GiB" => Some(1024 * 1024 * 1024),
        _ => None,
    };
    let size = unit.and_then(|unit| number.parse::<usize>().ok()?.checked_mul(unit));
    size.ok_or_else(|| SizeError(text.to_owned()))
}

/// The duration as people write it: `1m 30s` without the blank.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for unit in ["d", "h", "m", "s", "ms"] {
        let millis = millis(unit).unwrap_or(1);
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The size as people write it: `64KiB`.
#[must_use]
pub fn show_size(size: usize) -> String {
    match size {
        _ if size >= 1024 * 1024 && size.is_multiple_of(1024 * 1024) => format!("{}MiB", size / (1024 * 1024)),
        _ if size >= 1024 && size.is_multiple_of(1024) => format!("{}KiB", size / 1024),
        _ => format!("{size}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_what_certificates_can_cover() {
        for good in ["posts.internal", "a", "_x.b-c.d3", "127.0.0.1", "::1", "1.a"] {
            assert_eq!(server_name(good), Ok(good));
        }
        let long = format!("{}.a", "a".repeat(64));
        for bad in ["", ".", "a.", "a..b", "-a", "a-", "a:443", "[::1]", "a b", "1.2.3", "a.1", "*.a", "ä.de", &long] {
            assert_eq!(server_name(bad), Err(ServerNameError(bad.to_owned())));
        }
    }

    #[test]
    fn an_address_may_have_the_name_of_a_host() {
        for (address, name) in
            [("localhost:1", Some("localhost")), ("127.0.0.1:1", None), ("[::1]:1", None), ("", None)]
        {
            assert_eq!(host(address), name, "{address:?}");
        }
    }

    #[test]
    fn durations_are_whole_numbers_with_units() {
        for (text, millis) in [
            ("75s", 75_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("0", 0),
            ("0s", 0),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text:?}");
        }
        assert_eq!(duration("75"), Err(DurationError::NoUnit("75".into())));
        for bad in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1h30",
            "30s1m",
            "1s1s",
            " 1s",
            "1 s",
            "99999999999999999999s",
            "9999999999999999999d",
            "١s",
        ] {
            assert_eq!(duration(bad), Err(DurationError::Malformed(bad.into())));
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for millis in [0, 1, 999, 1000, 1001, 90_000, 86_400_000, 2_592_000_000, 123_456_789_012] {
            let shown = show_duration(Duration::from_millis(millis));
            assert_eq!(duration(&shown), Ok(Duration::from_millis(millis)), "{shown}");
        }
        for bytes in [0, 1, 1000, 1024, 65_536, 1024 * 1024, 1024 * 1024 + 1] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_multiples() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1 MiB"), Ok(1024 * 1024));
        assert_eq!(size("100"), Ok(100));
        for bad in ["", "KiB", "64KB", "64k", "-1", "1.5MiB", "99999999999999999999"] {
            assert_eq!(size(bad), Err(SizeError(bad.into())));
        }
    }

    #[test]
    fn addresses_are_ip_and_port() {
        let local = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(listen_address("127.0.0.1:80"), Ok(local));
        assert_eq!(listen_address("localhost:80"), Ok(local));
        assert_eq!(listen_address("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
        assert_eq!(listen_address("0.0.0.0:0").map(|a| a.port()), Ok(0));
        assert_eq!(endpoint_address("0.0.0.0:0"), Err(AddressError::PortZero));
        for (bad, error) in [
            ("127.0.0.1", AddressError::NoPort as fn(String) -> AddressError),
            ("::1", AddressError::NoPort),
            ("9001", AddressError::NoPort),
            ("http://127.0.0.1:80", AddressError::Url),
            ("shop.internal:80", AddressError::HostName),
            (":80", AddressError::Malformed),
            ("127.0.0.1:99999", AddressError::Malformed),
            ("1.2.3:80", AddressError::Malformed),
            ("[::1:80", AddressError::Malformed),
        ] {
            assert_eq!(listen_address(bad), Err(error(bad.into())));
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("::ffff:0.0.0.0/95").unwrap().to_string(), "::fffe:0:0/95", "half of it is no IPv4");
        assert!(network("10.0.0.0/33").is_err() && network("").is_err());
    }

    #[test]
    fn names_have_no_slash() {
        assert_eq!(name("posts-0.a_B"), Ok("posts-0.a_B"));
        assert_eq!(name(""), Err(NameError::Empty));
        assert_eq!(name("a/b"), Err(NameError::Character('/')));
        assert_eq!(name(&"a".repeat(254)), Err(NameError::TooLong));
    }
}
