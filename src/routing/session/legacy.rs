//! The cookies that ingress-nginx leaves behind. Those of its `persistent` mode name their endpoint by an unkeyed hash of
//! the address; those of `balanced` mode are random, and name nobody. They are honoured for a while, so that the move logs
//! nobody out who need not be, and replaced by ours.
//!
//! Whoever knows an address can make a cookie that names it. It says no more than where a *new* session begins, so the worst
//! of it is that a client picks its endpoint, which it could under ingress-nginx too.
//!
//! ## Why what they say is the same for every request
//! A page asks for twenty things at once, all with the old cookie. If each of them began a session by chance, they would
//! scatter over as many endpoints, and the last answer would decide. So a session that follows such a cookie is placed by a
//! hash of it; the hash has a key, so that nobody can aim at an endpoint.
//!
//! ## Why a cookie that names an endpoint is no session's id
//! Everybody on an endpoint has the same one. Two users must not be one session.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use md5::{Digest, Md5};

use crate::routing::EndpointId;

/// Longer than this is no time with a process and a number behind it.
const LONGEST: usize = 64;

/// The digits of a time in seconds, for the next 260 years.
const SECONDS: usize = 10;

/// The hash in such a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LegacyKey([u8; 16]);

/// The endpoints that they name. Many rules may lead to the same.
pub type Homes = Arc<HashMap<LegacyKey, EndpointId>>;

/// Such cookies, and the endpoints that they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// Until when they are honoured, in unix seconds.
    pub until: u64,
    /// Who had which address under ingress-nginx, and has it still; `None` in `balanced` mode.
    pub homes: Option<Homes>,
}

/// What such a cookie says about the session that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// The endpoint that it names, if that is one of ours.
    pub home: Option<EndpointId>,
    /// Where the session is placed if there is none, or it is not to be had: the same for all requests of a client.
    pub seed: u64,
    /// Does nobody else have this cookie? Then the seed is the session's id, too.
    pub is_unique: bool,
}

impl Legacy {
    /// The endpoint that a cookie with this value names.
    #[must_use]
    pub fn home(&self, value: &[u8]) -> Option<&EndpointId> {
        self.homes.as_ref()?.get(&LegacyKey::parse(value)?)
    }
}

/// Does this read like the value of a cookie that ingress-nginx has given out, in either mode?
#[must_use]
pub fn is_legacy(value: &[u8]) -> bool {
    is_legacy_and_unique(value) || LegacyKey::parse(value).is_some()
}

/// Does it read like one of `balanced` mode: a time, a process and a number that was drawn?
#[must_use]
pub fn is_legacy_and_unique(value: &[u8]) -> bool {
    let key = value.split(|byte| *byte == b'|').next().unwrap_or_default();
    let mut parts = key.split(|byte| *byte == b'.');
    let are_numbers = parts.clone().all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    let begins_with_time = parts.next().is_some_and(|seconds| seconds.len() == SECONDS);
    key.len() <= LONGEST && are_numbers && begins_with_time && parts.count() >= 2
}

impl LegacyKey {
    /// What ingress-nginx calls an address behind a backend (`<namespace>-<service>-<port>`).
    #[must_use]
    pub fn of(backend: &str, address: SocketAddr) -> Self {
        let mut hash = Md5::new();
        hash.update(backend);
        hash.update(address.to_string());
        Self(hash.finalize().into())
    }

    /// The key in the value of a cookie: 32 hexadecimal digits, perhaps followed by `|` and the key of a backend.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let digits = value.split(|byte| *byte == b'|').next()?;
        let mut key = [0; 16];
        if digits.len() != 2 * key.len() {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |byte: u8| (byte as char).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_md5_of_the_backend_and_the_address() {
        // printf '%s' 'default-posts-8010.244.1.5:8080' | md5sum
        let key = LegacyKey::of("default-posts-80", "10.244.1.5:8080".parse().unwrap());
        assert_eq!(LegacyKey::parse(b"ded93061e1727bfcd4fa4361aa931f47"), Some(key));
        assert_eq!(LegacyKey::parse(b"ded93061e1727bfcd4fa4361aa931f47|0123"), Some(key));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for value in ["", "|", "1700000000.123.42.17|abc", "zz8a2ee0bd9a6c2f1f2e9f3a4b5c6d7e", "00"] {
            assert_eq!(LegacyKey::parse(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn cookies_of_both_modes_are_told_from_others() {
        for (value, is_one, is_unique) in [
            ("ded93061e1727bfcd4fa4361aa931f47", true, false),
            ("ded93061e1727bfcd4fa4361aa931f47|0123", true, false),
            ("1700000000.123.42.17", true, true),
            ("1700000000.42.17|ded93061e1727bfcd4fa4361aa931f47", true, true),
            ("", false, false),
            ("1700000000", false, false),
            ("1.2.3", false, false),
            ("1700000000..3", false, false),
            ("IgAAAABkAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, false),
            ("a.b.c", false, false),
        ] {
            assert_eq!(
                (is_legacy(value.as_bytes()), is_legacy_and_unique(value.as_bytes())),
                (is_one, is_unique),
                "{value:?}"
            );
        }
        assert!(!is_legacy(&[b'.'; LONGEST + 1]));
    }
}
