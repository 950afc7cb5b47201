//! Paths: what a rule matches, which rule comes first, and which paths are not served at all.
//!
//! The path that is matched is the path that is forwarded, byte for byte. That only holds its
//! promise if no upstream can read the same bytes as another path, so a path that means something
//! else once its dot segments or encoded slashes are resolved is refused instead of guessed at.

use std::cmp::Ordering;
use std::fmt;

use super::filters::{Pattern, PatternError};

/// What the path of a request has to look like for a rule.
///
/// The order is the precedence, best first: exact before all others, a longer prefix or expression before a shorter
/// one, as in ingress-nginx; equally good ones by their kind and text, so that it is total.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// The whole path, to the byte.
    Exact(Box<str>),
    /// The path or anything below it, element by element: `/a` matches `/a` and `/a/b`, not `/ab`.
    /// Kept without a final slash; the root is the empty text.
    Prefix(Box<str>),
    /// A path in whose beginning an expression is found.
    Regex(Pattern),
}

/// Why a path is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A path starts at the root.
    #[error("a path starts with /")]
    NotAbsolute,
    /// `/a/../b`, `/a/%2e%2e/b`: what it names depends on who resolves it.
    #[error("dot segments are not served")]
    DotSegment,
    /// `%2F`, `%5C` or a backslash: one server's separator is another's letter.
    #[error("encoded slashes and backslashes are not served")]
    EncodedSlash,
    /// `%` without two hexadecimal digits, or `%00`.
    #[error("a broken percent-encoding")]
    Encoding,
    /// A query, a fragment or a blank inside a rule's path.
    #[error("a rule's path has no query, no fragment and no blank")]
    Extra,
}

impl PathMatch {
    /// The whole path.
    ///
    /// # Errors
    /// If no served request could ever have this path.
    pub fn exact(path: &str) -> Result<Self, PathError> {
        check_rule(path)?;
        Ok(Self::Exact(path.into()))
    }

    /// The path and all below it. A final slash says nothing, as in Kubernetes:
    /// [`/a/` matches `/a`](https://kubernetes.io/docs/concepts/services-networking/ingress/#examples).
    ///
    /// # Errors
    /// If no served request could ever have this path.
    pub fn prefix(path: &str) -> Result<Self, PathError> {
        check_rule(path)?;
        Ok(Self::Prefix(path.trim_end_matches('/').into()))
    }

    /// Every path in whose beginning this expression is found.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub fn regex(expression: &str) -> Result<Self, PatternError> {
        Pattern::path(expression).map(Self::Regex)
    }

    /// Does this path fit?
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => &**text == path,
            Self::Prefix(text) => is_below(path, text),
            Self::Regex(pattern) => pattern.is_match(path),
        }
    }

    /// The text that is compared.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
            Self::Regex(pattern) => pattern.text(),
        }
    }

    /// Of equally long ones: which comes first.
    fn kind(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Regex(_) => 1,
            Self::Prefix(_) => 2,
        }
    }
}

impl Ord for PathMatch {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a.cmp(b),
            (Self::Exact(_), _) => Ordering::Less,
            (_, Self::Exact(_)) => Ordering::Greater,
            (one, other) => {
                let (a, b) = (one.text(), other.text());
                b.len().cmp(&a.len()).then_with(|| one.kind().cmp(&other.kind())).then_with(|| a.cmp(b))
            }
        }
    }
}

impl PartialOrd for PathMatch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "= {text}"),
            Self::Prefix(text) => write!(f, "{text}/"),
            Self::Regex(pattern) => write!(f, "~ {}", pattern.text()),
        }
    }
}

