//! The key file: which keys sign session cookies, and since when.
//!
//! It is secret: no message quotes it, and neither do `Debug` and the errors of its types.
//!
//! ## When a key may go
//! A key signs until the next one does. What it signed last is worth something for the longest lifetime of
//! a session after that; then nothing can need it any more.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use super::problem::{Problem, Problems, Severity};
use super::typed::{At, Keyed};
use super::yaml::{self, Echo};
use crate::routing::KeyRing;
use crate::routing::session::{Key, KeyId, SECRET_LEN};

/// By how much the clocks of replicas may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// How long every replica has to learn of a new key before it signs: a minute, after the moment at which the fastest
/// clock that is tolerated thinks that the time has come.
pub const BEFORE_SIGNING: Duration = CLOCK_SKEW.saturating_add(Duration::from_secs(60));

/// The keys of a file, in its order: at least one, no two alike.
#[derive(Clone, Debug)]
pub struct KeyFile(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    id: KeyId,
    signs_from: u64,
    secret: [u8; SECRET_LEN],
}

/// Why no key was added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// The newest key has not signed yet.
    #[error("the newest key, {}, signs from {from} on only: rotate again after that", .id.get())]
    Pending {
        /// The newest key.
        id: KeyId,
        /// When it begins to sign.
        from: Timestamp,
    },
    /// Ids have five bits.
    #[error("all 32 key ids are in use: a key is kept for as long as a session lasts, so rotate less often")]
    Full,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with keys")]
struct TypedFile {
    keys: Vec<Keyed<TypedKey>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a key with id, signs_from and secret")]
struct TypedKey {
    id: At<String>,
    signs_from: At<String>,
    secret: At<String>,
}

impl KeyFile {
    /// A file with one key, which signs from `now` on.
    #[must_use]
    pub fn new(now: Timestamp, secret: [u8; SECRET_LEN]) -> Self {
        Self(vec![Entry { id: id(0), signs_from: seconds(now), secret }])
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// Everything that is wrong with it. Nothing of the text stands in the problems.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let typed: Keyed<TypedFile> = yaml::read(text, Echo::Never)?;
        let mut problems = Problems::default();
        let mut entries: Vec<Entry> = Vec::new();
        let keys = typed.open_secret(&mut problems).map_or(&[][..], |typed| &typed.keys);
        for typed in keys {
            let Some(typed) = typed.open_secret(&mut problems) else { continue };
            let Some(entry) = entry(typed, &mut problems) else { continue };
            if entries.iter().any(|other| other.id == entry.id) {
                problems.push(Problem::error(typed.id.place, format!("two keys have the id {}", entry.id.get())));
            }
            if entries.iter().any(|other| other.secret == entry.secret) {
                problems.push(Problem::error(typed.secret.place, "two keys have the same secret"));
            }
            entries.push(entry);
        }
        if keys.is_empty() && problems.is_empty() {
            problems.push(Problem::error(None, "there is no key").hint("moorline keys new makes one".to_owned()));
        }
        problems.sort();
        if problems.count(Severity::Error) == 0 { Ok(Self(entries)) } else { Err(problems) }
    }

    /// Adds a key that signs [`BEFORE_SIGNING`] from `now`, and drops those that no session of at most `lifetime` needs.
    ///
    /// # Errors
    /// If the key added last has not signed yet, or no id is free.
    pub fn rotate(&mut self, now: Timestamp, lifetime: Duration, secret: [u8; SECRET_LEN]) -> Result<(), RotateError> {
        self.0.sort_by_key(|entry| (entry.signs_from, entry.id));
        let now = seconds(now);
        if let Some(pending) = self.0.last().filter(|newest| newest.signs_from > now) {
            let from = i64::try_from(pending.signs_from).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            return Err(RotateError::Pending { id: pending.id, from: from.unwrap_or(Timestamp::MAX) });
        }
        let needed = lifetime.saturating_add(CLOCK_SKEW).as_secs();
        let last_signed: Vec<_> = self.0.iter().skip(1).map(|next| next.signs_from).collect();
        let gone = last_signed.iter().filter(|stopped| stopped.saturating_add(needed) < now).count();
        self.0.drain(..gone);
        let id = self.free_id().ok_or(RotateError::Full)?;
        self.0.push(Entry { id, signs_from: now + BEFORE_SIGNING.as_secs(), secret });
        Ok(())
    }

    /// The ring of these keys.
    #[must_use]
    pub fn ring(&self) -> KeyRing {
        let keys = self.0.iter().map(|entry| Key::new(entry.id, entry.signs_from, &entry.secret)).collect();
        // There is at least one key, and no two have the same id: parse, new and rotate see to it.
        KeyRing::new(keys).expect("the keys of a key file are a ring")
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The text of the file, secrets and all.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text =
            String::from("# Whoever can read this can forge sessions. moorline keys rotate adds a key.\nkeys:\n");
        for Entry { id, signs_from, secret } in &self.0 {
            let from = Timestamp::from_second(i64::try_from(*signs_from).unwrap_or(0)).unwrap_or_default();
            let secret = URL_SAFE_NO_PAD.encode(secret);
            // Writing to a String does not fail.
            let _ = writeln!(text, "  - {{ id: {}, signs_from: {from}, secret: {secret} }}", id.get());
        }
        text
    }

    /// The next id after the newest one that is free, so that one comes back as late as possible.
    fn free_id(&self) -> Option<KeyId> {
        let newest = self.0.last().map_or(0, |entry| entry.id.get());
        let mut ids = (1..=32).map(|step| id((newest + step) % 32));
        ids.find(|id| self.0.iter().all(|entry| entry.id != *id))
    }
}

impl fmt::Debug for Entry {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("signs_from", &self.signs_from).finish_non_exhaustive()
    }
}

fn entry(typed: &TypedKey, problems: &mut Problems) -> Option<Entry> {
    let id = typed.id.value.parse().ok().and_then(|id| KeyId::new(id).ok());
    if id.is_none() {
        problems.push(Problem::error(typed.id.place, "a key id is a number from 0 to 31"));
    }
    let signs_from = typed.signs_from.value.parse::<Timestamp>().ok().filter(|from| from.as_second() >= 0);
    if signs_from.is_none() {
        let message = "signs_from is a time, as in 2026-01-31T12:00:00Z";
        problems.push(Problem::error(typed.signs_from.place, message));
    }
    let secret = secret(&typed.secret, problems);
    Some(Entry { id: id?, signs_from: seconds(signs_from?), secret: secret? })
}

fn secret(typed: &At<String>, problems: &mut Problems) -> Option<[u8; SECRET_LEN]> {
    let text = typed.value.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok();
    let secret = bytes.and_then(|bytes| <[u8; SECRET_LEN]>::try_from(bytes).ok());
    let message = match secret {
        None => "a secret is 32 random bytes in base64",
        Some(secret) if secret.iter().all(|byte| *byte == secret[0]) => "this secret is not random",
        Some(_) => return secret,
    };
    problems.push(Problem::error(typed.place, message).hint("openssl rand -base64 32".to_owned()));
    None
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

fn id(number: u8) -> KeyId {
    // Every caller has a number below 32.
    KeyId::new(number.into()).expect("a key id below 32")
}

#[cfg(test)]
mod tests;
