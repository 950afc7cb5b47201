//! What one cycle has seen of the world: of Kubernetes, of the local mongod, of its peers. Plain data, no I/O, and no more
//! than decisions need.

use std::collections::BTreeMap;

use crate::hosts::{HostPattern, Ordinal};

/// Who decides. Never changes while the process runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the StatefulSet.
    pub stateful_set: String,
    /// The ordinal of this pod.
    pub ordinal: Ordinal,
    /// The UID of this pod, which tells it from a later pod of the same name.
    pub uid: String,
    /// How the members' hosts are written.
    pub hosts: HostPattern,
    /// The name of the replica set, as in mongod's `--replSet`.
    pub replica_set: String,
}

impl Identity {
    /// The name of the pod with this ordinal.
    #[must_use]
    pub fn pod(&self, ordinal: Ordinal) -> String {
        format!("{}-{ordinal}", self.stateful_set)
    }

    /// This member's host in the configuration.
    #[must_use]
    pub fn host(&self) -> String {
        self.hosts.host(self.ordinal)
    }
}

/// Everything that a decision may depend on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Kubernetes; `None` if the API did not answer.
    pub cluster: Option<Cluster>,
    /// The local mongod's `hello`; `None` if it did not answer.
    pub hello: Option<Hello>,
    /// Its `replSetGetStatus`.
    pub status: StatusReply,
    /// Its `replSetGetConfig`; only asked of a primary, and of a member that its configuration does not have.
    pub config: Option<Config>,
    /// What peers answered, of those that have been asked.
    pub peers: BTreeMap<Ordinal, Peer>,
}

/// Kubernetes, as far as it concerns this replica set.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The ordinals that are wanted; `None` if there is no such StatefulSet (any more).
    pub desired: Option<Desired>,
    /// The pods of the StatefulSet, in any order.
    pub pods: Vec<Pod>,
    /// The durable memory of who formed the set.
    pub marker: Option<Marker>,
}

/// What the StatefulSet's `spec` says of its pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Desired {
    /// `ordinals.start`: the first ordinal, which is the one that initiates.
    pub start: Ordinal,
    /// How many.
    pub replicas: u32,
    /// `podManagementPolicy: OrderedReady`: the second pod is created when the first one is ready.
    pub ordered: bool,
}

impl Desired {
    /// The ordinals that are wanted, in ascending order.
    pub fn ordinals(&self) -> impl Iterator<Item = Ordinal> + use<> {
        self.start..self.start.saturating_add(self.replicas)
    }

    /// Whether a pod with this ordinal is wanted.
    #[must_use]
    pub fn wants(&self, ordinal: Ordinal) -> bool {
        ordinal >= self.start && ordinal - self.start < self.replicas
    }
}

/// One pod of the StatefulSet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pod {
    /// The number in its name.
    pub ordinal: Ordinal,
    /// Its UID.
    pub uid: String,
    /// It runs and has an address. Whether mongod answers there is another question.
    pub running: bool,
    /// It has a `deletionTimestamp`.
    pub terminating: bool,
    /// The value of its role label.
    pub label: Option<String>,
    /// The term in which it was labelled, from its annotation.
    pub term: Option<i64>,
}

/// Survives every pod and every volume: without it, a first member that has lost its volume could not tell whether there
/// ever was a set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Marker {
    /// The pod with this UID is about to initiate. No set that this marker stands for has a second member.
    Pending {
        /// Who.
        uid: String,
    },
    /// There is a set, with this id.
    Settled {
        /// `settings.replicaSetId` of its configuration, in hexadecimal.
        replica_set_id: String,
    },
}

/// `hello` of the local mongod.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hello {
    /// It was started with `--replSet`.
    pub replica_set_mode: bool,
    /// It takes writes.
    pub primary: bool,
    /// It is a readable secondary.
    pub secondary: bool,
    /// 9 is MongoDB 4.4, 13 is 5.0.
    pub wire_version: i32,
}

