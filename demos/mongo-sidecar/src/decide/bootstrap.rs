//! A mongod that has never been in a set: is it this one that forms it?
//!
//! Usually not. Even the first ordinal may only have lost its volume, and then a set is out there, either in the marker or
//! in a peer's answer.

use std::collections::BTreeMap;

use crate::{
    decision::{Action, Decision, Reason},
    hosts::Ordinal,
    observed::{Cluster, Desired, Identity, Marker, Peer},
};

pub(super) fn decide(who: &Identity, cluster: &Cluster, peers: &BTreeMap<Ordinal, Peer>) -> Decision {
    let Some(desired) = cluster.desired else { return Decision::Wait(Reason::NoStatefulSet) };
    if desired.replicas == 0 {
        return Decision::Wait(Reason::ScaledToZero);
    }
    if who.ordinal != desired.start {
        return Decision::Wait(Reason::WaitingToBeAdded);
    }
    if matches!(cluster.marker, Some(Marker::Settled { .. })) {
        // If a configuration has this member, heartbeats bring it back. If none has it, somebody has to decide.
        return Decision::Wait(Reason::DataLost);
    }
    let unasked = unasked(who, cluster, peers);
    if !unasked.is_empty() {
        return Decision::Ask(unasked);
    }
    if let Some(reason) = objection(who, cluster, desired, peers) {
        return Decision::Wait(reason);
    }
    match &cluster.marker {
        Some(Marker::Pending { uid }) if *uid == who.uid => Decision::Do(Action::Initiate),
        // Nobody's, or that of an earlier pod of this name, which cannot settle it any more once it is ours.
        _ => Decision::Do(Action::ClaimMarker),
    }
}

fn unasked(who: &Identity, cluster: &Cluster, peers: &BTreeMap<Ordinal, Peer>) -> Vec<Ordinal> {
    let pods = cluster.pods.iter().filter(|pod| pod.running && pod.ordinal != who.ordinal);
    pods.map(|pod| pod.ordinal).filter(|ordinal| !peers.contains_key(ordinal)).collect()
}

/// Why there must be no set yet. A peer that does not answer may well have one, dying ones included, and so may one that
/// has yet to be created, unless it never will be before this pod is ready.
fn objection(who: &Identity, cluster: &Cluster, desired: Desired, peers: &BTreeMap<Ordinal, Peer>) -> Option<Reason> {
    let known = cluster.pods.iter().map(|pod| pod.ordinal);
    let wanted = desired.ordinals().filter(|_| !desired.ordered);
    let mut others: Vec<_> = known.chain(wanted).filter(|ordinal| *ordinal != who.ordinal).collect();
    others.sort_unstable();
    let in_set = others.iter().find(|ordinal| matches!(peers.get(ordinal), Some(Peer::InSet { .. })));
    if let Some(ordinal) = in_set {
        return Some(Reason::PeerHasSet { pod: who.pod(*ordinal) });
    }
    let other = others.iter().find(|ordinal| peers.get(ordinal) != Some(&Peer::Free))?;
    Some(match peers.get(other) {
        Some(Peer::NotReplicaSetMode) => Reason::CandidateNotReplicaSetMode { host: who.hosts.host(*other) },
        Some(Peer::Outside { .. }) => Reason::PeerHasData { pod: who.pod(*other) },
        _ => Reason::PeerSilent { pod: who.pod(*other) },
    })
}
