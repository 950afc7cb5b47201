//! What happens to header fields between the two sides. Pure: names and values in, names and values out.
//!
//! Three kinds of fields do not pass as they came: those that speak of the connection and not of the
//! message (RFC 9110 §7.6.1), those by which an application would believe something about the client that
//! anybody can write (unless a trusted proxy wrote it), and ours, which only we write.

mod trailers;

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

pub(super) use self::trailers::Trailers;

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const SESSION: HeaderName = HeaderName::from_static("moorline-session");
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("moorline-session-id");

/// Is whoever connected believed when it says on whose behalf?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// One of `trusted_proxies`.
    Trusted,
    /// Anybody.
    Untrusted,
}

/// Takes out of a request what must not reach the application as it came.
pub(super) fn clean_request(headers: &mut HeaderMap, peer: Peer) {
    remove_nominated(headers);
    // Nearly always nothing has to go: looking costs less than removing each candidate by its name.
    let mut gone: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        let text = name.as_str();
        let drop = match text.as_bytes()[0] {
            b'c' | b'k' | b'p' | b't' | b'u' | b'e' => is_hop_by_hop(text) || text == "expect",
            b'm' => is_ours(text),
            b'x' => is_forwarding(text) && (peer == Peer::Untrusted || text.contains('_')),
            b'f' => peer == Peer::Untrusted && text == "forwarded",
            _ => false,
        };
        if drop {
            gone.push(name.clone());
        }
    }
    for name in gone {
        headers.remove(name);
    }
}

/// Takes out of a response what speaks of the upstream's connection, and what is ours to say.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove_nominated(headers);
    let announced = announced_trailers(headers);
    let mut gone: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        let text = name.as_str();
        if is_hop_by_hop(text) || is_ours(text) {
            gone.push(name.clone());
        }
    }
    for name in gone {
        headers.remove(name);
    }
    if let Some(announced) = announced {
        headers.insert(header::TRAILER, announced);
    }
}

/// The trailers that the endpoint announces and that may pass: hyper sends no others.
fn announced_trailers(headers: &HeaderMap) -> Option<HeaderValue> {
    let fields = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
    let names = fields.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let allowed: Vec<HeaderName> = names.filter(|name| Trailers::Listed.admit(name)).collect();
    let list = allowed.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
    if list.is_empty() { None } else { HeaderValue::from_str(&list).ok() }
}

/// The fields that belong to one connection.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// `Moorline-Session*`, and the spelling with underscores that CGI-like applications cannot tell from it.
fn is_ours(name: &str) -> bool {
    reads_like(name, "moorline-session")
}

/// Who asked, in the spellings that applications take for it.
fn is_forwarding(name: &str) -> bool {
    reads_like(name, "x-forwarded-") || (name.len() == "x-real-ip".len() && reads_like(name, "x-real-ip"))
}

/// Does a name begin with this, for an application that cannot tell `_` from `-`?
fn reads_like(name: &str, start: &str) -> bool {
    let dashed = |byte| if byte == b'_' { b'-' } else { byte };
    name.len() >= start.len() && name.bytes().map(dashed).zip(start.bytes()).all(|(a, b)| a == b)
}

/// Removes what `Connection` names, except what the message itself needs: otherwise a client could make us
/// take the Host or the cookies away from a request.
fn remove_nominated(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::CONNECTION).iter();
    match (fields.next(), fields.next()) {
        (None, _) => return,
        (Some(only), None) if matches!(only.as_bytes(), b"keep-alive" | b"close" | b"Keep-Alive") => return,
        _ => {}
    }
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !matches!(name.as_str(), "host" | "cookie" | "content-length" | "content-type" | "set-cookie"))
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}

