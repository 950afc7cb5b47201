//! Which rule a head breaks that the parser does not take. Speed does not matter here, the connection ends.

use super::rules::Rule;

/// A head that is no request.
pub(super) fn request(error: httparse::Error, head: &[u8]) -> Rule {
    match error {
        // All lines end as they should, so a bad end can only be that of the request line, behind the version.
        httparse::Error::Token | httparse::Error::Version | httparse::Error::NewLine => {
            let head = head.strip_prefix(b"\r\n").unwrap_or(head);
            request_line(lines(head).next().unwrap_or_default())
        }
        _ => fields(error, &head[first_line(head)..]),
    }
}

/// A head that is no response.
pub(super) fn response(error: httparse::Error, head: &[u8]) -> Rule {
    match error {
        httparse::Error::Version => Rule::Version,
        httparse::Error::Token | httparse::Error::Status => Rule::StatusLine,
        _ => fields(error, &head[first_line(head)..]),
    }
}

/// Fields that are none.
pub(super) fn fields(error: httparse::Error, fields: &[u8]) -> Rule {
    if error == httparse::Error::TooManyHeaders {
        return Rule::TooManyFields;
    }
    let broken = lines(fields).take_while(|line| !line.is_empty()).find_map(|line| field(line).err());
    broken.unwrap_or(Rule::FieldName)
}

fn request_line(line: &[u8]) -> Rule {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    if method.is_empty() || method.contains(&b'\t') {
        return Rule::RequestLine;
    }
    if !method.iter().all(|byte| is_token_byte(*byte)) {
        return Rule::Method;
    }
    match (target, version) {
        (Some(b"") | None, _) => Rule::RequestLine,
        (Some(target), _) if target.iter().any(is_blank) => Rule::RequestLine,
        (Some(_), Some(version)) if version.iter().any(is_blank) => Rule::RequestLine,
        (Some(target), _) if !target.iter().all(u8::is_ascii_graphic) => Rule::Target,
        (_, Some(version)) if !version.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/")) => {
            Rule::NotHttp
        }
        _ => Rule::Version,
    }
}

fn field(line: &[u8]) -> Result<(), Rule> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Rule::Fold);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Rule::FieldName)?;
    let (name, value) = line.split_at(colon);
    let is_token = |name: &[u8]| !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte));
    if !is_token(name) {
        return Err(if is_token(name.trim_ascii_end()) { Rule::BlankBeforeColon } else { Rule::FieldName });
    }
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if value.iter().any(is_control) { Err(Rule::ControlByte) } else { Ok(()) }
}

/// Is this a `tchar` of RFC 9110 §5.6.2?
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The lines, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// How long the first line is, with an empty one before it and its end.
fn first_line(head: &[u8]) -> usize {
    let lead = if head.starts_with(b"\r\n") { 2 } else { 0 };
    head[lead..].iter().position(|byte| *byte == b'\n').map_or(head.len(), |end| lead + end + 1)
}
