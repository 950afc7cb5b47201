//! Regular expressions of operators, and the templates that their captures are put into.
//!
//! The engine has no backtracking: whatever the expression and the path, matching takes time linear in the path,
//! so an expression can be no weapon. What it may cost in memory is bounded here.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// The most that one compiled expression may take, in bytes: enough for any path, and for ten thousand of them.
const SIZE: usize = 64 << 10;
/// The longest expression, in bytes.
const LENGTH: usize = 1024;

/// A regular expression. Two are the same if they are written the same way.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

/// Why an expression is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is none, or one of a kind that is not supported (look-around and back-references are not).
    #[error("{0}")]
    Syntax(String),
    /// It is long, or would become large.
    #[error("a regular expression has at most {LENGTH} bytes, and {SIZE} once it is compiled")]
    TooLarge,
    /// A template names a capture that the expression does not have.
    #[error("the expression has no capture ${0}")]
    NoCapture(u8),
}

/// A text with captures in it: `/$2` of ingress-nginx's `rewrite-target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Capture(u8),
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Capture(number) => write!(f, "${number}"),
        })
    }
}

impl Pattern {
    /// An expression that is found anywhere in a text.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::compile(text, text, false)
    }

    /// An expression for a path, as ingress-nginx has it: from the start of the path, letters in any case.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub fn path(text: &str) -> Result<Self, PatternError> {
        let anchored = if text.starts_with('^') { text.to_owned() } else { format!("^{text}") };
        Self::compile(text, &anchored, true)
    }

    fn compile(text: &str, expression: &str, any_case: bool) -> Result<Self, PatternError> {
        if text.len() > LENGTH {
            return Err(PatternError::TooLarge);
        }
        let regex = RegexBuilder::new(expression)
            .case_insensitive(any_case)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                error => PatternError::Syntax(error.to_string()),
            })?;
        Ok(Self { text: text.into(), regex })
    }

    /// Is it found in this text?
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The template with the captures of the first place in `text` where the expression is found.
    #[must_use]
    pub fn expand(&self, text: &str, template: &Template) -> Option<String> {
        let captures = self.regex.captures(text)?;
        let mut made = String::with_capacity(text.len());
        for part in &template.0 {
            made.push_str(match part {
                Part::Text(text) => text,
                Part::Capture(number) => captures.get((*number).into()).map_or("", |capture| capture.as_str()),
            });
        }
        Some(made)
    }
}

impl Template {
    /// A text in which `$0` to `$9` stand for captures, as in nginx; any other dollar stands for itself.
    ///
    /// # Errors
    /// If the expression has no such capture.
    pub fn new(text: &str, pattern: Option<&Pattern>) -> Result<Self, PatternError> {
        let captures = pattern.map_or(1, |pattern| pattern.regex.captures_len());
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            let Some(number) = rest.peek().filter(|_| letter == '$').and_then(|digit| digit.to_digit(10)) else {
                plain.push(letter);
                continue;
            };
            rest.next();
            // One digit.
            let number = u8::try_from(number).unwrap_or_default();
            if usize::from(number) >= captures {
                return Err(PatternError::NoCapture(number));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Capture(number));
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self(parts.into()))
    }

    /// The text, if there is no capture in it.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        // Of what is written the same way, one may be for paths and the other not.
        self.text == other.text && self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expands(pattern: &str, template: &str, path: &str, expected: Option<&str>) {
        let pattern = Pattern::path(pattern).unwrap();
        let template = Template::new(template, Some(&pattern)).unwrap();
        assert_eq!(pattern.expand(path, &template).as_deref(), expected, "{pattern:?} {path}");
    }

    #[test]
    fn captures_are_put_where_the_template_has_them() {
        expands("/something(/|$)(.*)", "/$2", "/something/new", Some("/new"));
        expands("/something(/|$)(.*)", "/$2", "/something", Some("/"));
        expands("/something(/|$)(.*)", "/$2", "/somethingelse", None);
        expands("/a/(.*)", "/b/$1/c", "/A/x", Some("/b/x/c"));
        expands("/a", "/$0$", "/a", Some("//a$"));
        expands("/(a)?", "/x$1", "/b", Some("/x"));
    }

    #[test]
    fn what_would_cost_too_much_is_no_pattern() {
        assert_eq!(Pattern::new(&"a".repeat(LENGTH + 1)), Err(PatternError::TooLarge));
        assert_eq!(Pattern::new("(a{1000}){1000}"), Err(PatternError::TooLarge));
        assert!(matches!(Pattern::new("(?=look)ahead"), Err(PatternError::Syntax(_))));
        assert!(matches!(Pattern::new("("), Err(PatternError::Syntax(_))));
    }

    #[test]
    fn a_template_has_no_capture_that_its_pattern_has_not() {
        let pattern = Pattern::path("/(a)").unwrap();
        assert_eq!(Template::new("/$2", Some(&pattern)), Err(PatternError::NoCapture(2)));
        assert_eq!(Template::new("/$1", None), Err(PatternError::NoCapture(1)));
        assert_eq!(Template::new("/plain$", None).unwrap().as_plain(), Some("/plain$"));
    }
}