/// Appends to a list that earlier proxies began, each of which may have added a field of its own.
pub(super) fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let mut joined = Vec::new();
    for before in headers.get_all(&name) {
        joined.extend_from_slice(before.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(value.as_bytes());
    // All parts are header values already, and so is what stands between them.
    headers.insert(name, HeaderValue::from_bytes(&joined).unwrap_or_else(|_| value.clone()));
}

/// Keeps what the nearest proxy said, which added its field last; if nobody said anything, says it.
pub(super) fn keep_last(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let last = headers.get_all(&name).iter().next_back().unwrap_or(value).clone();
    headers.insert(name, last);
}

/// A node of `Forwarded` (RFC 7239 §6): IPv6 stands in brackets and therefore in quotes.
pub(super) fn forwarded(client: IpAddr, host: Option<&HeaderValue>, proto: &str) -> Option<HeaderValue> {
    let node = match client {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
    let text = match host {
        Some(host) if host.contains(':') => format!("{node};host=\"{host}\";proto={proto}"),
        Some(host) => format!("{node};host={host};proto={proto}"),
        None => format!("{node};proto={proto}"),
    };
    HeaderValue::from_str(&text).ok()
}

/// May a client's request id go on as it is? Whatever could confuse a log may not.
pub(super) fn is_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
}

/// Is this a [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) that may go on?
pub(super) fn is_traceparent(value: &HeaderValue) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let bytes = value.as_bytes();
    bytes.len() >= 55
        && [2, 35, 52].iter().all(|at| bytes[*at] == b'-')
        && hex(&bytes[..2])
        && &bytes[..2] != b"ff"
        && (bytes.len() == 55 || (&bytes[..2] != b"00" && bytes[55] == b'-'))
        && hex(&bytes[3..35])
        && not_zero(&bytes[3..35])
        && hex(&bytes[36..52])
        && not_zero(&bytes[36..52])
        && hex(&bytes[53..55])
}

/// A `traceparent` of ours: version 0, these ids, sampled. The trace id stands at [`TRACE_ID`] in it.
pub(super) fn traceparent(trace: u128, span: u64) -> [u8; 55] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    hex(&trace.to_be_bytes(), &mut text[TRACE_ID]);
    hex(&span.to_be_bytes(), &mut text[36..52]);
    text
}

pub(super) const TRACE_ID: std::ops::Range<usize> = 3..35;

