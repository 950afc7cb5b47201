//! The sidecar beside real mongods on loopback; only Kubernetes is played by the tests.
//!
//!     demos/mongod && cargo test -p moorline-mongo-sidecar --features mongod --test mongod

/// How a set comes into being, and what must not disturb it.
mod forming;
/// What happens to a set that there is: scaling, kills, lost volumes.
mod living;

/// mongods, their sidecars and a Kubernetes in memory.
mod support;
