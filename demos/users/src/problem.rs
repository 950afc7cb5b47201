//! Everything that can be wrong with a request: its status and its words are decided here and nowhere else.

use std::error::Error;

use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use moorline_service::{body::BodyError, reply};
use serde_json::json;
use tracing::{error, warn};

use crate::{
    request::BODY_BYTES,
    store::{CreateError, StoreError},
    user::IdempotencyKey,
};

/// Why a request was refused. Each message says what to do instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}; expected {{\"username\":\"walker\"}}, at most {BODY_BYTES} bytes")]
    Body(#[from] BodyError),
    #[error("the username {0}")]
    Username(String),
    #[error("an Idempotency-Key is 1 to {max} visible ASCII characters, once", max = IdempotencyKey::MAX_BYTES)]
    IdempotencyKey,
    #[error("{0}; there are limit, the number of users, and after, the id of the last one that you have")]
    Query(String),
    #[error("there is no user of this id")]
    NoSuchUser,
    #[error("nothing is here; there are /user, /user/{{id}}, /healthz and /readyz")]
    NotFound,
    #[error("this path does not have that method; the Allow header says which it has")]
    MethodNotAllowed,
    #[error("this instance ends; new requests belong elsewhere")]
    Ending,
    #[error("MongoDB has no primary that answers")]
    NotReady,
    #[error("the username is taken")]
    UsernameTaken,
    #[error("this Idempotency-Key was used for another user; a new request needs a new key")]
    KeyReused,
    #[error("there is no room for another user")]
    Full,
    #[error("{}", in_words(.0))]
    Store(#[from] StoreError),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::Username(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::IdempotencyKey | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchUser | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UsernameTaken => StatusCode::CONFLICT,
            Self::Store(StoreError::Refused(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Ending | Self::NotReady | Self::Full | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What only an operator can do something about is told to them. Never what a client has sent.
    fn log(&self) {
        match self {
            Self::Store(failed @ StoreError::Refused(why)) => error!(%failed, why = %chain(why.as_ref()), "store"),
            Self::Store(failed @ (StoreError::Unavailable(why) | StoreError::OutcomeUnknown(why))) => {
                warn!(%failed, why = %chain(why.as_ref()), "store");
            }
            Self::Store(failed @ StoreError::Busy) => warn!(%failed, "store"),
            _ => {}
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::UsernameTaken => Self::UsernameTaken,
            CreateError::KeyReused => Self::KeyReused,
            CreateError::Full => Self::Full,
            CreateError::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let mut problem = reply::Problem::new(status, self.to_string());
        if let Self::Username(detail) = &self {
            problem = problem.with("errors", json!([{ "pointer": "#/username", "detail": detail }]));
        }
        if let Self::Store(StoreError::OutcomeUnknown(_)) = &self {
            problem = problem.with("outcome", "unknown");
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return ([(RETRY_AFTER, "2")], problem).into_response();
        }
        problem.into_response()
    }
}

fn in_words(error: &StoreError) -> &'static str {
    match error {
        StoreError::Busy => "too many requests are under way; nothing was written, try again",
        StoreError::Unavailable(_) => "MongoDB has no primary that answers; nothing was written, try again",
        StoreError::OutcomeUnknown(_) => {
            "MongoDB did not confirm that the user was written, and may have written it all the same; \
             repeat the request with the same Idempotency-Key, and there will be one user"
        }
        StoreError::Refused(_) => "the store refuses; its operator finds the reason in the log of this instance",
    }
}

/// An error and its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}
