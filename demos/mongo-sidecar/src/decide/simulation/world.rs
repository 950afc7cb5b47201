//! The world that the sidecars act in: Kubernetes, mongods and volumes, as simple as their rules allow. What real mongods
//! refuse is refused here as well, except that nothing here asks whether a change leaves a majority: the sidecars must.

use std::collections::BTreeMap;

use crate::{
    decision::{Action, Change, Decision},
    fixture::{host, identity},
    observed::{
        Cluster, Config, Desired, Hello, Identity, Marker, Member, MemberStatus, Observed, Peer, Pod, Status,
        StatusReply,
    },
};

/// The place of one ordinal: its pod, if there is one, and its volume, which outlives the pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) pod: Option<Pod>,
    /// mongod runs in it.
    pub(super) up: bool,
    /// Nobody reaches it, and it reaches nobody.
    pub(super) cut: bool,
    /// The set whose data are on the volume, by its index.
    pub(super) volume: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Voter {
    pub(super) ordinal: u32,
    pub(super) votes: bool,
    /// The server withholds its vote until it has the data.
    pub(super) newly_added: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) version: u64,
    pub(super) committed: bool,
    pub(super) members: Vec<Voter>,
    pub(super) primary: Option<u32>,
    pub(super) term: i64,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) wire_version: i32,
    pub(super) desired: Desired,
    pub(super) marker: Option<Marker>,
    pub(super) places: Vec<Place>,
    pub(super) sets: Vec<Set>,
    pub(super) pods_created: u32,
}

/// What a sidecar saw, and the version of the configuration that it saw it in.
pub(super) struct Look {
    pub(super) who: Identity,
    pub(super) seen: Observed,
    pub(super) version: Option<u64>,
}

impl World {
    pub(super) fn reachable(&self, ordinal: u32) -> bool {
        let place = &self.places[ordinal as usize];
        place.up && !place.cut && place.pod.is_some()
    }

    fn holds(&self, ordinal: u32, set: usize) -> bool {
        self.places[ordinal as usize].volume == Some(set)
    }

    /// Members that vote, and how many of them are there and hold the data.
    pub(super) fn quorum(&self, set: usize) -> (usize, usize) {
        let voters = self.sets[set].members.iter().filter(|member| member.votes && !member.newly_added);
        let alive = voters.clone().filter(|voter| self.reachable(voter.ordinal) && self.holds(voter.ordinal, set));
        (voters.count(), alive.count())
    }

    /// Time passes in the mongods: elections, heartbeats that bring data to who is in a configuration, votes.
    pub(super) fn tick(&mut self) {
        for set in 0..self.sets.len() {
            let (voters, alive) = self.quorum(set);
            let able: Vec<u32> = self.sets[set]
                .members
                .iter()
                .filter(|member| member.votes && !member.newly_added)
                .map(|member| member.ordinal)
                .filter(|ordinal| self.reachable(*ordinal) && self.holds(*ordinal, set))
                .collect();
            if alive * 2 <= voters {
                self.sets[set].primary = None;
                continue;
            }
            if !self.sets[set].primary.is_some_and(|primary| able.contains(&primary)) {
                self.sets[set].primary = self.rng.choice(able);
                self.sets[set].term += 1;
            }
            self.sets[set].committed |= self.rng.bool();
            self.bring_data(set);
        }
    }

    fn bring_data(&mut self, set: usize) {
        for at in 0..self.sets[set].members.len() {
            let Voter { ordinal, newly_added, .. } = self.sets[set].members[at];
            if !self.reachable(ordinal) || self.rng.bool() {
                continue;
            }
            if self.places[ordinal as usize].volume.is_none() {
                self.places[ordinal as usize].volume = Some(set);
            } else if newly_added {
                self.sets[set].members[at].newly_added = false;
                self.sets[set].version += 1;
            }
        }
    }

    /// What the sidecar of this ordinal sees now; `None` if it does not run.
    pub(super) fn look(&self, ordinal: u32) -> Option<Look> {
        let place = &self.places[ordinal as usize];
        let uid = place.pod.as_ref()?.uid.clone();
        let cluster = Cluster { desired: Some(self.desired), pods: self.pods(), marker: self.marker.clone() };
        let member = place.volume.filter(|_| place.up);
        let in_config = member.filter(|set| self.sets[*set].members.iter().any(|member| member.ordinal == ordinal));
        let primary = in_config.is_some_and(|set| self.sets[set].primary == Some(ordinal));
        let seen = Observed {
            cluster: (!place.cut).then_some(cluster),
            hello: place.up.then(|| Hello {
                replica_set_mode: true,
                primary,
                secondary: in_config.is_some() && !primary,
                wire_version: self.wire_version,
            }),
            status: match (member, in_config) {
                (None, _) => StatusReply::NotInitialized,
                (Some(_), None) => StatusReply::InvalidConfig,
                (_, Some(set)) => StatusReply::Member(self.status(set)),
            },
            config: member.filter(|_| primary || in_config.is_none()).map(|set| self.config(set)),
            peers: BTreeMap::new(),
        };
        let version = member.map(|set| self.sets[set].version);
        Some(Look { who: Identity { uid, ..identity(ordinal) }, seen, version })
    }