/// `replSetGetStatus` of the local mongod, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusReply {
    /// It is a member.
    Member(Status),
    /// Error 94: it has never been in a set.
    NotInitialized,
    /// Error 93: its configuration does not have it, or not under an address that is its own.
    InvalidConfig,
    /// Errors 13 and 18.
    Unauthorized,
    /// Anything else, or nothing.
    Failed(String),
}

/// The set as a member sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The election term.
    pub term: i64,
    /// How many members have a vote now. A member that was added with one gets it once it has the data.
    pub voting_members: usize,
    /// Everyone in the configuration.
    pub members: Vec<MemberStatus>,
}

impl Status {
    /// Whether this host answers and holds the data.
    #[must_use]
    pub fn is_healthy(&self, host: &str) -> bool {
        self.members.iter().any(|member| member.healthy && member.host.eq_ignore_ascii_case(host))
    }
}

/// One member as another one sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberStatus {
    /// Its host.
    pub host: String,
    /// It answers heartbeats and holds the data: PRIMARY or SECONDARY.
    pub healthy: bool,
}

/// The replica set's configuration, as far as it is looked at. Changes are made on the document itself (`edit`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// `settings.replicaSetId`, in hexadecimal.
    pub replica_set_id: String,
    /// A majority has it. The next change waits for that.
    pub committed: bool,
    /// Its members, in its order.
    pub members: Vec<Member>,
}

/// One member of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its `_id`.
    pub id: i64,
    /// Its host.
    pub host: String,
    /// It has a vote.
    pub votes: bool,
    /// Somebody wanted it as it is: it is hidden, delayed, an arbiter or without an index.
    pub special: bool,
}

impl Config {
    /// Whether this host is a member.
    #[must_use]
    pub fn has(&self, host: &str) -> bool {
        self.members.iter().any(|member| member.host.eq_ignore_ascii_case(host))
    }

    /// How many members have a vote, or will have one when they have the data.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.members.iter().filter(|member| member.votes).count()
    }

    /// Whether those that vote are healthy by majority.
    #[must_use]
    pub fn has_healthy_majority(&self, status: &Status) -> bool {
        majority(self.members.iter(), status)
    }

    /// Whether those that would be left to vote are healthy by majority. Nobody is no majority.
    #[must_use]
    pub fn has_healthy_majority_without(&self, host: &str, status: &Status) -> bool {
        majority(self.members.iter().filter(|member| !member.host.eq_ignore_ascii_case(host)), status)
    }
}

fn majority<'a>(members: impl Iterator<Item = &'a Member>, status: &Status) -> bool {
    let voters: Vec<_> = members.filter(|member| member.votes).collect();
    let healthy = voters.iter().filter(|voter| status.is_healthy(&voter.host)).count();
    healthy * 2 > voters.len()
}

/// What a peer says of itself when it is asked directly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// It did not answer.
    Unreachable,
    /// It answers and has never been in a set; or has been removed from one that knows another user than ours, which looks
    /// the same.
    Free,
    /// It runs without `--replSet`.
    NotReplicaSetMode,
    /// It has the configuration of a set that it is not in: it was removed, or does not find its own address there.
    Outside {
        /// That set's id.
        replica_set_id: String,
    },
    /// It is in a set.
    InSet {
        /// What it calls itself there.
        me: String,
        /// Everyone whom it believes in that set.
        hosts: Vec<String>,
        /// The set's id; `None` if the peer does not know our user, and therefore does not say.
        replica_set_id: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_are_as_many_as_there_are_replicas_from_the_first_ordinal_on() {
        let desired = Desired { start: 5, replicas: 2, ordered: false };
        for (ordinal, wanted) in [(0, false), (4, false), (5, true), (6, true), (7, false), (u32::MAX, false)] {
            assert_eq!(desired.wants(ordinal), wanted, "{ordinal}");
        }
        assert!(!Desired { start: 0, replicas: 0, ordered: false }.wants(0));
    }
}
