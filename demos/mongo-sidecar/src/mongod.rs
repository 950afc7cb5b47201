//! One mongod, over a direct connection: the few commands that this sidecar needs, each with a time limit.
//!
//! # Time limits
//!
//! The driver must not have its futures dropped half-way, so every call runs in a task of its own, and it is the handle
//! that is given up. What then goes on in the task ends by the driver's own limits.

mod access;
mod reply;

use std::{future::Future, sync::Arc, time::Duration};

use mongodb::{
    Client, ServerType,
    bson::{Document, doc},
    error::ErrorKind,
    event::{EventHandler, sdam::SdamEvent},
};
use tokio::{sync::Notify, time::timeout};

pub use access::{Access, Tls};

use crate::observed::{Config, Hello, Peer, StatusReply};

/// A mongod that can be talked to, whether or not it answers.
#[derive(Debug)]
pub struct Mongod {
    client: Client,
}

impl Mongod {
    /// The mongod at this address, as this user. `on_change` is woken when its role changes or it comes and goes, in the
    /// moment in which it says so.
    ///
    /// # Errors
    ///
    /// If address, user or TLS files are unusable. Whether anybody answers is not looked at.
    pub fn at(address: &str, access: &Access, on_change: Option<Arc<Notify>>) -> Result<Self, CommandError> {
        let mut options = access.options(address, on_change.is_some())?;
        if let Some(on_change) = on_change {
            options.sdam_event_handler = Some(EventHandler::callback(move |event| {
                if is_change(&event) {
                    on_change.notify_one();
                }
            }));
        }
        Ok(Self { client: Client::with_options(options)? })
    }

    /// Who it is.
    ///
    /// # Errors
    ///
    /// If it does not answer in time.
    pub async fn hello(&self) -> Result<Hello, CommandError> {
        Ok(reply::hello(&self.run(doc! { "hello": 1 }, ASK).await?))
    }

    /// The set as it sees it.
    pub async fn status(&self) -> StatusReply {
        match self.run(doc! { "replSetGetStatus": 1 }, ASK).await {
            Ok(status) => reply::status(&status),
            Err(error) => reply::no_status(&error),
        }
    }

    /// The configuration: as it looks to decisions, and as it is.
    ///
    /// # Errors
    ///
    /// If it has none or does not say.
    pub async fn config(&self) -> Result<(Config, Document), CommandError> {
        let found = self.run(doc! { "replSetGetConfig": 1, "commitmentStatus": true }, ASK).await;
        let reply = match found {
            // Only a primary knows whether a majority has it.
            Err(error) if error.code == Some(NOT_PRIMARY) => self.run(doc! { "replSetGetConfig": 1 }, ASK).await?,
            other => other?,
        };
        reply::config(&reply).ok_or(CommandError::new("a configuration that cannot be read"))
    }

