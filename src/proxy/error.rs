//! Everything that ends a request without an upstream's response, and the one place where that becomes a
//! status and a text. Clients learn what they can do; what broke inside goes to the log.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::grpc;
use super::guard::Rule;
use super::headers;
use super::upstream::Unfit;

/// Why a request got no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The request is none that we pass on.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// What was sent breaks a rule of HTTP that readers have disagreed about.
    #[error("refused: {0}")]
    Refused(Rule),
    /// The target is longer than allowed.
    #[error("the request target is too long")]
    TargetTooLong,
    /// No rule has its host and path.
    #[error("no route for this host and path")]
    NoRoute,
    /// The certificate that the client was shown covers another host.
    #[error("the certificate of this connection does not cover the host")]
    Misdirected,
    /// This is served over TLS only.
    #[error("to be asked for over TLS")]
    NeedsTls(HeaderValue),
    /// What is meant to protect this cannot be done here.
    #[error("closed: {0}")]
    Closed(Arc<str>),
    /// The client's address is none that may come.
    #[error("the client's address is not let in")]
    Forbidden,
    /// Its rule sends it elsewhere.
    #[error("sent to {}", String::from_utf8_lossy(location.as_bytes()))]
    Redirected {
        /// With this status,
        status: StatusCode,
        /// to there.
        location: HeaderValue,
    },
    /// A browser's question what scripts may do, which the rule answers.
    #[error("a preflight, answered by the rule")]
    Preflight,
    /// The body is larger than its rule allows.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The endpoint is spoken to over HTTP/2, in which there are no upgrades.
    #[error("no other protocol over HTTP/2 to the endpoint")]
    NoUpgrade,
    /// The client stopped sending its body.
    #[error("the request body made no progress within its time limit")]
    UploadTimeout,
    /// As many requests as are allowed are under way.
    #[error("too many requests are under way")]
    Overloaded,
    /// Nothing has been published yet.
    #[error("no configuration yet")]
    NotConfigured,
    /// The session's endpoint is lost, and the policy allows no other.
    #[error("the session's endpoint is lost")]
    Rejected,
    /// No endpoint is there, or none could be connected to.
    #[error("no endpoint is available")]
    Unavailable,
    /// Too many requests wait already.
    #[error("too many requests are held")]
    HeldTooMany,
    /// As many connections as are allowed are in use.
    #[error("too many connections to the endpoint")]
    Busy,
    /// The endpoint is there, and is not what it should be.
    #[error("the endpoint cannot be spoken to: {0}")]
    Unfit(#[source] Unfit),
    /// The upstream ended the connection, or what it sent was no HTTP.
    #[error("the upstream broke off")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent a response that is none.
    #[error("bad response: {0}")]
    BadResponse(&'static str),
    /// What the upstream sent breaks such a rule.
    #[error("bad response: {0}")]
    RefusedResponse(Rule),
    /// The upstream took the request and did not answer.
    #[error("the upstream sent no response within the time limit")]
    ResponseTimeout,
}

/// How long a client should wait before it comes back after a 503, in seconds.
const RETRY_AFTER: &str = "2";

impl Error {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Refused(rule) => StatusCode::from_u16(rule.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NeedsTls(_) => StatusCode::PERMANENT_REDIRECT,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Redirected { status, .. } => *status,
            Self::Preflight => StatusCode::NO_CONTENT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoUpgrade => StatusCode::NOT_IMPLEMENTED,
            Self::UploadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Closed(_)
            | Self::Overloaded
            | Self::NotConfigured
            | Self::Rejected
            | Self::Unavailable
            | Self::HeldTooMany
            | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unfit(_) | Self::Upstream(_) | Self::BadResponse(_) | Self::RefusedResponse(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Can the connection not be used for another request, because this one was not read to its end?
    pub(super) fn closes(&self) -> bool {
        matches!(
            self,
            Self::BadRequest(_) | Self::Refused(_) | Self::TargetTooLong | Self::BodyTooLarge | Self::UploadTimeout
        )
    }

    /// What the client is told.
    fn detail(&self) -> Cow<'static, str> {
        let detail = match self {
            Self::BadRequest(what) => what,
            Self::Refused(rule) => return format!("The request was refused: {}.", rule.detail()).into(),
            Self::TargetTooLong => "The request target is longer than this server accepts.",
            Self::NoRoute => "Nothing is served under this host and path.",
            Self::Misdirected => "This connection was made for another host. Please ask over one of its own.",
            Self::NeedsTls(_) => "This is served over HTTPS.",
            Self::Closed(_) => "This is closed. Please try again later.",
            Self::Forbidden => "This is not served to your address.",
            Self::Redirected { .. } => "This is found elsewhere.",
            Self::Preflight => "",
            Self::BodyTooLarge => "The request body is larger than is accepted here.",
            Self::NoUpgrade => "No other protocol is spoken with the server behind this.",
            Self::UploadTimeout => "The request body did not arrive in time.",
            Self::Overloaded => "This server has too many requests. Please try again in a moment.",
            Self::NotConfigured => "The proxy is starting. Please try again in a moment.",
            Self::Rejected => "The server that holds this session is not available. Please try again in a moment.",
            Self::Unavailable | Self::HeldTooMany | Self::Busy => {
                "No server is available for this request right now. Please try again in a moment."
            }
            Self::Unfit(_) => "No safe connection to the server could be made.",
            Self::Upstream(_) => "The server ended the connection before it had answered.",
            Self::BadResponse(_) | Self::RefusedResponse(_) => "The server sent a response that makes no sense.",
            Self::ResponseTimeout => "The server did not answer in time.",
        };
        detail.into()
    }

    /// The response in the form that the client likes best.
    pub(super) fn response(&self, accept: Form, request_id: &HeaderValue) -> Response<Bytes> {
        let (status, detail) = (self.status(), self.detail());
        let title = status.canonical_reason().unwrap_or("Error");
        let id = request_id.to_str().unwrap_or_default();
        if matches!(self, Self::Preflight) {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = status;
            response.headers_mut().insert(headers::REQUEST_ID, request_id.clone());
            return response;
        }
        let mut response = if accept == Form::Grpc {
            grpc::response(status, &format!("{title}: {detail} (request {id})"))
        } else {
            let (kind, body) = accept.render(status.as_u16(), title, &detail, id);
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        };
        let fields = response.headers_mut();
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(headers::REQUEST_ID, request_id.clone());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if let Self::NeedsTls(location) | Self::Redirected { location, .. } = self {
            fields.insert(header::LOCATION, location.clone());
        }
        if self.closes() {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The forms of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    /// `application/problem+json` (RFC 9457).
    Json,
    Text,
    /// A status of gRPC.
    Grpc,
}

impl Form {
    /// What the client likes best, by the weights of its `Accept`; text if it has no preference.
    pub(super) fn accepted(accept: Option<&HeaderValue>) -> Self {
        let ranges = accept.and_then(|value| value.to_str().ok()).into_iter();
        let mut best = (0, Self::Text);
        for range in ranges.flat_map(|value| value.split(',')).take(32) {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default() {
                "text/html" | "application/xhtml+xml" => Self::Html,
                "application/json" | "application/problem+json" => Self::Json,
                "text/plain" => Self::Text,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }

    /// The content type and the body. Only `detail` and `id` are not constants, and neither is a client's text:
    /// the id is made by us or has passed [`headers::is_request_id`].
    fn render(self, status: u16, title: &str, detail: &str, id: &str) -> (&'static str, String) {
        match self {
            Self::Html => (
                "text/html; charset=utf-8",
                format!(
                    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {title}</title>\
                     <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}}\
                     small{{color:#666}}</style></head>\n<body><h1>{status} {title}</h1><p>{detail}</p>\
                     <small>Request {id}</small></body></html>\n"
                ),
            ),
            Self::Json => (
                "application/problem+json",
                serde_json::json!({ "title": title, "status": status, "detail": detail, "request_id": id }).to_string(),
            ),
            Self::Text | Self::Grpc => {
                ("text/plain; charset=utf-8", format!("{status} {title}\n{detail}\nRequest {id}\n"))
            }
        }
    }
}

/// A weight of RFC 9110 §12.4.2 in thousandths; what is none counts as nothing.
fn thousandths(weight: &str) -> u32 {
    weight
        .parse::<f32>()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .map_or(0, |weight| (weight * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn form(accept: &str, expected: Form) {
        let value = HeaderValue::from_str(accept).unwrap();
        assert_eq!(Form::accepted(Some(&value)), expected, "{accept:?}");
    }

    #[test]
    fn errors_come_in_the_form_that_the_client_likes_best() {
        form("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html);
        form("application/json", Form::Json);
        form("application/problem+json, text/html;q=0.5", Form::Json);
        form("text/html;q=0.1, application/json;q=0.2", Form::Json);
        form("*/*", Form::Text);
        form("text/html;q=0", Form::Text);
        form("text/html;q=nonsense", Form::Text);
        form("", Form::Text);
    }

    #[test]
    fn an_overload_says_when_to_come_back_and_a_bad_request_closes() {
        let id = HeaderValue::from_static("abc");
        let busy = Error::Busy.response(Form::Json, &id);
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers()["retry-after"], "2");
        let body: serde_json::Value = serde_json::from_slice(busy.body()).unwrap();
        assert_eq!((&body["status"], &body["request_id"]), (&503.into(), &"abc".into()));
        assert_eq!(Error::BadRequest("no").response(Form::Text, &id).headers()["connection"], "close");
    }
}
