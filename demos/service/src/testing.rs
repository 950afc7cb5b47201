//! What tests have in common: a client in plain bytes, the real binary as a process, the commands of a README, and kubectl.
//!
//! Everything in here fails the test rather than return an error.

mod connection;
mod kubectl;
mod process;
mod processes;
mod walk;

use std::{future::Future, time::Duration};

use axum::http::{HeaderMap, StatusCode};
use tokio::time::timeout;

pub use self::{
    connection::Connection,
    kubectl::Kubectl,
    process::{Process, Signal},
    processes::Processes,
    walk::walk,
};

/// Fails the test rather than let it hang. Nobody waits for the time to pass.
///
/// # Panics
/// If it takes too long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// A header's value; empty if it is not there.
    ///
    /// # Panics
    /// If it is no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}
