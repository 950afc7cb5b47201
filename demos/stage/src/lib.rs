//! `cargo demo`: the lesson on sticky sessions, played through on one machine without a cluster.
//!
//! Three posts instances, a users service and Moorline run in one process, over real sockets. Either somebody plays with them ([`demo`]):
//! every request is shown as it comes, and instances can be drained, killed and rolled. Or 48 users play a fixed
//! [`story`] and count what they lose.
//!
//! Moorline is used as any operator would use it: the stage writes a configuration file, as text, and publishes it anew
//! when an instance drains or comes back at another address. Nothing here reaches into the proxy.
//!
//! The modules in reading order:

mod instance;

mod users;

mod file;

mod stage;

mod requests;

mod line;

mod command;

mod browser;

mod client;

pub mod demo;

pub mod story;
