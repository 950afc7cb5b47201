//! A user's name, which ends up in pages and logs: checked once, at the door, and trusted from there on.

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
}
