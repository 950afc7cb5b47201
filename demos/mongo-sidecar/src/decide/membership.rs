//! The primary's work: one step from the members that there are to the members that are wanted.
//!
//! Removal comes before addition: Kubernetes does not wait with its pods until somebody has noticed that there are to be
//! fewer of them.

use crate::{
    decision::{Action, Change, Decision, Reason},
    hosts::Ordinal,
    observed::{Cluster, Config, Desired, Hello, Identity, Marker, Observed, Peer, Status},
};

pub(super) fn decide(who: &Identity, seen: &Observed, hello: &Hello, status: &Status, cluster: &Cluster) -> Decision {
    let Some(config) = &seen.config else { return Decision::Wait(Reason::ConfigUnreadable) };
    match &cluster.marker {
        Some(Marker::Settled { replica_set_id }) if *replica_set_id == config.replica_set_id => {}
        Some(Marker::Settled { .. }) => return Decision::Wait(Reason::OtherSetMarked),
        // Initiated a moment ago, or formed by somebody else before this sidecar came.
        _ => return Decision::Do(Action::SettleMarker { replica_set_id: config.replica_set_id.clone() }),
    }
    let Some(desired) = cluster.desired else { return Decision::Wait(Reason::NoStatefulSet) };
    if desired.replicas == 0 {
        return Decision::Wait(Reason::ScaledToZero);
    }
    if !config.committed {
        return Decision::Wait(Reason::NotCommitted);
    }
    let work = Work { who, config, status, desired };
    if let Some(decision) = work.shrink().or_else(|| work.let_grow_up()) {
        return decision;
    }
    work.grow(seen, hello, cluster)
}

struct Work<'a> {
    who: &'a Identity,
    config: &'a Config,
    status: &'a Status,
    desired: Desired,
}

