//! What may stand in the attributes of a cookie, whoever asks for it.

use crate::routing::host::{self, HostError};

/// As long as a path may be: browsers ignore an attribute whose value is longer (RFC 6265bis §5.6).
const LONGEST_PATH: usize = 1024;

/// Why a text is no attribute of a cookie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// It does not begin with a slash, or could end the attribute.
    #[error("it is no path of a cookie, such as /shop")]
    Path,
    /// Browsers ignore it then.
    #[error("the path of a cookie has at most 1024 bytes")]
    TooLong,
    /// Cookies do not know ports.
    #[error("the domain of a cookie has no port")]
    Port,
    /// It is no name.
    #[error(transparent)]
    Domain(#[from] HostError),
}

fn fits(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

/// A `Path`.
///
/// # Errors
/// If it is none.
pub fn path(text: &str) -> Result<String, AttributeError> {
    if !text.starts_with('/') || !text.bytes().all(fits) {
        return Err(AttributeError::Path);
    }
    if text.len() > LONGEST_PATH { Err(AttributeError::TooLong) } else { Ok(text.to_owned()) }
}

/// The longest `Path` that a cookie of this path may have: where something in it cannot stand there, or stands for something else,
/// one that is above it (RFC 6265 §5.1.4), so that it comes back.
#[must_use]
pub fn path_above(path: &str, is_other: fn(u8) -> bool) -> &str {
    let whole = path.bytes().take_while(|byte| fits(*byte) && !is_other(*byte)).count().min(LONGEST_PATH);
    let end = if whole == path.len() { whole } else { path[..whole].rfind('/').map_or(0, |slash| slash + 1) };
    if path.starts_with('/') { &path[..end] } else { "/" }
}

/// A `Domain`, in its canonical form and without the dot that once stood before it (RFC 6265 §5.2.3).
///
/// # Errors
/// If it is none.
pub fn domain(text: &str) -> Result<String, AttributeError> {
    let name = text.strip_prefix('.').unwrap_or(text);
    if name.contains(':') { Err(AttributeError::Port) } else { Ok(host::canonical(name)?.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_attribute() {
        for good in ["/", "/shop", "/a,b=c"] {
            assert_eq!(path(good).as_deref(), Ok(good));
        }
        for bad in ["", "shop", "/a;b", "/a b", "/\r\n", "/ä"] {
            assert_eq!(path(bad), Err(AttributeError::Path), "{bad:?}");
        }
        assert_eq!(path(&format!("/{}", "x".repeat(LONGEST_PATH))), Err(AttributeError::TooLong));
    }

    #[test]
    fn a_path_that_cannot_be_said_is_that_of_what_is_above_it() {
        let long = format!("/a/{}", "x".repeat(LONGEST_PATH));
        for (asked, said) in
            [("/a/b", "/a/b"), ("/a/b;c/d", "/a/"), ("/caf\u{e9}", "/"), ("b", "/"), ("", "/"), (&long, "/a/")]
        {
            assert_eq!(path_above(asked, |_| false), said);
            assert!(path(said).is_ok() && (asked.starts_with(said) || said == "/"), "{asked} is below it");
        }
        for (asked, said) in [("/api(/|$)(.*)", "/"), ("/a/b*", "/a/"), ("/a/b", "/a/b")] {
            assert_eq!(path_above(asked, |byte| b"(*".contains(&byte)), said);
        }
    }

    #[test]
    fn a_domain_is_a_name_without_a_port() {
        assert_eq!(domain(".Example.COM").as_deref(), Ok("example.com"));
        assert_eq!(domain("example.com:80"), Err(AttributeError::Port));
        assert!(matches!(domain("a b"), Err(AttributeError::Domain(_))));
    }
}
