//! The text of a new post, out of a request's body in any of the three forms that people send.

use std::time::Duration;

use axum::{
    Form, Json,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use moorline_service::body::content_type;
use serde::Deserialize;
use tokio::time::timeout;

use crate::problem::Problem;

/// How long a post may be.
pub(crate) const TEXT_BYTES: usize = 16 << 10;

/// How long a request may be: percent-encoding triples a text, JSON escapes can make it six times as long.
pub(crate) const BODY_BYTES: usize = 6 * TEXT_BYTES + 1024;

#[derive(Deserialize)]
struct NewPost {
    text: String,
}

/// Reads the text of a new post. The router bounds the body to `BODY_BYTES`.
pub(crate) async fn post_text(req: Request) -> Result<String, Problem> {
    let text = timeout(BODY_TIME, read(req)).await.map_err(|_| Problem::PostTooSlow)??;
    if text.len() > TEXT_BYTES {
        return Err(Problem::PostTooLarge);
    }
    if text.trim().is_empty() {
        return Err(Problem::BlankPost);
    }
    Ok(text)
}

async fn read(req: Request) -> Result<String, Problem> {
    match content_type(req.headers()).as_str() {
        "application/json" => match Json::from_request(req, &()).await {
            Ok(Json(NewPost { text })) => Ok(text),
            Err(rejection) => Err(unreadable(rejection.status(), rejection.body_text())),
        },
        "application/x-www-form-urlencoded" => match Form::from_request(req, &()).await {
            Ok(Form(NewPost { text })) => Ok(text),
            Err(rejection) => Err(unreadable(rejection.status(), rejection.body_text())),
        },
        "text/plain" | "" => match String::from_request(req, &()).await {
            Ok(text) => Ok(text),
            Err(rejection) => Err(unreadable(rejection.status(), rejection.body_text())),
        },
        _ => Err(Problem::PostOfUnknownType),
    }
}

fn unreadable(status: StatusCode, why: String) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::PostTooLarge,
        _ => Problem::PostUnreadable(why),
    }
}

const BODY_TIME: Duration = Duration::from_secs(30);
