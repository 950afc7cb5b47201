//! What gRPC is told when the answer is ours. Pure.
//!
//! A client of gRPC looks for a status in the trailers of a response that succeeded, and makes one up out of any other:
//! [by a table](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) in which every overload looks like
//! every other. So it gets a status of its own kind, in a response that is nothing but trailers.

use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

const CONTENT_TYPE: &str = "application/grpc";
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Is this a call of gRPC? `application/grpc-web` is none: what speaks it reads the status of HTTP.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let Some((start, rest)) = kind.split_at_checked(CONTENT_TYPE.len()) else { return false };
    start.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The status of gRPC for one of HTTP: its own table, but for time limits. An endpoint that has taken a call and not
/// answered in time may have done what it was asked for, which `UNAVAILABLE` would have clients do again;
/// [`DEADLINE_EXCEEDED`](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md) says that nobody knows.
fn status(http: StatusCode) -> u8 {
    match http {
        StatusCode::BAD_REQUEST => 13,
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND => 12,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => 4,
        // What servers of gRPC themselves say of a message that is too large; the table knows no such status.
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 2,
    }
}

/// The response for a call that would otherwise get this status and this text.
pub(super) fn response<B: Default>(http: StatusCode, text: &str) -> Response<B> {
    let mut response = Response::new(B::default());
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    fields.insert(STATUS, HeaderValue::from(u16::from(status(http))));
    // What is encoded is ASCII.
    if let Ok(message) = HeaderValue::try_from(encoded(text)) {
        fields.insert(MESSAGE, message);
    }
    response
}

/// A message as it stands in a header: RFC 3986's percent-encoding of everything that is not printable ASCII.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        assert_eq!(is_grpc(&headers), expected, "{kind:?}");
    }

    #[test]
    fn calls_of_grpc_are_told_by_their_content_type() {
        for kind in ["application/grpc", "application/grpc+proto", "Application/GRPC; charset=x"] {
            check(kind, true);
        }
        for kind in ["application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/json", ""]
        {
            check(kind, false);
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn statuses_are_those_of_the_table_but_for_time_limits() {
        for (http, grpc) in [
            (400, "13"),
            (401, "16"),
            (403, "7"),
            (404, "12"),
            (408, "4"),
            (413, "8"),
            (421, "2"),
            (429, "14"),
            (500, "2"),
            (502, "14"),
            (503, "14"),
            (504, "4"),
        ] {
            let response: Response<()> = response(StatusCode::from_u16(http).unwrap(), "why");
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()[STATUS], grpc, "{http}");
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(encoded("100 % sure.\n"), "100 %25 sure.%0A");
        assert_eq!(encoded("é"), "%C3%A9");
    }
}
