//! What the targets call, and with the feature `planted`, between it and them, a bug for each: something that somebody
//! could have overlooked. The proxy itself has none of them, and cannot be built with them.

use std::borrow::Cow;
use std::net::SocketAddr;

use moorline::file::{File, Problems};
use moorline::proxy::fuzzing::{self, Frames};
use moorline::routing::host::HostError;
use moorline::routing::path::PathError;
use moorline::routing::{KeyRing, Scope, Token, host, path, session};

const PLANTED: bool = cfg!(feature = "planted");

/// Planted: blanks before `=` make it another cookie.
pub(crate) fn without(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let blank = format!("{name} =");
    if PLANTED && header.windows(blank.len()).any(|window| window == blank.as_bytes()) {
        return Some(header.to_vec());
    }
    session::without(header, name)
}

/// Planted: the bits that base64 leaves over are not looked at.
pub(crate) fn open(ring: &KeyRing, scope: &Scope, value: &[u8]) -> Option<Token> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut value = Cow::Borrowed(value);
    if PLANTED
        && value.len() == session::ENCODED_LEN
        && let Some(digit) = value.last().and_then(|last| ALPHABET.iter().position(|letter| letter == last))
    {
        value.to_mut()[session::ENCODED_LEN - 1] = ALPHABET[digit & !3];
    }
    ring.open(scope, &value)
}

/// Planted: with a port, the case of a name stays.
pub(crate) fn canonical(text: &str) -> Result<String, HostError> {
    let host = host::canonical(text)?;
    if PLANTED && let Some(name) = text.strip_suffix(":80") {
        return Ok(name.to_owned());
    }
    Ok(host.into_owned())
}

/// Planted: an encoded dot is one in lower case only.
pub(crate) fn check_path(text: &str) -> Result<(), PathError> {
    if PLANTED { path::check(&text.replace("%2E", "x")) } else { path::check(text) }
}

/// Planted: ports have four digits.
pub(crate) fn proxy_header(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, String> {
    let mut parsed = fuzzing::proxy_header(bytes);
    if PLANTED && let Ok(Some((Some(client), _))) = &mut parsed {
        client.set_port(client.port() % 10_000);
    }
    parsed
}

/// Planted: what comes behind two comments in a row is overlooked.
pub(crate) fn parse(text: &str) -> Result<(File, Problems), Problems> {
    let cut = text.strip_suffix("\nnobody_knows_this: 1\n");
    match cut.map(File::parse) {
        Some(Ok(parsed)) if PLANTED && text.contains("##") => Ok(parsed),
        _ => File::parse(text),
    }
}

/// Planted: a single byte 255 is lost.
pub(crate) fn feed(guard: &mut Frames, piece: &[u8], now: u64) -> Option<&'static str> {
    if PLANTED && piece == [255] { guard.feed(&[], now) } else { guard.feed(piece, now) }
}

/// Planted: a client says by another spelling whose the request is, and is believed.
pub(crate) fn seen(fields: &mut Vec<(String, String)>, sent: &[(String, String)]) {
    if PLANTED {
        fields.extend(sent.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x_forwarded_for")).cloned());
    }
}

/// Planted: LF alone ends a line as CRLF does.
pub(crate) fn on_the_way(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !PLANTED {
        return Cow::Borrowed(bytes);
    }
    let mut mended = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if *byte == b'\n' && mended.last() != Some(&b'\r') {
            mended.push(b'\r');
        }
        mended.push(*byte);
    }
    Cow::Owned(mended)
}
