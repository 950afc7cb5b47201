//! Hosts: the canonical form is canonical, and a host that is a pattern matches itself.

use moorline::routing::HostPattern;

use crate::planted::canonical;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pattern = text.parse::<HostPattern>();
    let Ok(host) = canonical(text) else { return };
    assert!(!host.is_empty() && host.len() <= 253, "{host:?}");
    assert_eq!(canonical(&host).as_deref(), Ok(&*host), "it has another form");
    assert_eq!(canonical(&format!("{host}:80")).as_deref(), Ok(&*host), "a port makes a difference");
    assert_eq!(canonical(&host.to_ascii_uppercase()).as_deref(), Ok(&*host), "case makes a difference");
    let is_literal = host.starts_with('[');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if is_literal {
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect("brackets");
        assert!(address.parse::<std::net::Ipv6Addr>().is_ok(), "{host:?}");
    } else {
        assert!(host.chars().all(plain), "{host:?}");
        assert!(host.split('.').all(|label| !label.is_empty()), "{host:?}");
        assert_eq!(canonical(&format!("{host}.")).as_deref(), Ok(&*host), "a final dot makes a difference");
    }
    assert_eq!(host.parse(), Ok(HostPattern::Exact(host.clone().into())));
    if let Ok(pattern) = pattern {
        assert_eq!(pattern, HostPattern::Exact(host.into()), "a pattern is read in another way than a host");
    }
}
