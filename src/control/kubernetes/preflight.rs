//! `moorline check --cluster`: a look at a cluster, once, and what there is to say about it.
//!
//! Looked at is what [`Controller`](super::Controller) would watch, by the same connection, under the same options. Nothing is
//! written, except questions about permissions, which the API server answers and forgets. What follows from it is said by
//! [`judge`] and `sessions`, which ask nobody.

pub mod facts;
pub mod judge;
mod look;
pub mod permissions;
mod sessions;

use std::path::PathBuf;

pub use self::facts::{Facts, Line, Mark};
pub use self::look::look;
use super::translate::Settings;

/// What is looked at, and as who.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How the cluster is reached; none: as a pod, else as kubectl does.
    pub kubeconfig: Option<PathBuf>,
    /// Whose permissions are asked for; none: ours.
    pub user: Option<String>,
    /// The namespace of the controller; none: that of the connection.
    pub namespace: Option<String>,
    /// The namespaces that are watched; none: all.
    pub namespaces: Vec<String>,
    /// The labels of the namespaces whose Ingresses are served; empty: all.
    pub namespace_selector: String,
    /// What holds for all Ingresses.
    pub settings: Settings,
    /// The Lease.
    pub lease: String,
    /// The Secret of the session keys.
    pub keys: String,
}

#[cfg(test)]
mod tests;
