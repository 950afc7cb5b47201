//! Sidecars in a world where everything goes wrong: restarts between any two steps, kills, lost volumes, cut nodes, scaling
//! in the middle of it all, and acts on what was seen before it changed.
//!
//! The laws: there is never more than one set; a change concerns one member, who is wanted if it comes and not wanted if it
//! goes; it leaves the set its majority; and when the world calms down, the members are those that are wanted.

mod world;

use std::collections::BTreeSet;

use crate::{
    decide::decide,
    decision::{Action, Change, Decision, Reason},
    fixture::pod,
    observed::{Desired, Marker, Pod},
};
use world::{Look, Place, Set, Voter, World};

const PLACES: usize = 9;

#[test]
fn whatever_happens_there_is_one_set_and_in_the_end_it_is_the_one_that_is_wanted() {
    let mut formed_and_calm = 0;
    for seed in 0..RUNS {
        let mut run = Run::new(seed);
        for _ in 0..run.world.rng.u32(5..150) {
            run.event();
            run.world.tick();
        }
        if run.calm_down() {
            formed_and_calm += 1;
        }
    }
    // The rest lost their data, for good. If that were most of them, the simulation would show little.
    assert!(formed_and_calm * 3 > RUNS * 2, "{formed_and_calm} of {RUNS} runs ended with a set");
}

const RUNS: u64 = 2000;

#[test]
fn a_restart_after_any_step_of_forming_the_set_changes_nothing() {
    for wire_version in [9, 17] {
        for steps in 0..60 {
            let mut run = Run::calm(steps, wire_version);
            // One sidecar step at a time; after `steps` of them everything is restarted, volumes kept.
            for step in 0..steps {
                run.sidecar((step % 3) as u32);
                run.world.tick();
            }
            for ordinal in 0..3 {
                run.replace_pod(ordinal);
            }
            assert!(run.calm_down(), "after {steps} steps");
            assert_eq!(run.world.sets.len(), 1, "after {steps} steps");
        }
    }
}

