//! A world in which all is well, and the words to spoil it. For tests.

use std::collections::BTreeMap;

use crate::observed::{
    Cluster, Config, Desired, Hello, Identity, Marker, Member, MemberStatus, Observed, Peer, Pod, Status, StatusReply,
};

pub(crate) struct World {
    pub(crate) who: Identity,
    pub(crate) seen: Observed,
}

pub(crate) fn host(ordinal: u32) -> String {
    format!("mongo-{ordinal}.mongo.default.svc.cluster.local:27017")
}

pub(crate) fn identity(ordinal: u32) -> Identity {
    Identity {
        stateful_set: "mongo".into(),
        ordinal,
        uid: format!("uid-{ordinal}"),
        hosts: host(0).replace("mongo-0", "mongo-{ordinal}").parse().expect("a pattern"),
        replica_set: "rs0".into(),
    }
}

pub(crate) fn pod(ordinal: u32) -> Pod {
    Pod { ordinal, uid: format!("uid-{ordinal}"), running: true, terminating: false, label: None, term: None }
}

impl World {
    /// As many members as are wanted, all healthy; mongo-0 is primary in term 7, and it is the one that decides.
    pub(crate) fn in_step(replicas: u32) -> Self {
        let cluster = Cluster {
            desired: Some(Desired { start: 0, replicas, ordered: false }),
            pods: (0..replicas).map(pod).collect(),
            marker: Some(Marker::Settled { replica_set_id: "set-a".into() }),
        };
        let seen = Observed {
            cluster: Some(cluster),
            hello: Some(Hello { replica_set_mode: true, primary: true, secondary: false, wire_version: 17 }),
            status: StatusReply::Member(Status { term: 7, ..Status::default() }),
            config: Some(Config { replica_set_id: "set-a".into(), committed: true, members: Vec::new() }),
            peers: BTreeMap::new(),
        };
        let mut world = Self { who: identity(0), seen };
        world.members(&(0..replicas).collect::<Vec<_>>());
        world
    }

    /// A member of our set, as it answers when it is asked.
    pub(crate) fn in_our_set(ordinal: u32) -> Peer {
        Self::in_set(ordinal, Some("set-a"))
    }

    /// A member of a set whose members have the names of ours.
    pub(crate) fn in_set(ordinal: u32, replica_set_id: Option<&str>) -> Peer {
        let replica_set_id = replica_set_id.map(str::to_owned);
        Peer::InSet { me: host(ordinal), hosts: (0..=ordinal).map(host).collect(), replica_set_id }
    }

    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        self.seen.cluster.as_mut().expect("Kubernetes answers")
    }

    pub(crate) fn hello(&mut self) -> &mut Hello {
        self.seen.hello.as_mut().expect("mongod answers")
    }

    pub(crate) fn config(&mut self) -> &mut Config {
        self.seen.config.as_mut().expect("there is a configuration")
    }

    pub(crate) fn status(&mut self) -> &mut Status {
        let StatusReply::Member(status) = &mut self.seen.status else { panic!("it is a member") };
        status
    }

    pub(crate) fn i_am(&mut self, ordinal: u32) {
        self.who = identity(ordinal);
    }

    pub(crate) fn follows(&mut self) {
        let hello = self.hello();
        (hello.primary, hello.secondary) = (false, true);
        self.seen.config = None;
    }

    /// A mongod with an empty volume, in a cluster that has never had a set.
    pub(crate) fn is_new(&mut self) {
        *self.hello() = Hello { replica_set_mode: true, wire_version: 17, ..Hello::default() };
        self.seen.status = StatusReply::NotInitialized;
        self.seen.config = None;
        self.cluster().marker = None;
    }

    pub(crate) fn answers(&mut self, answers: &[(u32, Peer)]) {
        self.seen.peers = answers.iter().cloned().collect();
    }

    /// These are wanted; their pods do not change.
    pub(crate) fn desire(&mut self, replicas: u32) {
        self.cluster().desired.as_mut().expect("a set").replicas = replicas;
    }

    /// These are wanted, and run.
    pub(crate) fn scale(&mut self, replicas: u32) {
        self.desire(replicas);
        self.cluster().pods = (0..replicas.max(1)).map(pod).collect();
    }

    /// These are members, with a vote each, and healthy.
    pub(crate) fn members(&mut self, ordinals: &[u32]) {
        let member =
            |ordinal: &u32| Member { id: i64::from(*ordinal), host: host(*ordinal), votes: true, special: false };
        self.config().members = ordinals.iter().map(member).collect();
        if let StatusReply::Member(status) = &mut self.seen.status {
            status.voting_members = ordinals.len();
            status.members =
                ordinals.iter().map(|ordinal| MemberStatus { host: host(*ordinal), healthy: true }).collect();
        }
    }

    pub(crate) fn unhealthy(&mut self, ordinal: u32) {
        let members = &mut self.status().members;
        members.iter_mut().find(|member| member.host == host(ordinal)).expect("a member").healthy = false;
    }
}
