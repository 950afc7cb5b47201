//! The token: 41 bytes, 55 characters of base64url.
//!
//! ```text
//! version (3 bits) key id (5 bits) · issued, unix seconds (4) · session id (8)
//!   · endpoint tag (8) · incarnation tag (4) · MAC (16)
//! ```
//!
//! The MAC is HMAC-SHA256 over everything before it and the scope, cut to 128 bits. The token shows
//! no name, no address and no topology: tags are keyed hashes.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Scope;
use super::key::{Key, KeyId};

/// The length of a token as a cookie's value.
pub const ENCODED_LEN: usize = 55;

const VERSION: u8 = 1;
const FIELDS: usize = 25;
const MAC: usize = 16;
const LEN: usize = FIELDS + MAC;
/// How far another replica's clock may run ahead of ours.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Names a session, for the application and in lists. Random, stable for the session's life, and no
/// credential: whoever knows it can do nothing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What a token says about its session, wherever the session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The session.
    pub session: SessionId,
    /// When it began, in unix seconds. A re-issued token keeps it.
    pub issued: u32,
}

/// A token whose MAC was right. Whether its time is over is asked each time it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The key it was signed with.
    pub key: KeyId,
    /// Whose it is.
    pub claims: Claims,
    /// The tag of its endpoint under that key.
    pub endpoint: u64,
    /// The tag of the life that the endpoint lived.
    pub incarnation: u32,
}

impl Claims {
    /// A session that begins now (unix seconds).
    #[must_use]
    pub fn new(session: SessionId, now: u64) -> Self {
        Self { session, issued: u32::try_from(now).unwrap_or(u32::MAX) }
    }

    /// Is the session's time neither over nor yet to come?
    #[must_use]
    pub fn is_current(&self, now: u64, absolute: Duration) -> bool {
        let issued = u64::from(self.issued);
        issued <= now.saturating_add(SKEW.as_secs()) && now < issued.saturating_add(absolute.as_secs())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

pub(super) fn encode(token: &Token, key: &Key, scope: &Scope) -> String {
    let mut bytes = [0; LEN];
    bytes[0] = VERSION << 5 | token.key.get();
    bytes[1..5].copy_from_slice(&token.claims.issued.to_be_bytes());
    bytes[5..13].copy_from_slice(&token.claims.session.0.to_be_bytes());
    bytes[13..21].copy_from_slice(&token.endpoint.to_be_bytes());
    bytes[21..25].copy_from_slice(&token.incarnation.to_be_bytes());
    let mac = mac(&bytes, key, scope);
    bytes[FIELDS..].copy_from_slice(&mac.as_ref()[..MAC]);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode<'k>(value: &[u8], scope: &Scope, key: impl FnOnce(KeyId) -> Option<&'k Key>) -> Option<Token> {
    if value.len() != ENCODED_LEN {
        return None;
    }
    let mut bytes = [0; LEN];
    // Refuses padding and loose trailing bits: a token has one spelling.
    URL_SAFE_NO_PAD.decode_slice_unchecked(value, &mut bytes).ok().filter(|length| *length == LEN)?;
    if bytes[0] >> 5 != VERSION {
        return None;
    }
    let key = key(KeyId::new(u32::from(bytes[0] & 0x1f)).ok()?)?;
    let expected = mac(&bytes, key, scope);
    constant_time::verify_slices_are_equal(&bytes[FIELDS..], &expected.as_ref()[..MAC]).ok()?;
    Some(Token {
        key: key.id(),
        claims: Claims {
            issued: u32::from_be_bytes(part(&bytes, 1)),
            session: SessionId(u64::from_be_bytes(part(&bytes, 5))),
        },
        endpoint: u64::from_be_bytes(part(&bytes, 13)),
        incarnation: u32::from_be_bytes(part(&bytes, 21)),
    })
}

fn mac(bytes: &[u8; LEN], key: &Key, scope: &Scope) -> hmac::Tag {
    let mut message = [0; FIELDS + 30];
    message[..FIELDS].copy_from_slice(&bytes[..FIELDS]);
    message[FIELDS..].copy_from_slice(scope.as_bytes());
    hmac::sign(key.mac(), &message)
}

fn part<const N: usize>(bytes: &[u8; LEN], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

#[cfg(test)]
mod tests;
