//! Who carries which role label. Every sidecar labels its own pod; the primary's also takes the label from others that
//! still carry it, since the sidecar of a dead node cannot, and does so *before* it takes it itself.
//!
//! A Service that selects `primary` so has an endpoint less for a moment, and never two for longer than a primary that is
//! cut off needs to notice.

use crate::{
    decide::is_superseded,
    hosts::Ordinal,
    observed::{Cluster, Identity, Marker, Observed, Pod, StatusReply},
};

/// What a pod's label may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows, and may be read from.
    Replica,
}

impl Role {
    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// One pod's label as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Labelling {
    /// Whose.
    pub ordinal: Ordinal,
    /// Of this pod and none that came after it.
    pub uid: String,
    /// `None` takes the label away.
    pub role: Option<Role>,
    /// The term in which it became primary.
    pub term: Option<i64>,
}

/// What has to be written, in this order. Nothing if everything is as it should be, or if Kubernetes does not answer.
#[must_use]
pub fn labels(who: &Identity, seen: &Observed) -> Vec<Labelling> {
    let Some(cluster) = &seen.cluster else { return Vec::new() };
    if is_superseded(who, cluster) {
        return Vec::new();
    }
    let Some(own) = cluster.pods.iter().find(|pod| pod.ordinal == who.ordinal) else { return Vec::new() };
    let (role, term) = role(who, seen, cluster, own);
    let mut labels = Vec::new();
    if role == Some(Role::Primary) {
        let stale = cluster.pods.iter().filter(|pod| pod.ordinal != who.ordinal && is_labelled_primary(pod));
        labels.extend(stale.map(|pod| labelling(pod, Some(Role::Replica), None)));
    }
    if own.label.as_deref() != role.map(Role::as_str) || own.term != term {
        labels.push(labelling(own, role, term));
    }
    labels
}

fn role(who: &Identity, seen: &Observed, cluster: &Cluster, own: &Pod) -> (Option<Role>, Option<i64>) {
    let (Some(hello), StatusReply::Member(status)) = (&seen.hello, &seen.status) else { return (None, None) };
    if own.terminating {
        return (None, None);
    }
    if !hello.primary {
        return (hello.secondary.then_some(Role::Replica), None);
    }
    // A primary that has just lost its majority does not know it yet; nor does one whose successor has been labelled.
    let Some(config) = &seen.config else { return (None, None) };
    let others = cluster.pods.iter().filter(|pod| pod.ordinal != who.ordinal && is_labelled_primary(pod));
    let outdated = others.filter_map(|pod| pod.term).any(|term| term > status.term);
    let marked =
        matches!(&cluster.marker, Some(Marker::Settled { replica_set_id }) if *replica_set_id == config.replica_set_id);
    if outdated || !marked || !config.has_healthy_majority(status) {
        return (None, None);
    }
    (Some(Role::Primary), Some(status.term))
}

fn is_labelled_primary(pod: &Pod) -> bool {
    pod.label.as_deref() == Some(Role::Primary.as_str())
}

fn labelling(pod: &Pod, role: Option<Role>, term: Option<i64>) -> Labelling {
    Labelling { ordinal: pod.ordinal, uid: pod.uid.clone(), role, term }
}

#[cfg(test)]
mod tests;
