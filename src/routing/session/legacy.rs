//! The cookies that ingress-nginx's `persistent` mode leaves behind: each names its endpoint by an unkeyed hash of the
//! address. They are honoured for a while, so that the move logs nobody out, and replaced by ours.
//!
//! Whoever knows an address can make such a cookie. It says no more than where a *new* session begins, so the worst of it
//! is that a client picks its endpoint, which it could under ingress-nginx too.

use std::collections::HashMap;
use std::net::SocketAddr;

use md5::{Digest, Md5};

use crate::routing::EndpointId;

/// The hash in such a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LegacyKey([u8; 16]);

/// The endpoints that such cookies name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// Until when they are honoured, in unix seconds.
    pub until: u64,
    /// Who had which address under ingress-nginx, and has it still.
    pub homes: HashMap<LegacyKey, EndpointId>,
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
}
