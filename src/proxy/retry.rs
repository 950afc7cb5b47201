//! May a request be sent again? Pure.
//!
//! | what failed | sent again |
//! |---|---|
//! | the connection could not be made | always: nothing was sent |
//! | a kept connection turned out to be closed before the request was written | always: nothing was sent |
//! | the connection broke after the request was written, and nothing came back | once, if it is idempotent and has no body |
//! | anything came back | never |

use http::{HeaderMap, Method, Request, Uri};

use super::body::RequestBody;

/// A copy of a request that could be sent a second time.
#[derive(Debug)]
pub(super) struct Replay {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Replay {
    /// A copy, if the request may be sent again although the first one may have arrived (RFC 9110 §9.2.2).
    /// A body that has been streamed is gone, so only requests without one qualify.
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        is_repeatable(request).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    /// The request once more.
    pub(super) fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::empty());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Can a request be sent a second time, and does that do no more than sending it once (RFC 9110 §9.2.2)?
pub(super) fn is_repeatable(request: &Request<RequestBody>) -> bool {
    is_idempotent(request.method()) && http_body::Body::is_end_stream(request.body())
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_requests_without_a_body_have_a_copy() {
        let request = |method: &str| Request::builder().method(method).body(RequestBody::empty()).unwrap();
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
            assert!(Replay::of(&request(method)).is_some(), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "PURGE"] {
            assert!(Replay::of(&request(method)).is_none(), "{method}");
        }
    }
}
