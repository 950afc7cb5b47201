//! What the demo services have in common, so that each of them holds only what it is about: connections with time limits,
//! the instance's name, endings by signal, JSON in and out.
//!
//! It is no framework: nothing in here calls a demo back, and a demo takes what it needs. The service itself, with its
//! state, its paths and its problems, is the demo's own.
//!
//! In the order of a process's life:

pub mod args;
pub mod logging;
pub mod signals;

pub mod serve;

pub mod body;
pub mod reply;

mod name;
pub use crate::name::{InstanceName, InstanceNameError};

#[cfg(feature = "testing")]
pub mod testing;
