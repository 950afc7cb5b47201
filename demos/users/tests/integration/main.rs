//! The users service from outside, over memory, in one binary.

/// What holds for every store.
#[path = "../shared/laws.rs"]
mod laws;
/// The laws, over memory.
mod memory;

/// Requests that are refused, and how: bodies, keys, queries, paths, methods.
mod refused;

/// The lesson's own call, as curl sends it.
mod lesson;

/// The real binary as a process of its own: arguments, signals, exit codes.
mod binary;

/// A service on a socket of its own.
mod support;
