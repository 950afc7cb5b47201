//! Host names: the `Host` of a request in its one canonical form, and the patterns that routes are
//! listed under.
//!
//! It does not look anything up; [`super::table`] does.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The longest name that DNS allows, in bytes.
const MAX_NAME: usize = 253;

/// The hosts that a route serves.
///
/// The derived order is the precedence: an exact name beats a wildcard, a wildcard beats any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// `shop.example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `example.com`: exactly one label stands before it
    /// (as [Ingress](https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards) has it).
    Wildcard(Box<str>),
    /// Every host, and requests without one.
    Any,
}

/// Why a text is not a host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is left once the port is gone.
    #[error("the host name is empty")]
    Empty,
    /// DNS has no such long names.
    #[error("the host name is longer than 253 bytes")]
    TooLong,
    /// Something that no host name contains.
    #[error("{0:?} cannot stand in a host name")]
    Character(char),
    /// Two dots in a row, or one at the start.
    #[error("the host name has an empty label")]
    EmptyLabel,
    /// `*` somewhere else than alone in front.
    #[error("a wildcard stands for one whole label in front, as in *.example.com")]
    Wildcard,
    /// `example.com:80`: routes are listed by name; the listener has the port.
    #[error("a host pattern has no port")]
    Port,
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if name.contains('*') {
            return Err(HostError::Wildcard);
        }
        if !name.starts_with('[') && name.contains(':') {
            return Err(HostError::Port);
        }
        let name = canonical(name)?.into();
        Ok(if wildcard { Self::Wildcard(name) } else { Self::Exact(name) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The canonical form of what a request calls its host: lower case, without the port and the final
/// dot. Borrows unless a letter has to change.
///
/// # Errors
/// Whatever is not a host name (RFC 9110 §7.2 asks for 400 then).
pub fn canonical(authority: &str) -> Result<Cow<'_, str>, HostError> {
    let name = without_port(authority)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(HostError::TooLong);
    }
    if name.starts_with('[') {
        return Ok(lower(name, name.bytes().any(|byte| byte.is_ascii_uppercase())));
    }
    let mut upper = false;
    let mut previous = b'.';
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'A'..=b'Z' => upper = true,
            b'.' if previous != b'.' => {}
            b'.' => return Err(HostError::EmptyLabel),
            _ => return Err(HostError::Character(name[at..].chars().next().unwrap_or('?'))),
        }
        previous = byte;
    }
    if previous == b'.' {
        return Err(HostError::EmptyLabel);
    }
    Ok(lower(name, upper))
}

fn lower(name: &str, upper: bool) -> Cow<'_, str> {
    if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// Cuts `:port` off, and checks the inside of an IPv6 literal, whose colons are no port.
fn without_port(authority: &str) -> Result<&str, HostError> {
    let (name, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(HostError::Character('['))?;
        let address = &authority[1..end];
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(HostError::Character('['));
        }
        authority.split_at(end + 1)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(name),
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(name),
        _ => Err(HostError::Character(':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(authority: &str, expected: Result<&str, HostError>) {
        assert_eq!(canonical(authority), expected.map(Cow::Borrowed), "{authority:?}");
    }

    #[test]
    fn hosts_of_requests_have_one_canonical_form() {
        check("example.com", Ok("example.com"));
        check("EXAMPLE.com:8080", Ok("example.com"));
        check("example.com.", Ok("example.com"));
        check("a_b.example", Ok("a_b.example"));
        check("127.0.0.1:80", Ok("127.0.0.1"));
        check("[::1]:8080", Ok("[::1]"));
        check("[FE80::1]", Ok("[fe80::1]"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        check("", Err(HostError::Empty));
        check(":80", Err(HostError::Empty));
        check(".", Err(HostError::Empty));
        check("a..b", Err(HostError::EmptyLabel));
        check(".a", Err(HostError::EmptyLabel));
        check("a..", Err(HostError::EmptyLabel));
        check("a b", Err(HostError::Character(' ')));
        check("user@host", Err(HostError::Character('@')));
        check("host:http", Err(HostError::Character(':')));
        check("host:123456", Err(HostError::Character(':')));
        check("[::1", Err(HostError::Character('[')));
        check("[nonsense]", Err(HostError::Character('[')));
        check("[::1]x", Err(HostError::Character(':')));
        check("münchen.example", Err(HostError::Character('ü')));
        check(&"a".repeat(254), Err(HostError::TooLong));
    }

    #[test]
    fn patterns_are_exact_wildcard_or_any() {
        assert_eq!("*".parse(), Ok(HostPattern::Any));
        assert_eq!("*.Example.com".parse(), Ok(HostPattern::Wildcard("example.com".into())));
        assert_eq!("example.com".parse(), Ok(HostPattern::Exact("example.com".into())));
        assert_eq!("a.*.com".parse::<HostPattern>(), Err(HostError::Wildcard));
        assert_eq!("*.*.com".parse::<HostPattern>(), Err(HostError::Wildcard));
        assert_eq!("example.com:80".parse::<HostPattern>(), Err(HostError::Port));
    }

    #[test]
    fn exact_beats_wildcard_beats_any() {
        let exact = HostPattern::Exact("z".into());
        let wildcard = HostPattern::Wildcard("a".into());
        assert!(exact < wildcard && wildcard < HostPattern::Any);
    }
}
