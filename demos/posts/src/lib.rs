//! A posts service that keeps its login sessions in memory, as so many legacy services do: log in, write posts, read
//! them again, log out. It is the smallest service that *needs* a sticky proxy, because a session that was opened by one
//! instance means nothing to the next.
//!
//! What a service behind Moorline can learn from it:
//!
//! - it has a session cookie **of its own** and knows nothing of the proxy's;
//! - it reads the request header `Moorline-Session` only to tell its user *why* a session is gone;
//! - it answers a logout with `Moorline-Session: end`, so that the proxy forgets the session as well;
//! - it stops being ready when it is told to end, and serves on while sessions are left.
//!
//! One [`Posts`] is one instance. All of its state is inside, so several run in one process, and a restart is a new
//! [`Posts`] on a new socket:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use moorline_posts::Posts;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let posts = Posts::new("posts-0".parse()?);
//! let ended_by_us = async { /* a signal, a channel, … */ };
//! posts.clone().serve(listener, ended_by_us).await;
//! assert_eq!(posts.sessions(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! It deliberately has no passwords, no TLS and no storage, and it believes no `X-Forwarded-*` header.

mod posts;

mod rim;
mod routes;

mod body;
mod caller;
mod page;
mod problem;

mod sessions;
mod username;

pub use moorline_service::{InstanceName, InstanceNameError};

pub use crate::posts::Posts;
pub use crate::rim::{Observer, Served};