    fn pods(&self) -> Vec<Pod> {
        let pod = |place: &Place| place.pod.clone().map(|pod| Pod { running: place.up, ..pod });
        self.places.iter().filter_map(pod).collect()
    }

    fn status(&self, set: usize) -> Status {
        let healthy = |member: &Voter| MemberStatus {
            host: host(member.ordinal),
            healthy: self.reachable(member.ordinal) && self.holds(member.ordinal, set) && !member.newly_added,
        };
        let members = &self.sets[set].members;
        Status {
            term: self.sets[set].term,
            voting_members: members.iter().filter(|member| member.votes && !member.newly_added).count(),
            members: members.iter().map(healthy).collect(),
        }
    }

    fn config(&self, set: usize) -> Config {
        let member = |member: &Voter| Member {
            id: i64::from(member.ordinal),
            host: host(member.ordinal),
            votes: member.votes,
            special: false,
        };
        Config {
            replica_set_id: set.to_string(),
            committed: self.sets[set].committed,
            members: self.sets[set].members.iter().map(member).collect(),
        }
    }

    pub(super) fn ask(&self, asker: u32, ordinal: u32) -> Peer {
        let place = &self.places[ordinal as usize];
        if !self.reachable(ordinal) || self.places[asker as usize].cut {
            return Peer::Unreachable;
        }
        let Some(set) = place.volume else { return Peer::Free };
        if !self.sets[set].members.iter().any(|member| member.ordinal == ordinal) {
            return Peer::Outside { replica_set_id: set.to_string() };
        }
        Peer::InSet {
            me: host(ordinal),
            hosts: self.sets[set].members.iter().map(|member| host(member.ordinal)).collect(),
            replica_set_id: Some(set.to_string()),
        }
    }

    /// Does what a sidecar decided, or refuses it as the real ones would. Says whether it was done.
    pub(super) fn act(&mut self, look: &Look, decision: &Decision) -> bool {
        let ordinal = look.who.ordinal;
        let Decision::Do(action) = decision else { return false };
        let marker_seen = look.seen.cluster.as_ref().and_then(|cluster| cluster.marker.clone());
        match action {
            Action::ClaimMarker => self.write(marker_seen.as_ref(), Marker::Pending { uid: look.who.uid.clone() }),
            Action::SettleMarker { replica_set_id } => {
                self.write(marker_seen.as_ref(), Marker::Settled { replica_set_id: replica_set_id.clone() })
            }
            Action::Initiate => self.initiate(ordinal),
            Action::Reconfigure(change) => self.reconfigure(look, change),
            Action::StepDown => self.step_down(ordinal),
        }
    }

    fn write(&mut self, seen: Option<&Marker>, marker: Marker) -> bool {
        let unchanged = self.marker.as_ref() == seen;
        if unchanged {
            self.marker = Some(marker);
        }
        unchanged
    }

    fn initiate(&mut self, ordinal: u32) -> bool {
        let place = &mut self.places[ordinal as usize];
        if !place.up || place.volume.is_some() {
            return false;
        }
        place.volume = Some(self.sets.len());
        let founder = Voter { ordinal, votes: true, newly_added: false };
        self.sets.push(Set { version: 1, committed: true, members: vec![founder], primary: Some(ordinal), term: 1 });
        true
    }

    fn primary_of(&self, ordinal: u32) -> Option<usize> {
        let set = self.places[ordinal as usize].volume?;
        (self.reachable(ordinal) && self.sets[set].primary == Some(ordinal)).then_some(set)
    }

    fn reconfigure(&mut self, look: &Look, change: &Change) -> bool {
        let Some(at) = self.primary_of(look.who.ordinal) else { return false };
        if look.version != Some(self.sets[at].version) || !self.sets[at].committed {
            return false;
        }
        let wire_version = self.wire_version;
        let members = &mut self.sets[at].members;
        let ordinal = |host: &str| look.who.hosts.ordinal(host).expect("one of ours");
        match change {
            Change::Add { host, votes } => {
                let ordinal = ordinal(host);
                assert!(!members.iter().any(|member| member.ordinal == ordinal), "{host} twice");
                members.push(Voter { ordinal, votes: *votes, newly_added: *votes && wire_version >= 13 });
            }
            Change::Remove { host } => members.retain(|member| member.ordinal != ordinal(host)),
            Change::GiveVote { host } => {
                let member = members.iter_mut().find(|member| member.ordinal == ordinal(host));
                member.expect("a member").votes = true;
            }
        }
        self.sets[at].version += 1;
        self.sets[at].committed = false;
        true
    }

    fn step_down(&mut self, ordinal: u32) -> bool {
        let Some(set) = self.primary_of(ordinal) else { return false };
        let voters = self.sets[set].members.iter().filter(|member| member.votes && !member.newly_added);
        let others = voters.map(|voter| voter.ordinal).filter(|other| *other != ordinal);
        let able: Vec<_> = others.filter(|other| self.reachable(*other) && self.holds(*other, set)).collect();
        let Some(successor) = self.rng.choice(able) else { return false };
        self.sets[set].primary = Some(successor);
        self.sets[set].term += 1;
        true
    }
}
