//! What a cycle may end with: a question, one action, or the reason why there is nothing to do.

use std::fmt;

use crate::hosts::Ordinal;

/// The outcome of [`decide`](crate::decide).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// These peers have to be asked first.
    Ask(Vec<Ordinal>),
    /// This has to be done, and nothing else in this cycle.
    Do(Action),
    /// There is nothing to do, or nothing that may be done.
    Wait(Reason),
}

/// Something that changes the world. There is no forced reconfiguration among them, and none of them concerns two members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Say in the marker that this pod is about to initiate.
    ClaimMarker,
    /// Initiate a set that has this member alone.
    Initiate,
    /// Say in the marker that there is a set.
    SettleMarker {
        /// Its id.
        replica_set_id: String,
    },
    /// Change the configuration.
    Reconfigure(Change),
    /// Hand the primary's part to another member, since this one is not wanted any more.
    StepDown,
}

/// One change of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A member more.
    Add {
        /// Its host.
        host: String,
        /// Whether it is to have a vote. One without a vote cannot become primary either.
        votes: bool,
    },
    /// A member less.
    Remove {
        /// Its host.
        host: String,
    },
    /// A member that has the data now gets its vote.
    GiveVote {
        /// Its host.
        host: String,
    },
}

/// Why there is nothing to do. Most of them end by themselves; [`Reason::needs_somebody`] says which do not.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each one says what it is in its message")]
pub enum Reason {
    #[error("the members are those that the StatefulSet wants")]
    InStep,
    #[error("another member is primary")]
    Following,
    #[error("the primary has not added this member yet")]
    WaitingToBeAdded,
    #[error("{host} has not got the data yet, so it has no vote")]
    Syncing { host: String },
    #[error("the last change of the configuration has not reached a majority")]
    NotCommitted,

    #[error("mongod does not answer")]
    MongodUnreachable,
    #[error("Kubernetes does not answer")]
    KubernetesUnreachable,
    #[error("replSetGetStatus failed: {0}")]
    StatusFailed(String),
    #[error("replSetGetConfig failed")]
    ConfigUnreadable,
    #[error("{pod} does not answer, and it may have a set: if it never will, scale the StatefulSet to 1 and back")]
    PeerSilent { pod: String },
    #[error("{host} does not answer, so it is not added: mongod needs --bind_ip_all")]
    CandidateSilent { host: String },
    #[error("{pod} is in a set already, and its primary will add this member")]
    PeerHasSet { pod: String },
    #[error(
        "{pod} has the data of a set that it is not in, so no other is formed: empty its volume if nobody needs them"
    )]
    PeerHasData { pod: String },
    #[error("{host} still believes in a configuration that has it")]
    CandidateOutdated { host: String },
    #[error(
        "{host} is in a set and does not let our user see in which: if it is another one, it needs an empty volume"
    )]
    CandidateUnreadable { host: String },
    #[error("without {host} no healthy majority would be left, so it stays until another one is healthy")]
    MajorityAtRisk { host: String },
    #[error("this member is not wanted any more, and nobody can take over from it")]
    NoSuccessor,
    #[error("the primary has removed this member")]
    Removed,

    #[error("mongod runs without --replSet")]
    NotReplicaSetMode,
    #[error("{host} runs without --replSet")]
    CandidateNotReplicaSetMode { host: String },
    #[error("mongod refuses: the user needs the role clusterManager on admin")]
    Unauthorized,
    #[error("there is no StatefulSet with this pod's name")]
    NoStatefulSet,
    #[error("the StatefulSet is scaled to 0, so its members are kept")]
    ScaledToZero,
    #[error("Kubernetes knows another pod, or none, by this name: this one keeps still")]
    Superseded,
    #[error("the marker says that there is a set, but this member has lost it, and nobody has it in a configuration")]
    DataLost,
    #[error("the marker names another set than the one that this member is primary of")]
    OtherSetMarked,
    #[error("{host} has the data of another set, so it is not added: it needs an empty volume")]
    ForeignSet { host: String },
    #[error("{host} is a member already, but under the name {known_as}: reconfigure it by hand to its stable name")]
    OtherName { host: String, known_as: String },
    #[error("the configuration has this member under an address that is not its own (any more)")]
    AddressMismatch,
    #[error("a replica set has at most 50 members")]
    Full,
}

impl Reason {
    /// Whether it stays until a person does something.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        matches!(
            self,
            Self::NotReplicaSetMode
                | Self::CandidateNotReplicaSetMode { .. }
                | Self::PeerHasData { .. }
                | Self::CandidateUnreadable { .. }
                | Self::Unauthorized
                | Self::NoStatefulSet
                | Self::Superseded
                | Self::DataLost
                | Self::OtherSetMarked
                | Self::ForeignSet { .. }
                | Self::OtherName { .. }
                | Self::AddressMismatch
                | Self::Full
        )
    }

    /// Whether it is likely to be over in a second, so that it is worth looking again soon.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        matches!(
            self,
            Self::WaitingToBeAdded
                | Self::Syncing { .. }
                | Self::NotCommitted
                | Self::PeerSilent { .. }
                | Self::CandidateSilent { .. }
                | Self::CandidateOutdated { .. }
                | Self::MongodUnreachable
                | Self::StatusFailed(_)
                | Self::ConfigUnreadable
                | Self::NoSuccessor
                | Self::MajorityAtRisk { .. }
        )
    }

    /// A word for machines: the name of the variant.
    #[must_use]
    pub fn code(&self) -> String {
        let shown = format!("{self:?}");
        shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}

impl Action {
    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClaimMarker => "ClaimMarker",
            Self::Initiate => "Initiate",
            Self::SettleMarker { .. } => "SettleMarker",
            Self::Reconfigure(Change::Add { .. }) => "Add",
            Self::Reconfigure(Change::Remove { .. }) => "Remove",
            Self::Reconfigure(Change::GiveVote { .. }) => "GiveVote",
            Self::StepDown => "StepDown",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaimMarker => write!(f, "write into the marker that this pod is about to initiate"),
            Self::Initiate => write!(f, "initiate the set with this member alone"),
            Self::SettleMarker { replica_set_id } => {
                write!(f, "write into the marker that the set is {replica_set_id}")
            }
            Self::Reconfigure(Change::Add { host, votes: true }) => write!(f, "add {host}"),
            Self::Reconfigure(Change::Add { host, votes: false }) => write!(f, "add {host} without a vote"),
            Self::Reconfigure(Change::Remove { host }) => write!(f, "remove {host}"),
            Self::Reconfigure(Change::GiveVote { host }) => write!(f, "give {host} a vote"),
            Self::StepDown => write!(f, "step down"),
        }
    }
}
