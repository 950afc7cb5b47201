//! The four things that the sidecar wants of Kubernetes. A trait, because a test on real mongods has no cluster.

mod api;
mod marker;
mod objects;

use std::future::Future;

pub use api::{Api, Found, Settings};

use crate::{
    labels::Labelling,
    observed::{Cluster, Marker},
};

/// Where the sidecar learns what is wanted, and where it leaves what it knows.
pub trait Kubernetes: Send + Sync + 'static {
    /// What is wanted, what there is, and what was written down.
    fn look(&self) -> impl Future<Output = Result<Cluster, KubernetesError>> + Send;

    /// Writes the marker down, provided that it still is as it was `seen`.
    fn write(&self, seen: Option<&Marker>, marker: &Marker)
    -> impl Future<Output = Result<(), KubernetesError>> + Send;

    /// Labels a pod. That it is gone, or another one by now, is no error.
    fn label(&self, label: &Labelling) -> impl Future<Output = Result<(), KubernetesError>> + Send;
}

/// What Kubernetes did not do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each one says what it is in its message")]
pub enum KubernetesError {
    /// The message of a refusal names the verb and the resource that a role lacks.
    #[error("{0}")]
    Failed(#[from] Box<kube::Error>),
    #[error("somebody else has written the marker meanwhile")]
    MarkerChanged,
    #[error("the ConfigMap {0} is no marker: put it right, or delete it if there is no data that matters")]
    MarkerBroken(String),
    #[error(
        "the role label {key} is in the selector of the StatefulSet {name}: a pod whose label changes would be orphaned"
    )]
    LabelIsSelector { key: String, name: String },
    #[error("there is no StatefulSet {0}")]
    NoStatefulSet(String),
    #[error("the pod {0} is not there, or not of its StatefulSet")]
    NoPod(String),
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}
