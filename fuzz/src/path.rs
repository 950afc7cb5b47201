//! Paths: let through is exactly what everybody reads alike, and matches itself and everything above it.

use moorline::routing::PathMatch;

use crate::planted;

pub fn check(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    assert_eq!(planted::check_path(path).is_ok(), is_plain(path), "{path:?}");
    if !is_plain(path) {
        return;
    }
    if let Ok(exact) = PathMatch::exact(path) {
        assert!(exact.matches(path));
    }
    for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
        if let Ok(above) = PathMatch::prefix(if end == 0 { "/" } else { &path[..end] }) {
            assert!(above.matches(path), "{path:?} is not below {above}");
        }
    }
}

/// Is every segment a name, once it is decoded?
fn is_plain(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return false };
    path.split('/').all(|segment| decoded(segment.as_bytes()).is_some_and(|name| name != b"." && name != b".."))
}

/// The bytes of a segment; `None` if they are no name.
fn decoded(mut segment: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    while let Some((first, rest)) = segment.split_first() {
        segment = rest;
        name.push(match first {
            b'\\' => return None,
            b'%' => {
                let (digits, rest) = segment.split_first_chunk::<2>()?;
                segment = rest;
                let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
                u8::from_str_radix(digits, 16).ok().filter(|byte| !matches!(byte, 0 | b'/' | b'\\'))?
            }
            byte => *byte,
        });
    }
    Some(name)
}
