//! What answers look like: JSON on a line, problems as RFC 9457 has them, and the headers that every answer carries.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::InstanceName;

/// JSON on one line, with its end, so that a terminal's prompt does not stick to it.
///
/// # Panics
/// If the value does not serialise; plain structures without maps whose keys are not text always do.
pub fn json(value: &impl Serialize) -> Response {
    let line = serde_json::to_string(value).expect("plain data") + "\n";
    ([(header::CONTENT_TYPE, "application/json")], line).into_response()
}

/// An answer that says what went wrong, as `application/problem+json`.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem with nothing but a sentence to its status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let members = [("title", title.into()), ("status", status.as_u16().into()), ("detail", detail.into().into())];
        let members = members.into_iter().map(|(name, value): (_, Value)| (name.to_owned(), value)).collect();
        Self { status, members }
    }

    /// One more member, for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Value::Object(self.members).to_string() + "\n";
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

/// Sets what every answer carries: who gave it, and that nobody may keep it, since it depends on who asks and on what they
/// did a moment ago.
pub fn mark(rsp: &mut Response, instance: &InstanceName) {
    let headers = rsp.headers_mut();
    headers.insert(SERVED_BY, instance.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
