//! The core: what one sidecar does next, as a pure function of what it has seen.
//!
//! # The rules
//!
//! - **Membership follows what is wanted**, the StatefulSet's ordinals under their stable names; never who looks healthy.
//!   Health only ever *delays* a change.
//! - **One change at a time**, only on the primary, only when a majority has the one before. Never forced: force is how the
//!   minority side of a partition becomes a second set.
//! - **One initiator**, the first ordinal, alone, and only after it has asked every peer, and only while the marker does not
//!   know of a set. The marker is claimed before the set is initiated, and names the set before it gets a second member; so
//!   whoever initiates again after a crash replaces a set that nobody else has ever been in.
//! - **Foreign members are somebody else's business**: hosts that do not fit the pattern are neither changed nor removed.

mod bootstrap;
mod membership;

use crate::{
    decision::{Decision, Reason},
    observed::{Cluster, Identity, Observed, StatusReply},
};

/// What to do next. The same question gets the same answer: nothing is remembered between two calls.
#[must_use]
pub fn decide(who: &Identity, seen: &Observed) -> Decision {
    let Some(hello) = &seen.hello else { return Decision::Wait(Reason::MongodUnreachable) };
    if !hello.replica_set_mode {
        return Decision::Wait(Reason::NotReplicaSetMode);
    }
    match &seen.status {
        StatusReply::NotInitialized => with_cluster(who, seen, |cluster| bootstrap::decide(who, cluster, &seen.peers)),
        StatusReply::Member(status) if hello.primary => {
            with_cluster(who, seen, |cluster| membership::decide(who, seen, hello, status, cluster))
        }
        StatusReply::Member(_) => Decision::Wait(Reason::Following),
        StatusReply::InvalidConfig => Decision::Wait(why_not_in_config(who, seen)),
        StatusReply::Unauthorized => Decision::Wait(Reason::Unauthorized),
        StatusReply::Failed(error) => Decision::Wait(Reason::StatusFailed(error.clone())),
    }
}

/// Nothing is changed without Kubernetes, nor by a pod that Kubernetes has replaced: after a node was lost and its pod
/// deleted by force, the old pod may still run.
fn with_cluster(who: &Identity, seen: &Observed, next: impl FnOnce(&Cluster) -> Decision) -> Decision {
    let Some(cluster) = &seen.cluster else { return Decision::Wait(Reason::KubernetesUnreachable) };
    if is_superseded(who, cluster) {
        return Decision::Wait(Reason::Superseded);
    }
    next(cluster)
}

pub(crate) fn is_superseded(who: &Identity, cluster: &Cluster) -> bool {
    !cluster.pods.iter().any(|pod| pod.ordinal == who.ordinal && pod.uid == who.uid)
}

/// A member that is not in its own configuration either has been removed, and then the primary adds it again if it is
/// wanted; or it stands there under an address that it does not have, and then a person has to look. Forcing its way
/// back in is what it must not do.
fn why_not_in_config(who: &Identity, seen: &Observed) -> Reason {
    match &seen.config {
        Some(config) if !config.has(&who.host()) => Reason::Removed,
        _ => Reason::AddressMismatch,
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
