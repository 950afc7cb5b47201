//! A head, or a trailer section: where it ends, whether its lines do, and what it says about the body.

use httparse::Header;

use super::rules::Rule;

/// Where a section ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind so many bytes.
    At(usize),
    /// Not within these bytes; when there are more, the search goes on from here.
    Beyond(usize),
}

/// Looks, line by line, for the empty line that ends the section which begins at `start`. What lies before `from`
/// has been looked at.
///
/// # Errors
/// A line that does not end in CRLF.
pub(super) fn find_end(bytes: &[u8], start: usize, from: usize) -> Result<End, Rule> {
    let mut at = start.max(from);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            return Ok(End::Beyond(bytes.len()));
        };
        at += found;
        match (bytes[at], bytes.get(at + 1)) {
            (b'\n', _) => return Err(Rule::BareLf),
            (_, None) => return Ok(End::Beyond(at)),
            (_, Some(b'\n')) if at == start || bytes[start..at].ends_with(b"\r\n") => return Ok(End::At(at + 2)),
            (_, Some(b'\n')) => at += 2,
            (_, Some(_)) => return Err(Rule::BareCr),
        }
    }
}

/// A head that has been parsed, with its fields where they lie in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'h, 'b> {
    bytes: &'b [u8],
    fields: &'h [Header<'b>],
}

impl<'h, 'b> Head<'h, 'b> {
    /// # Errors
    /// A line ends in LF alone: the parser takes it, so the bytes before every line are looked at.
    pub(super) fn new(bytes: &'b [u8], fields: &'h [Header<'b>]) -> Result<Self, Rule> {
        let head = Self { bytes, fields };
        let is_strict = |start: usize| start >= 2 && bytes.get(start - 2) == Some(&b'\r');
        let lines = (0..=fields.len()).all(|index| is_strict(head.line(index)));
        if lines && bytes.ends_with(b"\r\n") { Ok(head) } else { Err(Rule::BareLf) }
    }

    pub(super) fn fields(&self) -> &'h [Header<'b>] {
        self.fields
    }

    /// A value with all its blanks, but for the single space that everybody writes after the colon.
    fn plain_value(&self, index: usize) -> &'b [u8] {
        let name = self.fields[index].name.as_bytes();
        let start = offset(self.bytes, name).wrapping_add(name.len() + 1);
        let value = self.bytes.get(start..self.line(index + 1).wrapping_sub(2)).unwrap_or_default();
        value.strip_prefix(b" ").unwrap_or(value)
    }

    /// Where the line of a field begins, or after the last field the empty line.
    fn line(&self, index: usize) -> usize {
        let beyond = self.bytes.len().saturating_sub(2);
        self.fields.get(index).map_or(beyond, |field| offset(self.bytes, field.name.as_bytes()))
    }
}

/// Where in `whole` its `part` lies.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize)
}

/// What the fields say about the body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    chunked: bool,
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimited {
    /// Nothing is said.
    Unsaid,
    /// By its length.
    Length(u64),
    /// By its chunks.
    Chunked,
}

impl Framing {
    /// Takes note of a field, if it is one of the two.
    ///
    /// # Errors
    /// Whatever two readers could understand in two ways.
    pub(super) fn see(&mut self, head: &Head<'_, '_>, index: usize) -> Result<(), Rule> {
        let name = head.fields[index].name;
        if name.eq_ignore_ascii_case("content-length") {
            let length = parse_length(head.plain_value(index)).ok_or(Rule::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Rule::LengthRepeated);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // The names of codings have no case (RFC 9112 §7).
            if self.chunked || !head.plain_value(index).eq_ignore_ascii_case(b"chunked") {
                return Err(Rule::Encoding);
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// What both fields say together.
    ///
    /// # Errors
    /// They contradict each other, or the version.
    pub(super) fn delimited(self, minor_version: u8) -> Result<Delimited, Rule> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Rule::LengthAndEncoding),
            (None, true) if minor_version == 0 => Err(Rule::EncodingInOldVersion),
            (None, true) => Ok(Delimited::Chunked),
            (Some(length), false) => Ok(Delimited::Length(length)),
            (None, false) => Ok(Delimited::Unsaid),
        }
    }
}

/// Is this a length that everybody reads alike?
pub(in crate::proxy) fn is_length(text: &[u8]) -> bool {
    parse_length(text).is_some()
}

/// Only what everybody reads alike: digits, no zero in front (octal for some), no more than a signed number holds.
fn parse_length(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => digits
            .iter()
            .try_fold(0, |sum: u64, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
            .filter(|length| *length <= i64::MAX as u64),
        _ => None,
    }
}

/// Checks a trailer section, from its first field to its empty line.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn check_trailers(section: &[u8], most: usize) -> Result<(), Rule> {
    let mut fields = [httparse::EMPTY_HEADER; super::FIELDS];
    let most = most.min(super::FIELDS);
    match httparse::parse_headers(section, &mut fields[..most]) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => {
            let frames = |name: &str| {
                ["content-length", "transfer-encoding", "host"].iter().any(|other| name.eq_ignore_ascii_case(other))
            };
            if fields.iter().any(|field| frames(field.name)) { Err(Rule::Trailer) } else { Ok(()) }
        }
        Ok(_) => Err(Rule::FieldName),
        Err(error) => Err(super::diagnosis::fields(error, section)),
    }
}
