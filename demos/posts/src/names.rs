//! The two names that travel: a user's, which ends up in pages and logs, and the instance's, which ends up in a response
//! header. Both are checked once, at the door, and trusted from there on.

use std::{fmt, str::FromStr};

use axum::http::HeaderValue;

/// Who is logged in. There is no password: this is a lesson about sessions, not about proof of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    pub(crate) const MAX_CHARS: usize = 64;

    /// Takes a name as it was typed, without the blanks around it.
    pub(crate) fn parse(typed: &str) -> Result<Self, UsernameError> {
        // Only spaces: a line break at the end is no accident of typing.
        let name = typed.trim_matches(' ');
        if name.is_empty() {
            return Err(UsernameError::Blank);
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        // The replacement character is what is left of bytes that were not UTF-8.
        if name.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err(UsernameError::NotText);
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why something is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsernameError {
    #[error("the username is missing, or there are several")]
    Missing,
    #[error("the username is blank")]
    Blank,
    #[error("the username is too long")]
    TooLong,
    #[error("the username has control characters or is not UTF-8")]
    NotText,
}

/// The name of one instance, such as `posts-0`; in Kubernetes the pod's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName {
    name: String,
    header: HeaderValue,
}

impl InstanceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The name as the value of `X-Served-By`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl FromStr for InstanceName {
    type Err = InstanceNameError;

    fn from_str(name: &str) -> Result<Self, InstanceNameError> {
        let fits = (1..=253).contains(&name.len());
        if !fits || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err(InstanceNameError);
        }
        let header = HeaderValue::from_str(name).map_err(|_| InstanceNameError)?;
        Ok(Self { name: name.to_owned(), header })
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Not the name of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an instance is 1 to 253 of the characters a-z, A-Z, 0-9, '-', '.' and '_'")]
pub struct InstanceNameError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_trimmed_bounded_and_text() {
        let check = |typed: &str, expected: Result<&str, UsernameError>| {
            assert_eq!(Username::parse(typed).as_ref().map(Username::as_str), expected.as_ref().copied(), "{typed:?}");
        };
        check("walker", Ok("walker"));
        check("  Łukasz Müller ", Ok("Łukasz Müller"));
        check("<script>", Ok("<script>"));
        check(&"ü".repeat(64), Ok(&"ü".repeat(64)));
        check(&"ü".repeat(65), Err(UsernameError::TooLong));
        check("", Err(UsernameError::Blank));
        check("   ", Err(UsernameError::Blank));
        check(" \t\n", Err(UsernameError::NotText));
        check("\r\nwalker", Err(UsernameError::NotText));
        check("wal\nker", Err(UsernameError::NotText));
        check("wal\u{fffd}ker", Err(UsernameError::NotText));
    }

    #[test]
    fn an_instance_name_is_safe_in_a_header() {
        for good in ["posts-0", "a", "posts_0.example.org"] {
            assert_eq!(good.parse::<InstanceName>().expect("good").as_str(), good);
        }
        for bad in ["", "posts 0", "posts\r\nx: y", "pösts", &"p".repeat(254)] {
            assert_eq!(bad.parse::<InstanceName>(), Err(InstanceNameError), "{bad:?}");
        }
    }
}
