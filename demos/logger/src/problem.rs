//! Everything that can be wrong with a request: its status and its words are decided here and nowhere else.

use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use moorline_service::{body::BodyError, reply};

use crate::{
    journal::JournalError,
    request::{BODY_BYTES, LINES, MESSAGE_BYTES},
};

/// Why a request was refused. Each message says what to do instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}; expected {{\"message\":\"…\"}}, at most {BODY_BYTES} bytes")]
    Body(#[from] BodyError),
    #[error("a message has at most {MESSAGE_BYTES} bytes")]
    MessageTooLarge,
    #[error("the message is blank")]
    BlankMessage,
    #[error("expected /log?lines=<1 to {LINES}>")]
    Lines,
    #[error("nothing is here; there are /log, /healthz and /readyz")]
    NotFound,
    #[error("this path does not have that method; the Allow header says which it has")]
    MethodNotAllowed,
    #[error("this instance ends; new requests belong elsewhere")]
    Ending,
    #[error("this instance cannot use its log: {0}")]
    Journal(#[from] JournalError),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BlankMessage => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Lines => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Ending | Self::Journal(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem = reply::Problem::new(self.status(), self.to_string());
        match self {
            Self::Journal(_) => ([(RETRY_AFTER, "5")], problem).into_response(),
            _ => problem.into_response(),
        }
    }
}