impl Work<'_> {
    /// Members that are not wanted any more go, the highest ordinal first, this one last and by another primary's hand.
    fn shrink(&self) -> Option<Decision> {
        let hosts = self.config.members.iter().map(|member| &member.host);
        let ours = hosts.filter_map(|host| self.who.hosts.ordinal(host).map(|ordinal| (ordinal, host)));
        let mut surplus: Vec<_> = ours.filter(|(ordinal, _)| !self.desired.wants(*ordinal)).collect();
        surplus.sort_unstable_by(|a, b| b.cmp(a));
        let (_, first) = surplus.first()?;
        let removable = surplus.iter().find(|(ordinal, host)| {
            *ordinal != self.who.ordinal && self.config.has_healthy_majority_without(host, self.status)
        });
        if let Some((_, host)) = removable {
            return Some(Decision::Do(Action::Reconfigure(Change::Remove { host: (*host).clone() })));
        }
        if surplus.iter().any(|(ordinal, _)| *ordinal != self.who.ordinal) {
            return Some(Decision::Wait(Reason::MajorityAtRisk { host: (*first).clone() }));
        }
        Some(if self.has_successor() { Decision::Do(Action::StepDown) } else { Decision::Wait(Reason::NoSuccessor) })
    }

    /// A new member first gets the data, then its vote, then there may be another new one: so new members are never
    /// needed for a majority. From MongoDB 5.0 on the server itself withholds the vote until then.
    fn let_grow_up(&self) -> Option<Decision> {
        let voters = self.config.voters();
        let unhealthy = |host: &&String| !self.status.is_healthy(host);
        if self.status.voting_members < voters {
            let hosts = self.config.members.iter().filter(|member| member.votes).map(|member| &member.host);
            let host = hosts.clone().find(unhealthy).or_else(|| hosts.clone().next_back()).cloned().unwrap_or_default();
            return Some(Decision::Wait(Reason::Syncing { host }));
        }
        if voters >= MAX_VOTERS {
            return None;
        }
        let ours = |host: &str| self.who.hosts.ordinal(host).is_some();
        let minor = self.config.members.iter().find(|member| !member.votes && !member.special && ours(&member.host))?;
        let host = minor.host.clone();
        Some(if self.status.is_healthy(&host) {
            Decision::Do(Action::Reconfigure(Change::GiveVote { host }))
        } else {
            Decision::Wait(Reason::Syncing { host })
        })
    }

    /// The lowest wanted pod that is not a member becomes one, if it is nobody else's.
    fn grow(&self, seen: &Observed, hello: &Hello, cluster: &Cluster) -> Decision {
        let candidates = self.candidates(cluster);
        let unasked: Vec<_> = candidates.iter().copied().filter(|ordinal| !seen.peers.contains_key(ordinal)).collect();
        if !unasked.is_empty() {
            return Decision::Ask(unasked);
        }
        let mut objections = Vec::new();
        for ordinal in candidates {
            let host = self.who.hosts.host(ordinal);
            match self.objection(&host, seen.peers.get(&ordinal)) {
                None => return self.add(host, hello),
                Some(objection) => objections.push(objection),
            }
        }
        Decision::Wait(objections.into_iter().next().unwrap_or(Reason::InStep))
    }

    /// Wanted, running and no member. A pod that is on its way out is nobody whom one takes in.
    fn candidates(&self, cluster: &Cluster) -> Vec<Ordinal> {
        let there = cluster.pods.iter().filter(|pod| pod.running && !pod.terminating).map(|pod| pod.ordinal);
        let wanted = there.filter(|ordinal| self.desired.wants(*ordinal));
        let mut candidates: Vec<_> =
            wanted.filter(|ordinal| !self.config.has(&self.who.hosts.host(*ordinal))).collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// Names say little of whose a peer is: the pods of a StatefulSet have the same ones in every set that they ever form. So
    /// the set's id comes first, and names only count where it is not to be seen.
    fn objection(&self, host: &str, peer: Option<&Peer>) -> Option<Reason> {
        let host = host.to_owned();
        match peer {
            Some(Peer::Free) => None,
            Some(Peer::NotReplicaSetMode) => Some(Reason::CandidateNotReplicaSetMode { host }),
            Some(Peer::Outside { replica_set_id } | Peer::InSet { replica_set_id: Some(replica_set_id), .. })
                if *replica_set_id != self.config.replica_set_id =>
            {
                Some(Reason::ForeignSet { host })
            }
            Some(Peer::Outside { .. }) => None,
            Some(Peer::InSet { me, .. }) if self.config.has(me) => {
                Some(Reason::OtherName { host, known_as: me.clone() })
            }
            Some(Peer::InSet { replica_set_id: Some(_), .. }) => Some(Reason::CandidateOutdated { host }),
            Some(Peer::InSet { hosts, .. }) if hosts.iter().any(|other| self.config.has(other)) => {
                Some(Reason::CandidateUnreadable { host })
            }
            Some(Peer::InSet { .. }) => Some(Reason::ForeignSet { host }),
            Some(Peer::Unreachable) | None => Some(Reason::CandidateSilent { host }),
        }
    }

    fn add(&self, host: String, hello: &Hello) -> Decision {
        if self.config.members.len() >= MAX_MEMBERS {
            return Decision::Wait(Reason::Full);
        }
        let votes = hello.wire_version >= MONGODB_5_0 && self.config.voters() < MAX_VOTERS;
        Decision::Do(Action::Reconfigure(Change::Add { host, votes }))
    }

    fn has_successor(&self) -> bool {
        let voters = self.config.members.iter().filter(|member| member.votes && !member.special);
        let mut others = voters.filter(|member| self.who.hosts.ordinal(&member.host) != Some(self.who.ordinal));
        others.any(|member| self.status.is_healthy(&member.host))
    }
}

/// MongoDB's own limits.
const MAX_VOTERS: usize = 7;
const MAX_MEMBERS: usize = 50;

/// The wire version from which on a new member has no vote before it has the data.
const MONGODB_5_0: i32 = 13;
