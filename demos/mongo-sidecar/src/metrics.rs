//! Counters and gauges of the sidecar, for Prometheus. Labels are words of its own, never hosts.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use crate::report::Report;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct State {
    state: String,
}

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    cycles: Counter,
    failures: Counter,
    actions: Family<State, Counter>,
    state: Family<State, Gauge>,
    primary: Gauge,
    serves: Gauge,
    needs_somebody: Gauge,
    voting: Gauge,
    age: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("mongo_sidecar"),
            cycles: Counter::default(),
            failures: Counter::default(),
            actions: Family::default(),
            state: Family::default(),
            primary: Gauge::default(),
            serves: Gauge::default(),
            needs_somebody: Gauge::default(),
            voting: Gauge::default(),
            age: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("cycles", "Cycles that ended", self.cycles.clone());
        registry.register("failures", "Things that failed in cycles", self.failures.clone());
        registry.register("actions", "Changes that were made", self.actions.clone());
        registry.register("state", "1 for what the last cycle decided", self.state.clone());
        registry.register("primary", "1 if mongod takes writes", self.primary.clone());
        registry.register("serves", "1 if mongod can be read from", self.serves.clone());
        registry.register("needs_somebody", "1 if the state does not end by itself", self.needs_somebody.clone());
        registry.register("voting_members", "Members that vote", self.voting.clone());
        registry.register_with_unit("last_cycle", "Since the last cycle ended", Unit::Seconds, self.age.clone());
    }

    /// Counts a cycle.
    pub fn count(&self, report: &Report) {
        let state = State { state: report.state.clone() };
        self.cycles.inc();
        self.failures.inc_by(report.errors.len() as u64);
        if report.acted {
            self.actions.get_or_create(&state).inc();
        }
        self.state.clear();
        self.state.get_or_create(&state).set(1);
        self.primary.set(i64::from(report.role == Some("primary")));
        self.serves.set(i64::from(report.serves()));
        self.needs_somebody.set(i64::from(report.needs_somebody));
        self.voting.set(report.voting_members.and_then(|count| i64::try_from(count).ok()).unwrap_or(0));
    }

    /// As text.
    pub fn encode(&self, last_cycle: Instant) -> String {
        self.age.set(i64::try_from(last_cycle.elapsed().as_secs()).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