/// Is `path` the element-wise prefix `prefix` (without final slash), or below it?
pub(super) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lets a request's path through if every server would read it the same way.
///
/// # Errors
/// What makes it ambiguous; the request is answered with 400.
pub fn check(path: &str) -> Result<(), PathError> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    // Only a segment that begins with a dot or with an encoded byte can turn out to be a dot segment,
    // and most paths have none of these letters: one pass over the bytes is all they cost.
    let mut segment = 1;
    let mut at = 1;
    let mut dots_only = true;
    while at < bytes.len() {
        match bytes[at] {
            b'/' => {
                if dots_only && is_dots(segment, at, bytes) {
                    return Err(PathError::DotSegment);
                }
                segment = at + 1;
                dots_only = true;
            }
            b'.' => {}
            b'\\' => return Err(PathError::EncodedSlash),
            b'%' => {
                match decode(bytes.get(at + 1..at + 3)).ok_or(PathError::Encoding)? {
                    b'.' => {}
                    b'/' | b'\\' => return Err(PathError::EncodedSlash),
                    0 => return Err(PathError::Encoding),
                    _ => dots_only = false,
                }
                at += 2;
            }
            _ => dots_only = false,
        }
        at += 1;
    }
    if dots_only && is_dots(segment, at, bytes) {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

/// `.` or `..`, each dot plain or encoded, in a segment that is known to have nothing but dots.
fn is_dots(start: usize, end: usize, bytes: &[u8]) -> bool {
    let encoded = bytes[start..end].iter().filter(|byte| **byte == b'%').count();
    matches!(end - start - 2 * encoded, 1 | 2)
}

fn decode(digits: Option<&[u8]>) -> Option<u8> {
    let value = |digit: u8| (digit as char).to_digit(16);
    match digits {
        Some(&[high, low]) => u8::try_from(value(high)? << 4 | value(low)?).ok(),
        _ => None,
    }
}

fn check_rule(path: &str) -> Result<(), PathError> {
    if path.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control()) {
        return Err(PathError::Extra);
    }
    check(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn matches(rule: &PathMatch, path: &str, expected: bool) {
        assert_eq!(rule.matches(path), expected, "{rule} and {path}");
    }

    #[test]
    fn prefixes_match_element_by_element() {
        let foo = PathMatch::prefix("/foo").unwrap();
        matches(&foo, "/foo", true);
        matches(&foo, "/foo/", true);
        matches(&foo, "/foo/bar", true);
        matches(&foo, "/foobar", false);
        matches(&foo, "/fo", false);
        matches(&foo, "/", false);
    }

    #[test]
    fn the_root_prefix_matches_everything_and_a_final_slash_says_nothing() {
        matches(&PathMatch::prefix("/").unwrap(), "/", true);
        matches(&PathMatch::prefix("/").unwrap(), "/any/thing", true);
        matches(&PathMatch::prefix("/foo/").unwrap(), "/foo", true);
        matches(&PathMatch::prefix("/foo/").unwrap(), "/foobar", false);
    }

    #[test]
    fn exact_matches_to_the_byte() {
        let foo = PathMatch::exact("/foo").unwrap();
        matches(&foo, "/foo", true);
        matches(&foo, "/foo/", false);
        matches(&foo, "/Foo", false);
    }

    #[test]
    fn exact_comes_before_long_prefixes_before_short_ones() {
        let exact = PathMatch::exact("/a").unwrap();
        let long = PathMatch::prefix("/a/b/c").unwrap();
        let short = PathMatch::prefix("/a").unwrap();
        assert!(exact < long && long < short);
    }

    #[track_caller]
    fn served(path: &str, expected: Result<(), PathError>) {
        assert_eq!(check(path), expected, "{path:?}");
    }

    #[test]
    fn ordinary_paths_are_served_as_they_are() {
        for path in [
            "/",
            "/a",
            "/a/",
            "//",
            "/a//b",
            "/.well-known/x",
            "/a.b",
            "/...",
            "/a/.../b",
            "/%20",
            "/caf%C3%A9",
            "/..a",
            "/a%2e",
        ] {
            served(path, Ok(()));
        }
    }

    #[test]
    fn paths_that_mean_something_else_to_someone_else_are_refused() {
        for path in ["/.", "/..", "/a/./b", "/a/../b", "/a/..", "/%2e", "/%2E%2e/a", "/.%2e/x", "/a/%2e./b"] {
            served(path, Err(PathError::DotSegment));
        }
        for path in ["/a%2Fb", "/a%2fb", "/a%5cb", "/a\\b"] {
            served(path, Err(PathError::EncodedSlash));
        }
        for path in ["/%", "/%1", "/%zz", "/a%00b", "/%é"] {
            served(path, Err(PathError::Encoding));
        }
        for path in ["", "*", "a", "http://a/"] {
            served(path, Err(PathError::NotAbsolute));
        }
    }

    fn some_match() -> impl Strategy<Value = PathMatch> {
        let plain = ("(/[a-c]{0,2}){1,4}", any::<bool>()).prop_map(|(path, exact)| {
            if exact { PathMatch::exact(&path).unwrap() } else { PathMatch::prefix(&path).unwrap() }
        });
        // Some of them are written like prefixes, and some of those once more with the anchor that they have anyway.
        let regex = "\\^?(/[a-c]{0,2}){1,4}(/\\.\\*|\\[ab\\]\\+|\\(/\\|\\$\\)\\(\\.\\*\\))?";
        prop_oneof![2 => plain, 1 => regex.prop_map(|text: String| PathMatch::regex(&text).unwrap())]
    }

    proptest! {
        #[test]
        fn precedence_is_a_total_order(a in some_match(), b in some_match(), c in some_match()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn equal_matches_match_the_same(a in some_match(), b in some_match(), path in "(/[a-c]{0,2}){1,4}") {
            if a == b {
                prop_assert_eq!(a.matches(&path), b.matches(&path));
                prop_assert_eq!(a.text(), b.text());
            }
        }

        #[test]
        fn an_exact_path_comes_before_every_expression_and_a_longer_text_before_a_shorter_one(
            a in some_match(), b in some_match(),
        ) {
            match (&a, &b) {
                (PathMatch::Exact(_), PathMatch::Regex(_)) => prop_assert!(a < b),
                (PathMatch::Regex(_), PathMatch::Prefix(_) | PathMatch::Regex(_)) if a.text().len() != b.text().len() => {
                    prop_assert_eq!(a < b, a.text().len() > b.text().len());
                }
                _ => {}
            }
        }

        #[test]
        fn a_longer_prefix_is_never_hidden_by_a_shorter_one(a in some_match(), b in some_match()) {
            if let (PathMatch::Prefix(short), PathMatch::Prefix(long)) = (&a, &b)
                && long.len() > short.len() && is_below(long, short)
            {
                prop_assert!(b < a);
            }
        }

        #[test]
        fn any_text_is_served_or_refused_without_a_panic(path in ".*") {
            let _ = check(&path);
        }
    }
}
