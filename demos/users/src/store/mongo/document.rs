//! A user as MongoDB keeps it.

use jiff::Timestamp;
use mongodb::bson::{DateTime, Uuid};
use serde::{Deserialize, Serialize};

use crate::user::{IdempotencyKey, User, UserId, Username};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    username: String,
    created_at: DateTime,
    /// Kept for as long as its user: a key that is forgotten protects nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

impl UserDocument {
    pub(super) fn new(user: &User, key: Option<&IdempotencyKey>) -> Self {
        Self {
            id: id(user.id),
            username: user.username.as_str().to_owned(),
            created_at: DateTime::from_millis(user.created_at.as_millisecond()),
            idempotency_key: key.map(|key| key.as_str().to_owned()),
        }
    }
}

impl From<UserDocument> for User {
    fn from(document: UserDocument) -> Self {
        let UserDocument { id, username, created_at, idempotency_key: _ } = document;
        Self {
            id: UserId::from_bytes(id.bytes()),
            username: Username::stored(username),
            // Out of range only if somebody else wrote it.
            created_at: Timestamp::from_millisecond(created_at.timestamp_millis()).unwrap_or_default(),
        }
    }
}

/// An id as MongoDB sorts it: byte by byte.
pub(super) fn id(id: UserId) -> Uuid {
    Uuid::from_bytes(id.to_bytes())
}
