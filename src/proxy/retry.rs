//! May a request be sent again? Pure.
//!
//! | what failed | sent again |
//! |---|---|
//! | the connection could not be made | always: nothing was sent |
//! | a kept connection turned out to be closed before the request was written | always: nothing was sent |
//! | the connection broke after the request was written, and nothing came back | once, if it is idempotent and has no body |
//! | a kept connection did so, and it goes to the same endpoint again | that does not count, once |
//! | anything came back | never |
//!
//! The last attempt at the same endpoint comes after a [pause](PAUSE).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};

use super::body::RequestBody;

/// A request that has been sent is sent again so often, at most: the kept connection may have been closed, and the fresh one may
/// have met a process that was about to die.
pub(super) const REPLAYS: u8 = 2;
/// The system takes connections for a process that is being killed until it has closed its listener, which it does not do first.
/// After this it refuses them, or another process has them.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Can a request be sent a second time, and does that do no more than sending it once (RFC 9110 §9.2.2)?
pub(super) fn is_repeatable(request: &Request<RequestBody>) -> bool {
    is_idempotent(request.method()) && http_body::Body::is_end_stream(request.body())
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
}

/// The request whose head was written like this, to be sent once more. `None` if that is no whole head of ours.
///
/// Nobody keeps a copy of each request for the rare case that it has to be sent twice: the connection still has the
/// bytes, and reading them again costs only whoever needs it.
pub(super) fn reread(written: &[u8]) -> Option<Request<RequestBody>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    if parsed.parse(written).ok()?.is_partial() {
        return None;
    }
    let mut request = Request::new(RequestBody::empty());
    *request.method_mut() = parsed.method?.parse().ok()?;
    *request.uri_mut() = parsed.path?.parse().ok()?;
    for field in parsed.headers.iter() {
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(field.value)).ok()?;
        request.headers_mut().append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, value);
    }
    Some(request)
}

/// As many as hyper reads, and as many as we add.
const FIELDS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_requests_without_a_body_are_repeatable() {
        let request = |method: &str| Request::builder().method(method).body(RequestBody::empty()).unwrap();
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
            assert!(is_repeatable(&request(method)), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "PURGE"] {
            assert!(!is_repeatable(&request(method)), "{method}");
        }
    }

    #[test]
    fn what_was_written_is_read_again_to_the_letter() {
        let head = b"GET /a?b=%20c HTTP/1.1\r\nhost: a.example\r\nx-many: 1\r\nx-many: 2\r\nx-odd: \xff\r\n\r\n";
        let request = reread(head).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::GET, "/a?b=%20c".to_owned()));
        assert_eq!(request.headers()["host"], "a.example");
        assert_eq!(request.headers().get_all("x-many").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(request.headers()["x-odd"].as_bytes(), b"\xff");
        assert!(reread(&head[..head.len() - 1]).is_none(), "cut");
        assert!(reread(b"").is_none());
    }
}
