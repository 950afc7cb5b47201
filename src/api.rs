//! The admin API's JSON: what the admin plane serves and the operator's verbs read.
//!
//! Only shapes. Fields are added, never renamed or removed: an older `moorline sessions` reads a newer proxy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/sessions?limit=N&endpoint=NAME`: the live sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// How many there are, by endpoint, sorted by backend and endpoint.
    pub counts: Vec<Count>,
    /// How many there are.
    pub total: u64,
    /// Have the counts seen every live session? A proxy that started a moment ago has not: it knows of at least
    /// so many.
    pub complete: bool,
    /// Some of them, the most recently seen first.
    pub sessions: Vec<Session>,
    /// Are there more than are listed?
    pub more: bool,
}

/// The sessions of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The backend.
    pub backend: String,
    /// The endpoint's name in it.
    pub endpoint: String,
    /// How many there are.
    pub sessions: u64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The first 8 hexadecimal digits of its id: enough to tell it from others, too little to find it by.
    pub id: String,
    /// The backend.
    pub backend: String,
    /// The name of the endpoint that holds it.
    pub endpoint: String,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// How many requests it has made.
    pub requests: u64,
}
