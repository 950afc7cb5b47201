//! Finding our cookie in what a client sends, and taking it out again.
//!
//! On bytes, because a `Cookie` header need not be UTF-8, and without allocating, because it is looked
//! at on every request. Lenient as RFC 6265 §5.4 servers are: what is no pair is passed over and passed on.

/// The pairs of one `Cookie` header, in order: `(name, value)`, blanks around them cut off.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Pairs<'a> {
    /// The pairs of this header.
    #[must_use]
    pub fn new(header: &'a [u8]) -> Self {
        Self { rest: Some(header) }
    }

    fn next_piece(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (piece, rest) = match rest.iter().position(|byte| *byte == b';') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Some(piece.trim_ascii())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pair) = split(self.next_piece()?) {
                return Some(pair);
            }
        }
    }
}

/// The values that this header has for a cookie, without the double quotes that may stand around them.
pub fn values<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    Pairs::new(header).filter(move |(key, _)| *key == name.as_bytes()).map(|(_, value)| unquoted(value))
}

/// The header without a cookie, however often it is in there; `None` if nothing else is.
#[must_use]
pub fn without(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut pieces = Pairs::new(header);
    let mut kept = Vec::with_capacity(header.len());
    while let Some(piece) = pieces.next_piece() {
        let ours = split(piece).is_some_and(|(key, _)| key == name.as_bytes());
        if ours || piece.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(piece);
    }
    (!kept.is_empty()).then_some(kept)
}

fn split(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = piece.iter().position(|byte| *byte == b'=')?;
    Some((piece[..equals].trim_ascii_end(), piece[equals + 1..].trim_ascii_start()))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &[&str], rest: Option<&str>) {
        let found: Vec<&[u8]> = values(header.as_bytes(), "moorline").collect();
        assert_eq!(found, expected.iter().map(|value| value.as_bytes()).collect::<Vec<_>>(), "{header:?}");
        assert_eq!(without(header.as_bytes(), "moorline").as_deref(), rest.map(str::as_bytes), "{header:?}");
    }

    #[test]
    fn our_cookie_is_found_and_taken_out_of_whatever_surrounds_it() {
        check("moorline=a", &["a"], None);
        check("x=1; moorline=a; y=2", &["a"], Some("x=1; y=2"));
        check("x=1;moorline=a;y=2", &["a"], Some("x=1; y=2"));
        check("moorline=\"a\"", &["a"], None);
        check("moorline = a ; x=1", &["a"], Some("x=1"));
        check("moorline=a; moorline=b", &["a", "b"], None);
        check("moorline=a=b", &["a=b"], None);
        check("moorline=", &[""], None);
    }

    #[test]
    fn other_cookies_are_left_alone() {
        check("", &[], None);
        check("x=1", &[], Some("x=1"));
        check("xmoorline=1; moorline2=2; Moorline=3", &[], Some("xmoorline=1; moorline2=2; Moorline=3"));
        check("flag; x=1", &[], Some("flag; x=1"));
        check("moorline", &[], Some("moorline"));
        check(";;; x=1;", &[], Some("x=1"));
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        assert_eq!(without(b"x=\xff\xfe; moorline=a", "moorline").as_deref(), Some(&b"x=\xff\xfe"[..]));
    }

    proptest! {
        #[test]
        fn nothing_of_ours_is_left_whatever_the_header(header in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
            let mut header = header;
            let at = at.min(header.len());
            header.splice(at..at, b";moorline=secret;".iter().copied());
            let rest = without(&header, "moorline").unwrap_or_default();
            prop_assert_eq!(values(&rest, "moorline").count(), 0);
        }
    }
}