struct Run {
    seed: u64,
    /// The set was there before.
    adopted: bool,
    world: World,
    log: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let wire_version = if rng.bool() { 17 } else { 9 };
        let mut run = Self::calm(seed, wire_version);
        run.world.desired.replicas = rng.u32(1..=5);
        run.world.desired.ordered = rng.bool();
        if rng.u32(0..4) == 0 {
            run.adopt(rng.bool());
        }
        run.world.rng = rng;
        run
    }

    /// Somebody else has formed the set, so there is no marker; its first member may have lost its data since.
    fn adopt(&mut self, lost: bool) {
        self.adopted = true;
        self.kubernetes(false);
        let ordinals = self.world.desired.ordinals();
        let members = ordinals.map(|ordinal| Voter { ordinal, votes: true, newly_added: false }).collect();
        self.world.sets.push(Set { version: 1, committed: true, members, primary: None, term: 1 });
        for ordinal in self.world.desired.ordinals() {
            self.world.places[ordinal as usize].volume = (ordinal > 0 || !lost).then_some(0);
        }
    }

    fn calm(seed: u64, wire_version: i32) -> Self {
        let world = World {
            rng: fastrand::Rng::with_seed(seed),
            wire_version,
            desired: Desired { start: 0, replicas: 3, ordered: false },
            marker: None,
            places: vec![Place::default(); PLACES],
            sets: Vec::new(),
            pods_created: 0,
        };
        let mut run = Self { seed, adopted: false, world, log: Vec::new() };
        run.kubernetes(false);
        run
    }

    fn event(&mut self) {
        let ordinal = self.world.rng.u32(0..PLACES as u32);
        let at = ordinal as usize;
        // A volume without a pod cannot be asked: only the marker protects it.
        let events = if self.adopted && self.world.marker.is_none() { 89 } else { 100 };
        match self.world.rng.u32(0..events) {
            0..=69 => self.sidecar(ordinal),
            70..=79 => self.kubernetes(false),
            80..=84 => self.world.places[at].up = self.world.places[at].pod.is_some() && !self.world.places[at].up,
            85..=88 => self.world.places[at].cut = !self.world.places[at].cut,
            89..=91 => self.replace_pod(ordinal),
            92..=93 => self.world.desired.replicas = self.world.rng.u32(1..=PLACES as u32),
            94 if self.may_be_lost(ordinal) => self.lose_volume(ordinal),
            95 => self.kubernetes(true),
            96 => self.terminate(ordinal),
            _ => {}
        }
    }

    /// A cycle of one sidecar: it looks, something may happen, it acts; or it is killed before it acts.
    fn sidecar(&mut self, ordinal: u32) {
        let Some(mut look) = self.world.look(ordinal) else { return };
        let decision = self.decide(&mut look);
        let fresh = !self.world.rng.bool();
        if !fresh && self.log.len() < MANY {
            self.happening();
        }
        if self.world.rng.u32(0..10) == 0 {
            return;
        }
        self.act(&look, &decision, fresh);
    }

    fn act(&mut self, look: &Look, decision: &Decision, fresh: bool) -> bool {
        let marker = self.world.marker.clone();
        let acted = self.world.act(look, decision);
        if acted {
            self.log.push(format!("{}: {decision:?}", look.who.ordinal));
            self.judge(look, decision, marker.as_ref(), fresh);
        }
        acted
    }

    /// Between a look and the act that follows from it.
    fn happening(&mut self) {
        let ordinal = self.world.rng.u32(0..PLACES as u32);
        match self.world.rng.u32(0..6) {
            0 if !self.adopted => self.world.desired.replicas = self.world.rng.u32(1..=PLACES as u32),
            1 => self.world.places[ordinal as usize].up = false,
            2 => self.world.places[ordinal as usize].cut = true,
            3 => self.replace_pod(ordinal),
            _ => self.world.tick(),
        }
    }

    fn judge(&self, look: &Look, decision: &Decision, before: Option<&Marker>, fresh: bool) {
        let alive: BTreeSet<_> = self.world.places.iter().filter_map(|place| place.volume).collect();
        assert!(alive.len() <= 1, "two sets: {}", self.story());
        let Decision::Do(action) = decision else { return };
        let settled = matches!(before, Some(Marker::Settled { .. }));
        assert!(
            !settled || matches!(action, Action::Reconfigure(_) | Action::StepDown),
            "formed again: {}",
            self.story()
        );
        let Action::Reconfigure(change) = action else { return };
        let wanted = |host: &str| {
            let desired = look.seen.cluster.as_ref().and_then(|cluster| cluster.desired).expect("it was seen");
            desired.wants(look.who.hosts.ordinal(host).expect("one of ours"))
        };
        match change {
            Change::Add { host, .. } | Change::GiveVote { host } => assert!(wanted(host), "{host}: {}", self.story()),
            Change::Remove { host } => assert!(!wanted(host), "{host}: {}", self.story()),
        }
        let set = self.world.places[look.who.ordinal as usize].volume.expect("a member");
        let (voters, alive) = self.world.quorum(set);
        assert!(!fresh || alive * 2 > voters, "no majority is left: {}", self.story());
        assert!(voters <= 7, "too many vote: {}", self.story());
        let members = &self.world.sets[set].members;
        let growing = members.iter().filter(|member| member.newly_added || !member.votes).count();
        assert!(growing <= 1 || members.len() > 7, "several are new: {}", self.story());
    }

    /// The StatefulSet's controller: pods that are wanted and missing come. Of the others, `hasty` lets go who is still
    /// a member, as a pod does whose grace period is over.
    fn kubernetes(&mut self, hasty: bool) {
        for ordinal in 0..PLACES as u32 {
            let at = ordinal as usize;
            let wanted = self.world.desired.wants(ordinal);
            let is_member =
                self.world.sets.iter().any(|set| set.members.iter().any(|member| member.ordinal == ordinal));
            match &self.world.places[at].pod {
                None if wanted => self.create_pod(ordinal),
                Some(pod) if pod.terminating && wanted => self.create_pod(ordinal),
                Some(_) if !wanted && (hasty || !is_member) => {
                    self.world.places[at].pod = None;
                    self.world.places[at].up = false;
                }
                _ => {}
            }
        }
    }

    fn create_pod(&mut self, ordinal: u32) {
        self.world.pods_created += 1;
        let uid = format!("uid-{ordinal}-{}", self.world.pods_created);
        self.world.places[ordinal as usize].pod = Some(Pod { uid, ..pod(ordinal) });
        self.world.places[ordinal as usize].up = true;
    }

    fn replace_pod(&mut self, ordinal: u32) {
        if self.world.places[ordinal as usize].pod.is_some() {
            self.create_pod(ordinal);
        }
    }

    fn terminate(&mut self, ordinal: u32) {
        if let Some(pod) = &mut self.world.places[ordinal as usize].pod {
            pod.terminating = true;
        }
    }

    /// Now and then data are lost that cannot be spared; mostly they can.
    fn may_be_lost(&mut self, ordinal: u32) -> bool {
        let Some(set) = self.world.places[ordinal as usize].volume else { return false };
        let (voters, alive) = self.world.quorum(set);
        alive == voters && voters > 2 || self.world.rng.u32(0..4) == 0
    }

    fn lose_volume(&mut self, ordinal: u32) {
        self.log.push(format!("{ordinal} loses its volume"));
        self.world.places[ordinal as usize].volume = None;
        self.replace_pod(ordinal);
    }

    /// Everything is repaired, and the sidecars get all the time that they need. False if the data are lost for good.
    fn calm_down(&mut self) -> bool {
        for place in &mut self.world.places {
            place.cut = false;
            place.up = place.pod.is_some();
        }
        let (mut rounds, mut quiet) = (0, 0);
        while quiet < 20 {
            rounds += 1;
            assert!(rounds < 1000, "no end of it: {}", self.story());
            self.kubernetes(false);
            let acted = (0..PLACES as u32).filter(|ordinal| self.sidecar_undisturbed(*ordinal)).count();
            quiet = if acted == 0 { quiet + 1 } else { 0 };
            self.world.tick();
        }
        let majority = |set: usize| {
            let (voters, alive) = self.world.quorum(set);
            alive * 2 > voters
        };
        let Some(set) = (0..self.world.sets.len()).find(|set| majority(*set)) else {
            assert!(self.adopted || self.world.marker.is_some(), "nothing was formed: {}", self.story());
            return false;
        };
        let members: BTreeSet<_> = self.world.sets[set].members.iter().map(|member| member.ordinal).collect();
        assert_eq!(members, self.world.desired.ordinals().collect(), "{}", self.story());
        assert_eq!(self.world.marker, Some(Marker::Settled { replica_set_id: set.to_string() }), "{}", self.story());
        for ordinal in self.world.desired.ordinals() {
            let look = self.world.look(ordinal).expect("it runs");
            let decision = decide(&look.who, &look.seen);
            let settled = [Decision::Wait(Reason::InStep), Decision::Wait(Reason::Following)];
            assert!(settled.contains(&decision), "{ordinal}: {decision:?}: {}", self.story());
        }
        true
    }

    fn sidecar_undisturbed(&mut self, ordinal: u32) -> bool {
        let Some(mut look) = self.world.look(ordinal) else { return false };
        let decision = self.decide(&mut look);
        self.act(&look, &decision, true)
    }

    fn decide(&self, look: &mut Look) -> Decision {
        let decision = decide(&look.who, &look.seen);
        let Decision::Ask(peers) = decision else { return decision };
        look.seen.peers = peers.iter().map(|peer| (*peer, self.world.ask(look.who.ordinal, *peer))).collect();
        let decision = decide(&look.who, &look.seen);
        assert!(!matches!(decision, Decision::Ask(_)), "asked twice: {}", self.story());
        decision
    }

    fn story(&self) -> String {
        format!("seed {}\n{}\n{:#?}", self.seed, self.log.join("\n"), self.world)
    }
}

/// Acts in a run, after which nothing more happens between a look and an act.
const MANY: usize = 1000;
