//! What requests say: a message to be logged, a number of lines to be read.

use axum::{
    extract::{Query, Request},
    http::Uri,
};
use moorline_service::body;
use serde::Deserialize;

use crate::problem::Problem;

/// How long a message may be.
pub(crate) const MESSAGE_BYTES: usize = 8 << 10;

/// How long a request may be: JSON's escapes can make a message six times as long.
pub(crate) const BODY_BYTES: usize = 6 * MESSAGE_BYTES + 1024;

/// How many lines may be read at a time.
pub(crate) const LINES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    lines: Option<String>,
}

/// Reads the message. The router bounds the body to `BODY_BYTES`.
pub(crate) async fn message(req: Request) -> Result<String, Problem> {
    let Body { message } = body::json(req).await?;
    if message.len() > MESSAGE_BYTES {
        return Err(Problem::MessageTooLarge);
    }
    if message.trim().is_empty() {
        return Err(Problem::BlankMessage);
    }
    Ok(message)
}

/// Reads `?lines=`.
pub(crate) fn lines(uri: &Uri) -> Result<usize, Problem> {
    let Query(Typed { lines }) = Query::try_from_uri(uri).map_err(|_| Problem::Lines)?;
    match lines.as_deref().map(str::parse) {
        None => Ok(DEFAULT_LINES),
        Some(Ok(lines @ 1..=LINES)) => Ok(lines),
        Some(_) => Err(Problem::Lines),
    }
}

const DEFAULT_LINES: usize = 100;
