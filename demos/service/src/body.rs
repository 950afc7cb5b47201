//! A request's body as JSON, also when it comes from somebody who typed a curl line.
//!
//! curl says `application/x-www-form-urlencoded` unless it is told otherwise, so a JSON object is taken under that type as
//! well. Any other type gets a 415 that says which header to add: guessing at what bytes mean is how other people's forms
//! get in.

use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::timeout;

/// Why a body is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// There is none.
    #[error("the body is empty (curl: --data, in one word)")]
    Empty,
    /// It claims to be something else than JSON.
    #[error(
        "this is not sent as JSON; add the header Content-Type: application/json (curl: -H 'Content-Type: application/json')"
    )]
    UnknownType,
    /// It is longer than the router's `DefaultBodyLimit`.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive within half a minute.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// It is no JSON, or its root is no object.
    #[error("the body cannot be read: {0}")]
    Malformed(String),
    /// It is an object, but not such a one.
    #[error("the body is not as expected: {0}")]
    Unfit(String),
}

impl BodyError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Empty | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UnknownType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// Reads a body that is a JSON object. Its length is bounded by the router's `DefaultBodyLimit`.
///
/// # Errors
/// If it is none, or not a `T`.
pub async fn json<T: DeserializeOwned>(req: Request) -> Result<T, BodyError> {
    if req.body().is_end_stream() {
        return Err(BodyError::Empty);
    }
    let is_form = match content_type(req.headers()).as_str() {
        "application/json" => false,
        "application/x-www-form-urlencoded" => true,
        _ => return Err(BodyError::UnknownType),
    };
    let body = timeout(BODY_TIME, Bytes::from_request(req, &())).await.map_err(|_| BodyError::TooSlow)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
        _ => BodyError::Malformed(rejection.body_text()),
    })?;
    object(&body, is_form)
}

fn object<T: DeserializeOwned>(body: &[u8], is_form: bool) -> Result<T, BodyError> {
    match body.trim_ascii_start().first() {
        // serde would take an array for an object whose keys are left out.
        Some(b'{') => {}
        None => return Err(BodyError::Empty),
        Some(_) if is_form => return Err(BodyError::UnknownType),
        Some(_) => return Err(BodyError::Malformed("it is no JSON object".to_owned())),
    }
    // Whether it is JSON at all comes first: a key that is missing from half an object says nothing.
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| BodyError::Malformed(error.to_string()))?;
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => BodyError::Unfit(error.to_string()),
        // Half a surrogate pair is no text, which only shows when the text is wanted.
        Category::Syntax | Category::Eof | Category::Io => BodyError::Malformed(error.to_string()),
    })
}

/// The media type alone, in lower case; empty if it is missing or not text.
pub fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// For a whole body.
const BODY_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::{Router, body::Body, extract::DefaultBodyLimit, routing::post};
    use hyper::body::Frame;
    use serde::Deserialize;
    use tower::ServiceExt;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    async fn check(content_type: &str, body: &str, expected: Result<&str, StatusCode>) {
        let read = async |req: Request| match json::<Named>(req).await {
            Ok(named) => (StatusCode::OK, named.name),
            Err(error) => (error.status(), error.to_string()),
        };
        let router: Router = Router::new().route("/", post(read)).layer(DefaultBodyLimit::max(100));
        let mut request = Request::post("/").body(Body::from(body.to_owned())).expect("a request");
        if !content_type.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().expect("a header"));
        }
        let (head, rest) = router.oneshot(request).await.expect("infallible").into_parts();
        let said = axum::body::to_bytes(rest, 1000).await.expect("a body");
        let said = String::from_utf8_lossy(&said);
        assert_eq!(head.status, expected.err().unwrap_or(StatusCode::OK), "{content_type}: {body:?}: {said}");
        assert!(expected.is_err() || expected == Ok(&said), "{said}");
    }

    #[tokio::test]
    async fn an_object_is_read_as_json_and_from_who_forgot_to_say_so() {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        check(JSON, r#"{"name":"walker"}"#, Ok("walker")).await;
        check("Application/JSON; charset=utf-8", " \n{\"name\":\"walker\"}\n", Ok("walker")).await;
        check(FORM, r#"{"name": "walker"}"#, Ok("walker")).await;
        check(FORM, "name=walker", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check(FORM, r#"["walker"]"#, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        for unknown in ["", "text/plain", "application/xml", "application/json-seq", "json"] {
            check(unknown, r#"{"name":"walker"}"#, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        }
        for malformed in
            [r#"["walker"]"#, "\"walker\"", "null", "{", "{\"name\":\"walker\"", "{}}", "{'name':1}", "", " "]
        {
            check(JSON, malformed, Err(StatusCode::BAD_REQUEST)).await;
        }
        for unfit in ["{}", r#"{"name":1}"#, r#"{"name":"a","name":"b"}"#, r#"{"name":"a","more":1}"#] {
            check(JSON, unfit, Err(StatusCode::UNPROCESSABLE_ENTITY)).await;
        }
        check(JSON, &format!("{{\"name\":\"{}\"}}", "a".repeat(100)), Err(StatusCode::PAYLOAD_TOO_LARGE)).await;
    }

    /// A body of which nothing ever comes.
    struct Silence;

    impl HttpBody for Silence {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_for_a_while() {
        let request = Request::post("/").header(CONTENT_TYPE, "application/json").body(Body::new(Silence));
        let error = json::<Named>(request.expect("a request")).await.err().expect("it is none");
        assert_eq!((error.status(), error), (StatusCode::REQUEST_TIMEOUT, BodyError::TooSlow));
    }
}
