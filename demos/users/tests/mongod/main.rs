//! The users service over real MongoDB servers. Needs the feature `mongod-tests`, and a mongod: `demos/mongod` gets
//! one, and a test that finds none says so.

/// What holds for every store.
#[path = "../shared/laws.rs"]
mod laws;
/// The laws, over MongoDB.
mod store;

/// Errors on demand, one by one: what is known of a write, and what a repetition brings.
mod faults;

/// Members that step down, are killed, and come back, while somebody writes.
mod failover;

/// The real binary over a real set.
mod binary;

/// Servers, sets, and a service over them.
mod support;