    /// Forms a set. That it has been formed already is no error.
    ///
    /// # Errors
    ///
    /// What mongod says, such as 93 if the name of the set is not that of `--replSet`.
    pub async fn initiate(&self, config: Document) -> Result<(), CommandError> {
        match self.run(doc! { "replSetInitiate": config }, CHANGE).await {
            Err(error) if error.code == Some(ALREADY_INITIALIZED) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Changes the configuration. Never forced.
    ///
    /// # Errors
    ///
    /// What mongod says. 103 (somebody was faster), 10107 (not primary any more) and their like mean: look again.
    pub async fn reconfigure(&self, config: Document) -> Result<(), CommandError> {
        let limit = i64::try_from(CHANGE.as_millis()).unwrap_or(i64::MAX);
        self.run(doc! { "replSetReconfig": config, "maxTimeMS": limit }, CHANGE).await.map(drop)
    }

    /// Hands the primary's part over, if somebody has caught up enough to take it.
    ///
    /// # Errors
    ///
    /// If nobody has.
    pub async fn step_down(&self) -> Result<(), CommandError> {
        let seconds = i64::try_from(CHANGE.as_secs()).unwrap_or(i64::MAX);
        let command = doc! { "replSetStepDown": 2 * seconds, "secondaryCatchUpPeriodSecs": seconds };
        self.run(command, CHANGE + ASK).await.map(drop)
    }

    /// Ends the connections and what watches them.
    pub async fn close(self) {
        let client = self.client;
        // As with commands: not dropped half-way.
        let _ = timeout(ASK, tokio::spawn(async move { client.shutdown().await })).await;
    }

    async fn run(&self, command: Document, limit: Duration) -> Result<Document, CommandError> {
        let database = self.client.database("admin");
        whole(limit, async move { database.run_command(command).await }).await
    }
}

/// Asks a mongod what it is to the set, if it is there at all. `hello` needs no user; the set's id is only to be had in the
/// configuration, which is for those whom the peer knows.
pub async fn ask(address: &str, access: &Access) -> Peer {
    let Ok(anonymous) = Mongod::at(address, &access.anonymous(), None) else { return Peer::Unreachable };
    let peer = ask_both(&anonymous, address, access).await;
    anonymous.close().await;
    peer
}

/// A client of its own for the user is opened only if there is one.
async fn ask_both(anonymous: &Mongod, address: &str, access: &Access) -> Peer {
    let Ok(hello) = anonymous.run(doc! { "hello": 1 }, ASK).await else { return Peer::Unreachable };
    let question = doc! { "replSetGetConfig": 1 };
    let config = match access.user {
        None => anonymous.run(question, ASK).await,
        Some(_) => once(address, access, question).await,
    };
    reply::peer(&hello, config)
}

async fn once(address: &str, access: &Access, question: Document) -> Result<Document, CommandError> {
    let mongod = Mongod::at(address, access, None)?;
    let reply = mongod.run(question, ASK).await;
    mongod.close().await;
    reply
}

/// The call to its end, unless that is too far: then only its handle is dropped.
async fn whole<T: Send + 'static>(
    limit: Duration,
    call: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
) -> Result<T, CommandError> {
    match timeout(limit, tokio::spawn(call)).await {
        Ok(Ok(outcome)) => outcome.map_err(Into::into),
        Ok(Err(_)) => Err(CommandError::new("the driver failed")),
        Err(_) => Err(CommandError::new("no answer in time")),
    }
}

fn is_change(event: &SdamEvent) -> bool {
    let SdamEvent::ServerDescriptionChanged(event) = event else { return false };
    let role = |server_type: ServerType| matches!(server_type, ServerType::RsPrimary | ServerType::RsSecondary);
    let (before, after) = (event.previous_description.server_type(), event.new_description.server_type());
    before != after && (role(before) || role(after))
}

/// A command that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// MongoDB's number for it; `None` if it was not mongod that said so.
    pub code: Option<i32>,
    message: String,
}

impl CommandError {
    fn new(message: &str) -> Self {
        Self { code: None, message: message.to_owned() }
    }
}

impl From<mongodb::error::Error> for CommandError {
    fn from(error: mongodb::error::Error) -> Self {
        match &*error.kind {
            ErrorKind::Command(failed) => Self {
                code: Some(failed.code),
                message: format!("{} ({} {})", failed.message, failed.code, failed.code_name),
            },
            // The driver keeps mongod's words and not its number, and calls whatever went wrong on the way by the same name.
            kind @ ErrorKind::Authentication { message, .. } if message.contains("Authentication failed") => {
                Self { code: Some(AUTHENTICATION_FAILED), message: kind.to_string() }
            }
            kind => Self { code: None, message: kind.to_string() },
        }
    }
}

const AUTHENTICATION_FAILED: i32 = 18;
const ALREADY_INITIALIZED: i32 = 23;
const NOT_PRIMARY: i32 = 10107;

/// For questions.
const ASK: Duration = Duration::from_secs(4);

/// For changes, which wait for a majority.
const CHANGE: Duration = Duration::from_secs(10);
