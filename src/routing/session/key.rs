//! The key ring: who may sign, who may only be read, and when that changes.
//!
//! ## Why a new key waits before it signs
//! Replicas learn of a new key one after the other. If the first to know signed with it at once, the
//! others would take its tokens for forged ones and move the session. `signs_from` lies far enough in
//! the future that everybody knows the key before anybody uses it; until then the ring only verifies with it.
//!
//! ## Why the endpoint tags use SipHash
//! A tag only has to hide a name from whoever reads the cookie; that it was not altered is the MAC's
//! business. SipHash-2-4 is a pseudorandom function for short inputs and takes a tenth of HMAC's
//! time, which a snapshot of 50,000 endpoints under several keys notices.

use std::hash::Hasher;

use aws_lc_rs::hmac;
use siphasher::sip::SipHasher24;

use super::super::backend::Endpoint;
use super::Scope;
use super::token::{self, Claims, Token};

/// The length of a key's secret, in bytes.
pub const SECRET_LEN: usize = 32;

/// The number under which tokens name their key: 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u8);

/// One key, with the sub-keys that are derived from its secret.
pub struct Key {
    id: KeyId,
    signs_from: u64,
    fingerprint: u64,
    mac: hmac::Key,
    tags: SipHasher24,
    seeds: SipHasher24,
}

/// Up to 32 keys. All of them verify; the newest whose time has come signs.
#[derive(Debug)]
pub struct KeyRing {
    /// Sorted by `signs_from`, the newest last.
    keys: Box<[Key]>,
    by_id: [Option<u8>; KeyId::COUNT],
    fingerprint: u64,
}

/// Why some keys are no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// Nothing could be signed.
    #[error("the ring has no key")]
    Empty,
    /// Ids have five bits.
    #[error("key id {0} is out of range: ids are 0 to 31")]
    Id(u32),
    /// A token names its key by id.
    #[error("two keys have the id {}", .0.get())]
    DuplicateId(KeyId),
}

impl KeyId {
    /// How many there are.
    pub const COUNT: usize = 32;

    /// The id with this number.
    ///
    /// # Errors
    /// If it has more than five bits.
    pub fn new(id: u32) -> Result<Self, KeyRingError> {
        u8::try_from(id).ok().filter(|id| usize::from(*id) < Self::COUNT).map(Self).ok_or(KeyRingError::Id(id))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Key {
    /// A key that signs from `signs_from` on (unix seconds).
    #[must_use]
    pub fn new(id: KeyId, signs_from: u64, secret: &[u8; SECRET_LEN]) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |purpose: &str| hmac::sign(&master, purpose.as_bytes());
        let hasher = |purpose: &str| {
            let mut key = [0; 16];
            key.copy_from_slice(&derive(purpose).as_ref()[..16]);
            SipHasher24::new_with_key(&key)
        };
        Self {
            id,
            signs_from,
            fingerprint: first_u64(derive("moorline v1 fingerprint").as_ref()),
            mac: hmac::Key::new(hmac::HMAC_SHA256, derive("moorline v1 mac").as_ref()),
            tags: hasher("moorline v1 tags"),
            seeds: hasher("moorline v1 seeds"),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What this key's tokens call the endpoint.
    pub(in crate::routing) fn endpoint_tag(&self, endpoint: &Endpoint) -> u64 {
        self.tags.hash(endpoint.session_name().as_bytes())
    }

    /// What this key's tokens call the life that the endpoint lives.
    pub(in crate::routing) fn incarnation_tag(&self, endpoint: &Endpoint) -> u32 {
        let mut hasher = self.tags;
        // The separator cannot stand in either part, so no pair reads like another.
        hasher.write(endpoint.session_name().as_bytes());
        hasher.write_u8(0);
        hasher.write(endpoint.incarnation.as_str().as_bytes());
        (hasher.finish() >> 32) as u32
    }

    pub(super) fn mac(&self) -> &hmac::Key {
        &self.mac
    }
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    /// If there is none, or two share an id.
    pub fn new(mut keys: Vec<Key>) -> Result<Self, KeyRingError> {
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        keys.sort_by_key(|key| (key.signs_from, key.id));
        let mut by_id = [None; KeyId::COUNT];
        let mut fingerprint = 0u64;
        for (at, key) in (0u8..).zip(&keys) {
            if by_id[usize::from(key.id.0)].replace(at).is_some() {
                return Err(KeyRingError::DuplicateId(key.id));
            }
            fingerprint = fingerprint.rotate_left(7) ^ key.fingerprint ^ u64::from(key.id.0);
        }
        Ok(Self { keys: keys.into(), by_id, fingerprint })
    }

    /// The keys, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Key> + Clone {
        self.keys.iter()
    }

    /// Tells rings with other secrets apart: what was verified under one is not verified under another.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The token for a session on an endpoint, ready to be a cookie's value.
    #[must_use]
    pub fn seal(&self, scope: &Scope, claims: Claims, endpoint: &Endpoint, now: u64) -> String {
        let key = self.signer(now);
        let token = Token {
            key: key.id,
            claims,
            endpoint: key.endpoint_tag(endpoint),
            incarnation: key.incarnation_tag(endpoint),
        };
        token::encode(&token, key, scope)
    }

    /// Reads a cookie's value. Whatever is not a token that a key of this ring signed for this scope
    /// is none; nobody is told why.
    #[must_use]
    pub fn open(&self, scope: &Scope, value: &[u8]) -> Option<Token> {
        token::decode(value, scope, |id| self.by_id[usize::from(id.0)].map(|at| &self.keys[usize::from(at)]))
    }

    /// What places a session that follows something which the client had before ours, and is made of these parts: the same
    /// number at every replica, which nobody without the keys can choose.
    #[must_use]
    pub fn seed<'p>(&self, scope: &Scope, parts: impl Iterator<Item = &'p [u8]>, now: u64) -> u64 {
        let mut hasher = self.signer(now).seeds;
        hasher.write(scope.as_bytes());
        for part in parts {
            hasher.write(part);
            hasher.write(b"; ");
        }
        hasher.finish()
    }

    /// The newest key whose time has come; before the time of the first one, the first one.
    fn signer(&self, now: u64) -> &Key {
        self.keys.iter().rev().find(|key| key.signs_from <= now).unwrap_or(&self.keys[0])
    }
}

impl std::fmt::Debug for Key {
    /// Never the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("signs_from", &self.signs_from).finish_non_exhaustive()
    }
}

fn first_u64(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests;
