//! One Moorline: what it has heard of the world, its clocks, and whom it could not connect to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::fixture::{Load, sticky};
use super::super::{Backend, BackendId, Condition, Endpoint, Incarnation, KeyRing, Millis, Now, Return, Rule};
use super::world::{Phase, Pod, World};

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) rule: Rule,
    pub(super) keys: KeyRing,
    pub(super) load: Load,
    /// Which version of the world it knows.
    pub(super) version: u64,
    newest_key: u64,
    /// When its steady clock began, in true milliseconds.
    started: u64,
    /// What its wall clock is off by, in seconds.
    skew: i64,
    /// When it hears of the changes since then.
    hears_at: Option<u64>,
    /// Since when pods are away or told to drain, by its own clock.
    since: BTreeMap<(String, &'static str), Millis>,
}

impl Replica {
    pub(super) fn start(world: &World, rng: &mut fastrand::Rng) -> Self {
        let mut replica = Self {
            rule: sticky(Vec::new(), world.policy.clone()),
            keys: world.ring(),
            load: Load::default(),
            version: 0,
            newest_key: 0,
            started: world.time,
            skew: rng.i64(-10..=10),
            hears_at: Some(0),
            since: BTreeMap::new(),
        };
        replica.hears(world);
        replica
    }

    pub(super) fn now(&self, world: &World) -> Now {
        Now { unix: world.unix().saturating_add_signed(self.skew), mono: Millis(world.time - self.started) }
    }

    pub(super) fn knows_all_keys(&self, world: &World) -> bool {
        world.keys.iter().all(|key| key.signs_from <= self.newest_key)
    }

    /// Word of a change is on its way.
    pub(super) fn will_hear(&mut self, world: &World, rng: &mut fastrand::Rng) {
        self.hears_at.get_or_insert(world.time + rng.u64(0..30_000));
    }

    /// Takes in what has arrived, and notices who can be reached again.
    pub(super) fn hears(&mut self, world: &World) {
        if self.hears_at.take_if(|at| *at <= world.time).is_some() {
            self.version = world.version;
            self.newest_key = world.keys.iter().map(|key| key.signs_from).max().unwrap_or_default();
            self.keys = world.ring();
            let now = self.now(world).mono;
            let (web, canary) = (self.backend("web", world, now), self.backend("canary", world, now));
            self.rule = sticky(vec![(world.weights.0, web), (world.weights.1, canary)], world.policy.clone());
        }
        let backends = self.rule.backends.iter().flat_map(|weighted| weighted.backend.endpoints());
        let reached: Vec<_> = backends.filter(|endpoint| world.accepts(endpoint)).collect();
        self.load.unreachable.retain(|name, _| reached.iter().all(|endpoint| *endpoint.name != **name));
    }

    /// The endpoint of this name, with the share of its backend and the backend.
    pub(super) fn endpoint(&self, name: &str) -> Option<(&Backend, &Endpoint)> {
        self.endpoints().find(|(_, _, endpoint)| *endpoint.name == *name).map(|(_, backend, e)| (backend, e))
    }

    /// All that it knows, with the shares of their backends.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (u32, &Backend, &Endpoint)> {
        let backends = self.rule.backends.iter().map(|weighted| (weighted.weight, &*weighted.backend));
        backends.flat_map(|(weight, backend)| backend.endpoints().iter().map(move |e| (weight, backend, e)))
    }

    fn backend(&mut self, name: &str, world: &World, now: Millis) -> Arc<Backend> {
        let id = BackendId::new(name);
        let pods = world.pods.iter().filter(|(pod, _)| pod.starts_with(name));
        let endpoints = pods.filter_map(|(name, pod)| self.observed(&id, name, pod, world, now)).collect();
        Arc::new(Backend::new(id, endpoints, &self.keys).unwrap())
    }

    /// A pod, as the control plane would show it to routing.
    fn observed(&mut self, backend: &BackendId, name: &str, pod: &Pod, world: &World, now: Millis) -> Option<Endpoint> {
        let mut endpoint = Endpoint::new(backend, name, [pod.address]);
        endpoint.incarnation = Incarnation::new(pod.life.to_string());
        endpoint.returns = if world.wanted(name) { Return::Expected } else { Return::Never };
        let told = self.began(name, "told", pod.told, now);
        let away = self.began(name, "away", pod.phase == Phase::Gone, now);
        endpoint.condition = match (pod.phase, away) {
            (Phase::Gone, _) if endpoint.returns == Return::Never => return None,
            (_, Some(since)) => Condition::Away { since },
            (Phase::Up, None) if told.is_none() => Condition::Ready,
            (_, None) => Condition::Draining { told },
        };
        Some(endpoint)
    }

    /// Since when this is so, by what it has heard.
    fn began(&mut self, name: &str, what: &'static str, is_so: bool, now: Millis) -> Option<Millis> {
        let key = (name.to_owned(), what);
        if is_so {
            return Some(*self.since.entry(key).or_insert(now));
        }
        self.since.remove(&key);
        None
    }
}
