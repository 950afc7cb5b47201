//! Everything that can be wrong with a request: its status and its words are decided here and nowhere else.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use moorline_service::reply;

use crate::{
    body::{BODY_BYTES, TEXT_BYTES},
    caller::{Caller, Format},
    page::Page,
    posts::Posts,
    username::{Username, UsernameError},
};

/// Why a request was refused. Each message says what to do instead.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}; expected /login?username=<1 to {max} characters>", max = Username::MAX_CHARS)]
    Username(#[from] UsernameError),
    #[error(
        "not logged in; log in first with /login?username=<you> and send the cookie that you get \
         (curl -c jar, then -b jar)"
    )]
    NotLoggedIn,
    #[error(
        "this instance does not know your session: it ended, or it lives in the memory of another instance; \
         log in again with /login?username=<you>"
    )]
    SessionLost,
    #[error("a post needs text")]
    BlankPost,
    #[error("a post has at most {TEXT_BYTES} bytes of text, its request at most {BODY_BYTES}")]
    PostTooLarge,
    #[error("the post did not arrive in time")]
    PostTooSlow,
    #[error("cannot read the post: {0}; expected JSON {{\"text\":\"…\"}}, a form with text=…, or text/plain")]
    PostUnreadable(String),
    #[error(
        "cannot read a post of that content type; \
         expected application/json, application/x-www-form-urlencoded or text/plain"
    )]
    PostOfUnknownType,
    #[error("nothing is here; there are /, /login, /logout, /post, /healthz and /readyz")]
    NotFound,
    #[error("this path does not have that method; the Allow header says which it has")]
    MethodNotAllowed,
    #[error("draining: this instance serves on until its sessions have ended; new ones belong elsewhere")]
    Draining,
    #[error("the system gives no random numbers, and without them a session would not be safe")]
    NoRandomness,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Username(_) | Self::BlankPost | Self::PostUnreadable(_) => StatusCode::BAD_REQUEST,
            Self::NotLoggedIn | Self::SessionLost => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::PostTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::PostTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::PostOfUnknownType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer in the form that the caller wants.
    pub(crate) fn respond(&self, posts: &Posts, caller: &Caller) -> Response {
        let (status, message) = (self.status(), self.to_string());
        match caller.format {
            Format::Html => (status, Page::new(posts, caller).notice(&message)).into_response(),
            Format::Json => reply::Problem::new(status, message).into_response(),
            Format::Text => (status, format!("{message}\n")).into_response(),
        }
    }
}

impl From<getrandom::Error> for Problem {
    fn from(_: getrandom::Error) -> Self {
        Self::NoRandomness
    }
}

/// Leaves the problem in the response for `rim`, which knows who asked and words it for them.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut rsp = self.status().into_response();
        rsp.extensions_mut().insert(self);
        rsp
    }
}
