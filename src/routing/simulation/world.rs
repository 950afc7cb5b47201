//! What is the case, whoever knows of it: pods, keys, the policy, the wall clock.
//!
//! ## What the clocks may do
//! Those of the replicas differ by up to 20 s, and everybody hears of a change within 30 s: together less than the
//! minute that a new key waits. All of them may jump by up to four minutes at once, forwards and backwards, but
//! not while a key is on its way: a jump then would make it sign before everybody knows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::fixture::key;
use super::super::session::{OnLost, OnRestart};
use super::super::{Endpoint, KeyRing, SessionPolicy, Strategy};

/// The wall clock at the beginning, in unix seconds.
const EPOCH: u64 = 1_800_000_000;
/// How long a new key waits before it signs.
const BEFORE_SIGNING: u64 = 60;
/// By how much all clocks together may be off at most, in seconds.
const SHIFT: i64 = 120;
/// The longest lifetime that a policy here may have.
const LONGEST: u64 = 2 * 3600;

#[derive(Debug)]
pub(super) struct World {
    /// True time, in milliseconds.
    pub(super) time: u64,
    /// What the wall clocks of all replicas are off by, in seconds.
    pub(super) shift: i64,
    pub(super) pods: BTreeMap<String, Pod>,
    /// How many pods the StatefulSet shall have.
    pub(super) size: usize,
    /// The shares of the StatefulSet and of the canary, a Deployment.
    pub(super) weights: (u32, u32),
    pub(super) keys: Vec<RingKey>,
    pub(super) policy: SessionPolicy,
    /// One higher with each change.
    pub(super) version: u64,
    lives: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) life: u32,
    pub(super) address: SocketAddr,
    pub(super) phase: Phase,
    /// When the next phase begins.
    until: u64,
    /// Asked to drain.
    pub(super) told: bool,
    /// Until when no connection to it can be made, although nobody says so.
    cut_off: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Up,
    /// Terminates, and serves meanwhile.
    Terminating,
    /// Comes back as another life, if it is still wanted.
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RingKey {
    pub(super) id: u8,
    pub(super) signs_from: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            time: 0,
            shift: 0,
            pods: BTreeMap::new(),
            size: 3,
            weights: (3, 1),
            keys: vec![RingKey { id: 0, signs_from: 0 }],
            policy: SessionPolicy { absolute: Duration::from_secs(3600), ..SessionPolicy::default() },
            version: 0,
            lives: 0,
        };
        for name in ["web-0", "web-1", "web-2", "canary-x"] {
            world.create(name.to_owned());
        }
        world
    }

    /// What the wall clocks show, in unix seconds.
    pub(super) fn unix(&self) -> u64 {
        (EPOCH + self.time / 1000).saturating_add_signed(self.shift)
    }

    pub(super) fn ring(&self) -> KeyRing {
        KeyRing::new(self.keys.iter().map(|it| key(it.id, it.signs_from)).collect()).unwrap()
    }

    /// Would a connection to where the endpoint is believed to be reach it?
    pub(super) fn accepts(&self, endpoint: &Endpoint) -> bool {
        self.pods.get(&*endpoint.name).is_some_and(|pod| {
            pod.phase != Phase::Gone && endpoint.addresses.contains(&pod.address) && pod.cut_off <= self.time
        })
    }

    /// Lets things happen. Returns whether there is something to hear of.
    pub(super) fn happens(&mut self, all_know: bool, rng: &mut fastrand::Rng) -> bool {
        let before = self.version;
        self.proceed(rng);
        let pod = rng.choice(self.pods.keys()).cloned();
        match (rng.u32(..120), pod) {
            (0..=2, Some(pod)) => self.end(&pod, Phase::Terminating, rng),
            (3..=4, Some(pod)) => self.end(&pod, Phase::Gone, rng),
            (5, _) => self.change(|world| world.size = rng.usize(0..6)),
            (6..=7, Some(pod)) => self.change(|world| {
                world.pods.entry(pod).and_modify(|pod| pod.told = !pod.told);
            }),
            (8..=10, Some(pod)) => {
                let until = self.time + rng.u64(0..90_000);
                self.pods.entry(pod).and_modify(|pod| pod.cut_off = until);
            }
            (11, _) => self.change(|world| world.weights = (rng.u32(0..4), rng.u32(0..3))),
            (12, _) => self.change(|world| world.edit_policy(rng)),
            (13, _) if all_know => self.shift = rng.i64(-SHIFT..=SHIFT),
            (14..=15, _) => self.rotate(),
            (16, _) => self.create(format!("canary-{}", rng.u32(..))),
            _ => {}
        }
        self.version > before
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.version += 1;
    }

    fn create(&mut self, name: String) {
        self.lives += 1;
        let life = self.lives;
        let port = 1024 + u16::try_from(life % 60_000).unwrap();
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        let pod = Pod { life, address, phase: Phase::Up, until: u64::MAX, told: false, cut_off: 0 };
        self.pods.insert(name, pod);
        self.version += 1;
    }

    fn end(&mut self, name: &str, phase: Phase, rng: &mut fastrand::Rng) {
        let until = self.time + rng.u64(1000..60_000);
        if self.pods.get(name).is_some_and(|pod| pod.phase == Phase::Up) {
            self.change(|world| {
                world.pods.entry(name.to_owned()).and_modify(|pod| {
                    pod.phase = phase;
                    pod.until = until;
                });
            });
        }
    }

    /// What has been under way goes on: pods that terminate go, those that went come back, and the StatefulSet
    /// gets the size that it shall have.
    fn proceed(&mut self, rng: &mut fastrand::Rng) {
        let due: Vec<_> = self.pods.iter().filter(|(_, pod)| pod.until <= self.time).map(|(n, _)| n.clone()).collect();
        for name in due {
            match self.pods[&name].phase {
                Phase::Gone if self.wanted(&name) => self.create(name),
                Phase::Gone => self.change(|world| world.pods.retain(|pod, _| *pod != name)),
                Phase::Up | Phase::Terminating => {
                    let until = self.time + rng.u64(1000..90_000);
                    self.change(|world| {
                        world.pods.entry(name).and_modify(|pod| {
                            pod.phase = Phase::Gone;
                            pod.until = until;
                        });
                    });
                }
            }
        }
        let surplus: Vec<_> =
            self.pods.keys().filter(|name| name.starts_with("web") && !self.wanted(name)).cloned().collect();
        surplus.iter().for_each(|name| self.end(name, Phase::Terminating, rng));
        let missing = (0..self.size).map(|at| format!("web-{at}")).find(|name| !self.pods.contains_key(name));
        if let Some(name) = missing.filter(|_| rng.bool()) {
            self.create(name);
        }
    }

    /// Is a pod of this name expected back once it is gone?
    pub(super) fn wanted(&self, name: &str) -> bool {
        name.strip_prefix("web-").is_some_and(|ordinal| ordinal.parse::<usize>().unwrap() < self.size)
    }

    fn edit_policy(&mut self, rng: &mut fastrand::Rng) {
        let secs = |range: std::ops::Range<u64>, rng: &mut fastrand::Rng| Duration::from_secs(rng.u64(range));
        self.policy = SessionPolicy {
            strategy: [Strategy::LeastSessions, Strategy::LeastRequests, Strategy::RoundRobin, Strategy::Random]
                [rng.usize(..4)],
            hold: if rng.u32(..4) == 0 { Duration::ZERO } else { secs(1..60, rng) },
            on_lost: [OnLost::Reassign, OnLost::Reassign, OnLost::Temporary, OnLost::Reject][rng.usize(..4)],
            on_restart: [OnRestart::Keep, OnRestart::Keep, OnRestart::Reassign][rng.usize(..3)],
            drain_deadline: secs(0..600, rng),
            absolute: secs(600..LONGEST, rng),
            ..SessionPolicy::default()
        };
    }

    /// Adds a key that will sign, and drops those that no session needs any more: their successor has signed for
    /// longer than the longest lifetime, and clocks that are off do not matter.
    fn rotate(&mut self) {
        let now = self.unix();
        let needed = LONGEST + 2 * SHIFT.unsigned_abs() + 300;
        while let [_, successor, ..] = &self.keys[..]
            && successor.signs_from + needed < now
        {
            self.keys.remove(0);
        }
        let free = (0..32).find(|id| self.keys.iter().all(|key| key.id != *id));
        let pending = self.keys.last().is_some_and(|newest| newest.signs_from > now);
        if let Some(id) = free.filter(|_| !pending) {
            self.change(|world| world.keys.push(RingKey { id, signs_from: now + BEFORE_SIGNING }));
        }
    }
}
