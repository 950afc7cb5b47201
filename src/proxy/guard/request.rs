//! The rules for the heads of requests.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::head::{Delimited, Framing, Head, offset};
use super::rules::Rule;
use super::side::{Body, Judged, Side};
use super::{Bounds, FIELDS, authority, diagnosis};

/// The side that asks.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Requests;

impl Side for Requests {
    /// RFC 9112 §2.2 has one empty line ignored: old clients end their bodies with it.
    fn lead(bytes: &[u8]) -> usize {
        if bytes.starts_with(b"\r\n") { 2 } else { 0 }
    }

    fn begin(&self, first: u8) -> Result<(), Rule> {
        let may_begin = diagnosis::is_token_byte(first) || matches!(first, b'\r' | b'\n');
        if may_begin { Ok(()) } else { Err(Rule::Method) }
    }

    fn line_too_long() -> Rule {
        Rule::TargetTooLong
    }

    fn judge(&self, bytes: &[u8], bounds: &Bounds) -> Result<Option<Judged>, Rule> {
        let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let most = bounds.fields.min(FIELDS);
        let length = match request.parse_with_uninit_headers(bytes, &mut fields[..most]) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(diagnosis::request(error, bytes)),
        };
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(Rule::RequestLine);
        };
        if offset(bytes, method.as_bytes()) != Self::lead(bytes) {
            return Err(Rule::EmptyLines);
        }
        let head = Head::new(&bytes[..length], request.headers)?;
        let named = check_target(method, target.as_bytes(), bounds)?;
        let seen = Seen::of(&head)?;
        match (seen.host, named) {
            (None, _) if version == 1 => return Err(Rule::HostMissing),
            (Some(host), _) if !authority::is_valid(host) => return Err(Rule::Host),
            (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named) => return Err(Rule::Authority),
            _ => {}
        }
        let body = match seen.framing.delimited(version)? {
            Delimited::Unsaid | Delimited::Length(0) => Body::None,
            Delimited::Length(length) => Body::Length(length),
            Delimited::Chunked => Body::Chunked,
        };
        let upgrade = version == 1 && seen.upgrade && nominates_upgrade(&head);
        Ok(Some(Judged { length, body, upgrade }))
    }
}

/// What the fields of a request say that matters here.
#[derive(Default)]
struct Seen<'b> {
    framing: Framing,
    host: Option<&'b [u8]>,
    expects: bool,
    upgrade: bool,
}

impl<'b> Seen<'b> {
    fn of(head: &Head<'_, 'b>) -> Result<Self, Rule> {
        let mut seen = Self::default();
        for (index, field) in head.fields().iter().enumerate() {
            // The length tells nearly all fields apart from those that matter.
            match field.name.len() {
                4 if field.name.eq_ignore_ascii_case("host") => {
                    let before = seen.host.replace(field.value);
                    if before.is_some() {
                        return Err(Rule::HostRepeated);
                    }
                }
                6 if field.name.eq_ignore_ascii_case("expect") => {
                    if seen.expects || !field.value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Rule::Expect);
                    }
                    seen.expects = true;
                }
                7 => seen.upgrade |= field.name.eq_ignore_ascii_case("upgrade"),
                14 | 17 => seen.framing.see(head, index)?,
                _ => {}
            }
        }
        Ok(seen)
    }
}

/// Checks the target; returns the host that it names.
fn check_target<'b>(method: &str, target: &'b [u8], bounds: &Bounds) -> Result<Option<&'b [u8]>, Rule> {
    if method == "CONNECT" {
        return Err(Rule::Connect);
    }
    if target.len() > bounds.target_size {
        return Err(Rule::TargetTooLong);
    }
    if target == b"*" {
        return Err(Rule::Asterisk);
    }
    let seen = look(target)?;
    let (named, path) = if target[0] == b'/' { (None, target) } else { split_authority(target)? };
    check_slashes(seen, path)?;
    Ok(named)
}

/// Checks a path with its query, as `:path` of HTTP/2 has it, but for a fragment: that was cut off before anybody could see it (by
/// the http crate), and what is looked at here is what is sent on.
pub(in crate::proxy) fn check_path(path: &[u8]) -> Result<(), Rule> {
    check_slashes(look(path)?, path)
}

/// What kinds of bytes there are, if all of them may be in a target.
fn look(target: &[u8]) -> Result<u8, Rule> {
    let seen = target.iter().fold(0, |seen, byte| seen | TARGET_BYTES[usize::from(*byte)]);
    match seen & FOREIGN {
        0 => Ok(seen),
        _ if target.contains(&b'#') => Err(Rule::Fragment),
        _ => Err(Rule::Target),
    }
}

fn check_slashes(seen: u8, path: &[u8]) -> Result<(), Rule> {
    let end = || path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
    if seen & BACKSLASH != 0 && path[..end()].contains(&b'\\') { Err(Rule::Target) } else { Ok(()) }
}

/// Splits an `http` URL into its authority and what follows.
fn split_authority(target: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Rule> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .ok_or(Rule::Target)?;
    let rest = &target[scheme.len()..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (named, path) = rest.split_at(end);
    if authority::is_valid(named) { Ok((Some(named), path)) } else { Err(Rule::Target) }
}

/// Does `Connection` name `upgrade`, without which `Upgrade` asks for nothing (RFC 9110 §7.8)?
fn nominates_upgrade(head: &Head<'_, '_>) -> bool {
    head.fields()
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// What no target has: what WHATWG URL escapes everywhere, blanks, controls, and whatever is not ASCII. That leaves
/// more than RFC 3986 has, because clients send `{`, `|`, `^`, `[` and the like, and no two readers differ on them.
const FOREIGN: u8 = 1;

/// Browsers make a slash of it in paths, and so might an application. In queries it is as good as any character.
const BACKSLASH: u8 = 2;

const TARGET_BYTES: [u8; 256] = {
    let mut table = [FOREIGN; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = match byte {
            b'"' | b'#' | b'<' | b'>' => FOREIGN,
            b'\\' => BACKSLASH,
            _ => 0,
        };
        byte += 1;
    }
    table
};
