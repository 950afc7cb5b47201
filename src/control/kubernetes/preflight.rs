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

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use self::facts::{Facts, Line, Mark};
pub use self::look::look;
use super::index::Index;
use super::objects::Name;
use super::problem::Problem;
use super::review::ring;
use super::translate::{Secrets, Settings, Translator};
use crate::routing::Millis;

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

/// What slices say ahead of their pods is no longer waited for by then.
const SETTLED: Millis = Millis(60_000);

/// Translates a cluster in which nothing is under way; returns what is to be said of each Ingress.
fn translated(translator: &mut Translator, index: &mut Index, secrets: &Secrets) -> BTreeMap<Name, Vec<Problem>> {
    let mut said = BTreeMap::new();
    for time in [Millis(0), SETTLED] {
        let made = ring().and_then(|ring| translator.translate(index, secrets, &ring, time));
        said.extend(made.into_iter().flat_map(|made| made.verdicts).map(|verdict| (verdict.ingress, verdict.problems)));
    }
    said
}

#[cfg(test)]
mod tests;