/// By hand, since it is done for every request and formatting takes five times as long.
fn hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, digits) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// A response that sets our cookie is for one client: no shared cache may keep it.
pub(super) fn make_private(headers: &mut HeaderMap) {
    let kept = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|directive| {
            let name = directive.split('=').next().unwrap_or_default().trim();
            !["", "public", "private", "s-maxage"].iter().any(|gone| name.eq_ignore_ascii_case(gone))
        });
    let directives: Vec<&str> = std::iter::once("private").chain(kept).collect();
    let value = if directives.len() == 1 {
        HeaderValue::from_static("private")
    } else {
        // Every part came out of a header value.
        HeaderValue::from_str(&directives.join(", ")).unwrap_or(HeaderValue::from_static("private"))
    };
    headers.insert(header::CACHE_CONTROL, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn cleaned(fields: &[(&str, &str)], peer: Peer, expected: &[&str]) {
        let mut headers = map(fields);
        clean_request(&mut headers, peer);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, expected, "{fields:?}");
    }

    #[test]
    fn fields_of_the_connection_stay_here() {
        cleaned(
            &[
                ("connection", "x-private, close"),
                ("x-private", "1"),
                ("te", "trailers"),
                ("keep-alive", "5"),
                ("accept", "*/*"),
            ],
            Peer::Untrusted,
            &["accept"],
        );
        cleaned(&[("upgrade", "h2c"), ("proxy-authorization", "x"), ("trailer", "x")], Peer::Untrusted, &[]);
    }

    #[test]
    fn every_connection_field_nominates() {
        let fields = [("connection", "close"), ("connection", "x-private"), ("x-private", "1")];
        cleaned(&fields, Peer::Untrusted, &[]);
    }

    #[test]
    fn what_earlier_proxies_added_stays_whole() {
        let mut headers = map(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "7.7.7.7")]);
        append(&mut headers, FORWARDED_FOR, &HeaderValue::from_static("8.8.8.8"));
        assert_eq!(headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>(), ["6.6.6.6, 7.7.7.7, 8.8.8.8"]);
        let mut headers = map(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]);
        keep_last(&mut headers, FORWARDED_PROTO, &HeaderValue::from_static("ftp"));
        assert_eq!(headers.get_all(FORWARDED_PROTO).iter().collect::<Vec<_>>(), ["http"]);
    }

    #[test]
    fn a_client_cannot_nominate_what_the_message_needs() {
        cleaned(
            &[
                ("connection", "host, cookie, content-length"),
                ("host", "a"),
                ("cookie", "b=c"),
                ("content-length", "0"),
            ],
            Peer::Untrusted,
            &["content-length", "cookie", "host"],
        );
    }

    #[test]
    fn nobody_says_for_us_what_became_of_a_session() {
        cleaned(
            &[
                ("moorline-session", "kept"),
                ("moorline-session-id", "1"),
                ("moorline_session", "kept"),
                ("moorline-session_id", "1"),
                ("moorline", "x"),
            ],
            Peer::Trusted,
            &["moorline"],
        );
    }

    #[test]
    fn only_trusted_proxies_say_where_a_request_came_from() {
        let fields = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-prefix", "/x"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
        ];
        cleaned(&fields, Peer::Untrusted, &[]);
        cleaned(&fields, Peer::Trusted, &["forwarded", "x-forwarded-for", "x-forwarded-prefix", "x-real-ip"]);
        for peer in [Peer::Trusted, Peer::Untrusted] {
            for name in ["x_forwarded_for", "x-forwarded_for", "x_forwarded-for", "x_real_ip", "x-real_ip"] {
                cleaned(&[(name, "1.2.3.4")], peer, &[]);
            }
        }
    }

    #[test]
    fn forwarded_quotes_what_needs_quotes() {
        let host = HeaderValue::from_static("example.com:8080");
        let value = |address: &str, host| forwarded(address.parse().unwrap(), host, "http").unwrap();
        assert_eq!(value("192.0.2.1", Some(&host)), "for=192.0.2.1;host=\"example.com:8080\";proto=http");
        assert_eq!(value("::1", None), "for=\"[::1]\";proto=http");
        assert_eq!(value("192.0.2.1", Some(&HeaderValue::from_static("a"))), "for=192.0.2.1;host=a;proto=http");
    }

    #[test]
    fn only_sound_traceparents_go_on() {
        let check = |text: &str| is_traceparent(&HeaderValue::from_str(text).unwrap());
        assert!(check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(check("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }

    #[test]
    fn our_own_traceparents_are_sound() {
        let text = traceparent(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(&text, b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(&text[TRACE_ID], b"4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(is_traceparent(&HeaderValue::from_bytes(&text).unwrap()));
    }

    #[track_caller]
    fn private(before: &[(&str, &str)], expected: &str) {
        let mut headers = map(before);
        make_private(&mut headers);
        assert_eq!(headers.get_all("cache-control").iter().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_response_with_our_cookie_is_kept_from_shared_caches() {
        private(&[], "private");
        private(&[("cache-control", "public, max-age=60, s-maxage=600")], "private, max-age=60");
        private(&[("cache-control", "Public"), ("cache-control", "no-transform")], "private, no-transform");
        private(&[("cache-control", "private")], "private");
        private(&[("cache-control", "no-store")], "private, no-store");
    }

    #[test]
    fn response_fields_that_are_ours_go_no_further() {
        let mut headers =
            map(&[("moorline-session", "end"), ("connection", "close"), ("set-cookie", "a=b"), ("x", "y")]);
        clean_response(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["set-cookie", "x"]);
    }
}
