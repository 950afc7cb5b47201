//! Requests for another protocol: what is asked of the endpoint, and what the client is told. Pure.
//!
//! A client asks with `Upgrade` over HTTP/1.1 (RFC 9110 §7.8) and with an extended CONNECT over HTTP/2 (RFC 8441), of
//! which only WebSocket is served. The endpoint is asked over HTTP/1.1 in either case.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version, request, response};
use hyper::ext::Protocol;

/// How another protocol was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// With these protocols in `Upgrade`, one of which the endpoint may choose.
    Http1(HeaderValue),
    /// With an extended CONNECT for WebSocket.
    Http2,
}

const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

impl Upgrade {
    /// Is this a request for another protocol? To be asked before fields of the connection are taken out.
    ///
    /// HTTP/2 is not switched to this way (RFC 9113 §3.1), and a client that asks for it nonetheless is served as if it
    /// had not: behind such a request nobody looks at what passes.
    pub(super) fn asked(head: &request::Parts) -> Option<Self> {
        if is_websocket_connect(head) {
            return Some(Self::Http2);
        }
        let upgrade = head.headers.get(header::UPGRADE)?;
        if head.version != Version::HTTP_11 || !nominates(&head.headers) {
            return None;
        }
        let offered = head.headers.get_all(header::UPGRADE).iter().filter_map(|field| field.to_str().ok());
        let offered: Vec<&str> = offered.flat_map(|field| field.split(',')).map(str::trim).collect();
        let is_wanted = |name: &&str| !name.is_empty() && !name.to_ascii_lowercase().starts_with("h2c");
        let kept: Vec<&str> = offered.iter().copied().filter(is_wanted).collect();
        match kept.len() {
            0 => None,
            // Nearly always there is one, in one field.
            1 if offered.len() == 1 => Some(Self::Http1(upgrade.clone())),
            _ => HeaderValue::from_str(&kept.join(", ")).ok().map(Self::Http1),
        }
    }

    /// Makes the head into the one that asks the endpoint. `nonce` is random.
    pub(super) fn ask(&self, head: &mut request::Parts, nonce: u128) {
        head.headers.insert(header::CONNECTION, UPGRADE);
        match self {
            Self::Http1(protocols) => drop(head.headers.insert(header::UPGRADE, protocols.clone())),
            Self::Http2 => {
                head.method = Method::GET;
                head.headers.insert(header::UPGRADE, WEBSOCKET);
                // RFC 8441 §5 leaves the key out, RFC 6455 §4.1 wants one.
                if let Ok(key) = HeaderValue::try_from(STANDARD.encode(nonce.to_be_bytes())) {
                    head.headers.insert(header::SEC_WEBSOCKET_KEY, key);
                }
            }
        }
    }

    /// Makes the head of the endpoint's 101, from which the fields of its connection have been taken, into the one that
    /// the client understands. `protocol` is what the endpoint has chosen.
    pub(super) fn tell(&self, head: &mut response::Parts, protocol: HeaderValue) {
        match self {
            Self::Http1(_) => {
                head.headers.insert(header::CONNECTION, UPGRADE);
                head.headers.insert(header::UPGRADE, protocol);
            }
            Self::Http2 => {
                head.status = StatusCode::OK;
                head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            }
        }
    }
}

/// Is this CONNECT one that is served? Its path is then what it asks for.
pub(super) fn is_websocket_connect(head: &request::Parts) -> bool {
    head.method == Method::CONNECT
        && head.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
        && head.uri.path_and_query().is_some()
        && head.uri.scheme().is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https"))
}

/// Does `Connection` name `Upgrade`, without which it asks for nothing?
fn nominates(fields: &HeaderMap) -> bool {
    fields
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(version: Version, fields: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn asked(version: Version, fields: &[(&str, &str)], expected: Option<&'static str>) {
        let expected = expected.map(|protocols| Upgrade::Http1(HeaderValue::from_static(protocols)));
        assert_eq!(Upgrade::asked(&head(version, fields)), expected, "{fields:?}");
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_fields_over_http_1_1() {
        let websocket = ("upgrade", "websocket");
        asked(Version::HTTP_11, &[websocket, ("connection", "Upgrade")], Some("websocket"));
        asked(Version::HTTP_11, &[websocket, ("connection", "keep-alive, upgrade")], Some("websocket"));
        asked(Version::HTTP_11, &[websocket, ("connection", "keep-alive")], None);
        asked(Version::HTTP_11, &[websocket], None);
        asked(Version::HTTP_11, &[("connection", "upgrade")], None);
        asked(Version::HTTP_10, &[websocket, ("connection", "upgrade")], None);
    }

    #[test]
    fn nobody_switches_to_http_2_behind_our_back() {
        let connection = ("connection", "upgrade, http2-settings");
        asked(Version::HTTP_11, &[("upgrade", "h2c"), connection], None);
        asked(Version::HTTP_11, &[("upgrade", "H2C"), connection], None);
        asked(Version::HTTP_11, &[("upgrade", "h2c-14, websocket"), connection], Some("websocket"));
        asked(Version::HTTP_11, &[("upgrade", "a"), ("upgrade", "h2c"), ("upgrade", "b"), connection], Some("a, b"));
    }

    #[test]
    fn a_connect_for_websocket_becomes_a_get_and_its_101_a_200() {
        let mut head = head(Version::HTTP_2, &[("sec-websocket-version", "13")]);
        head.method = Method::CONNECT;
        head.uri = "https://a.example/chat".parse().unwrap();
        assert_eq!(Upgrade::asked(&head), None, "without :protocol");
        head.extensions.insert(Protocol::from_static("websocket"));
        let upgrade = Upgrade::asked(&head).unwrap();
        upgrade.ask(&mut head, 7);
        assert_eq!((&head.method, &head.headers["upgrade"]), (&Method::GET, &WEBSOCKET));
        assert_eq!(head.headers["sec-websocket-key"], "AAAAAAAAAAAAAAAAAAAABw==");
        let response = http::Response::builder().status(101).header("sec-websocket-accept", "x").body(()).unwrap();
        let mut answer = response.into_parts().0;
        upgrade.tell(&mut answer, WEBSOCKET);
        assert_eq!((answer.status, answer.headers.len()), (StatusCode::OK, 0));
    }
}
