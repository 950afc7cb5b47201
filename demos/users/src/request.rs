//! What a request for a new user says: a name in its body, perhaps a key in its head.

use axum::{extract::Request, http::HeaderMap};
use moorline_service::body;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    problem::Problem,
    store::NewUser,
    user::{IdempotencyKey, User, Username},
};

/// The longest name in the longest spelling takes 800 bytes.
pub(crate) const BODY_BYTES: usize = 16 << 10;

/// The name as a value of any kind, so that the answer can say what is wrong with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: Option<Value>,
}

/// Reads it. The router bounds the body to `BODY_BYTES`.
pub(crate) async fn new_user(req: Request) -> Result<NewUser, Problem> {
    let key = key(req.headers())?;
    let Body { username } = body::json(req).await?;
    let username = match username {
        Some(Value::String(sent)) => Username::new(&sent).map_err(|error| Problem::Username(error.to_string()))?,
        Some(_) => return Err(Problem::Username("must be a string".to_owned())),
        None => return Err(Problem::Username("is missing".to_owned())),
    };
    Ok(NewUser { user: User::new(username), key })
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut sent = headers.get_all("idempotency-key").iter();
    match (sent.next(), sent.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => key.to_str().ok().and_then(IdempotencyKey::new).map(Some).ok_or(Problem::IdempotencyKey),
        (Some(_), Some(_)) => Err(Problem::IdempotencyKey),
    }
}
