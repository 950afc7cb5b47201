//! A users API over MongoDB: usernames are unique, what was acknowledged is on a majority of the members, and a request
//! that may have been carried out can be repeated without harm.
//!
//! What an API over a replica set can learn from it:
//!
//! - uniqueness is the **index's** business: never look first and insert then;
//! - when nobody can know whether a write happened, the answer says so, and an `Idempotency-Key` makes repeating it safe;
//! - `/healthz` never asks the database, or an outage of MongoDB would restart every instance; `/readyz` needs a primary;
//! - the driver's futures run to their end, even if nobody waits for them any longer.
//!
//! [`Users`] is one instance. What it stores its users in is a [`Store`]: [`Memory`] when there is no cluster, or
//! `Mongo` (with the feature `mongodb`).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use moorline_users::{Memory, Users};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let users = Users::new("users-0".parse()?, Memory::default());
//! let ended_by_us = async { /* a signal, a channel, … */ };
//! users.serve(listener, ended_by_us).await;
//! # Ok(())
//! # }
//! ```
//!
//! It deliberately has no passwords and no TLS, and changes or deletes no user.

mod users;

mod routes;

mod page;
mod problem;
mod request;

mod store;
mod user;

pub use moorline_service::{InstanceName, InstanceNameError};

#[cfg(feature = "mongodb")]
pub use crate::store::{Mongo, MongoSettings};
pub use crate::{
    store::{CreateError, Created, Memory, NewUser, Store, StoreError},
    user::{IdempotencyKey, User, UserId, Username, UsernameError},
    users::Users,
};
