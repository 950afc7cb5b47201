//! The legacy application: it writes what it does to a file on its own disk, as it has always done, and knows nothing of the
//! logs of others. It is the smallest service that *needs* a volume, and a name, of its own.
//!
//! What an application that keeps files can copy from it:
//!
//! - what comes from outside never ends a line or moves a cursor: one request, one line;
//! - a disk that is full or gone is a 503 and an instance that is not ready, not a crash; when there is room again, it goes on;
//! - one thread owns the file, and a bounded queue leads to it, so that a slow disk stops neither `/healthz` nor the others.
//!
//! One [`Logger`] is one instance:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use moorline_logger::{FileSettings, Logger};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let logger = Logger::start("logger-0".parse()?, FileSettings::at("/var/log/app.log"))?;
//! let ended_by_us = async { /* a signal, a channel, … */ };
//! logger.serve(listener, ended_by_us).await;
//! # Ok(())
//! # }
//! ```
//!
//! It deliberately believes no `X-Forwarded-*` header, syncs nothing to the disk (a line survives the process, not the
//! machine), and writes no line for `/healthz` and `/readyz`: the kubelet would be the only one in its log.

mod logger;

mod rim;
mod routes;

mod problem;
mod request;

mod journal;

mod file;
mod line;

pub use moorline_service::{InstanceName, InstanceNameError};

pub use crate::{file::FileSettings, logger::Logger};
