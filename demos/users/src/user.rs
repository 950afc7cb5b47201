//! What a user is, and the names and keys that come with one. Each is checked once, at the door, and trusted from there on.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// A user. Nothing about it ever changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Who it is, for ever.
    pub id: UserId,
    /// What it is called; no other user has this name.
    pub username: Username,
    /// When the user was made, to the millisecond.
    pub created_at: Timestamp,
}

impl User {
    /// A new user: now, and under a fresh id.
    pub fn new(username: Username) -> Self {
        let id = UserId::new();
        Self { id, username, created_at: id.time() }
    }
}

/// The id of a user: a UUID of version 7, which sorts by the time at which it was made. So the newest user comes last, and
/// where a page ended is where the next one begins, without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// A new one, above all that this process has made.
    fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The time that is in it.
    fn time(self) -> Timestamp {
        let (seconds, nanoseconds) = self.0.get_timestamp().map_or((0, 0), |time| time.to_unix());
        let time = i64::try_from(seconds).ok().zip(i32::try_from(nanoseconds).ok());
        // Ours are milliseconds of the clock in 48 bits: the year 10889 at most. Then time would stand still.
        time.and_then(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).ok()).unwrap_or(Timestamp::MAX)
    }

    /// The 16 bytes, which sort as ids do.
    #[cfg(feature = "mongodb")]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// What `to_bytes` gave.
    #[cfg(feature = "mongodb")]
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for UserId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a user is called. Two names are the same if they are the same characters: nothing is folded, trimmed or
/// normalised, so that nobody is surprised by what was stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Username(String);

impl Username {
    /// How long a name may be.
    pub const MAX_CHARS: usize = 64;

    /// Takes a name as it was sent.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(sent: &str) -> Result<Self, UsernameError> {
        if sent.is_empty() {
            return Err(UsernameError::Empty);
        }
        if sent.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(UsernameError::TooLong);
        }
        if sent.contains(char::is_control) {
            return Err(UsernameError::Control);
        }
        if sent.trim().len() != sent.len() {
            return Err(UsernameError::Blanks);
        }
        Ok(Self(sent.to_owned()))
    }

    /// A name that a store kept, whatever the rules were then.
    #[cfg(feature = "mongodb")]
    pub(crate) fn stored(kept: String) -> Self {
        Self(kept)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why something is not a username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// There is nothing in it.
    #[error("must not be empty")]
    Empty,
    /// It has more than [`Username::MAX_CHARS`].
    #[error("must have at most {max} characters", max = Username::MAX_CHARS)]
    TooLong,
    /// It has characters that move cursors or end lines.
    #[error("must not contain control characters")]
    Control,
    /// It looks like another one.
    #[error("must not begin or end with white space")]
    Blanks,
}

/// What a client calls one of its requests, so that it can repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// How long a key may be.
    pub const MAX_BYTES: usize = 255;

    /// Takes a key: visible ASCII characters.
    pub fn new(sent: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&sent.len());
        (fits && sent.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(sent.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_bounded_text_and_taken_as_they_are() {
        let check = |sent: &str, expected: Result<&str, UsernameError>| {
            assert_eq!(Username::new(sent).as_ref().map(Username::as_str), expected.as_ref().copied(), "{sent:?}");
        };
        check("walker", Ok("walker"));
        check("Łukasz Müller", Ok("Łukasz Müller"));
        check("$ne", Ok("$ne"));
        check(&"ü".repeat(64), Ok(&"ü".repeat(64)));
        check(&"ü".repeat(65), Err(UsernameError::TooLong));
        check("", Err(UsernameError::Empty));
        check(" walker", Err(UsernameError::Blanks));
        check("walker\u{a0}", Err(UsernameError::Blanks));
        check("wal\nker", Err(UsernameError::Control));
        check("wal\u{9b}ker", Err(UsernameError::Control));
    }

    #[test]
    fn ids_sort_by_the_order_in_which_they_were_made_and_read_back() {
        let ids: Vec<_> = (0..1000).map(|_| UserId::new()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.time() <= Timestamp::now() && id.time() > "2020-01-01T00:00:00Z".parse().expect("a time"));
        }
        assert!("walker".parse::<UserId>().is_err());
    }

    #[test]
    fn a_user_is_what_clients_get_to_see() {
        let user = User::new(Username::new("walker").expect("a name"));
        let seen = serde_json::to_value(&user).expect("plain data");
        let expected = [
            ("id", user.id.to_string()),
            ("username", "walker".to_owned()),
            ("createdAt", user.created_at.to_string()),
        ];
        assert_eq!(seen.as_object().map(serde_json::Map::len), Some(expected.len()));
        for (name, value) in expected {
            assert_eq!(seen[name], value);
        }
    }

    #[test]
    fn keys_are_visible_ascii_of_a_bounded_length() {
        for good in ["8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::new(good).expect("a key").as_str(), good);
        }
        for bad in ["", "a b", "ü", "a\n", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::new(bad), None, "{bad:?}");
        }
    }
}
