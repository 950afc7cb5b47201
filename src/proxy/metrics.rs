//! Counters of the proxy. Each worker has its own, so that counting is a plain store; a scrape adds them up.
//!
//! Labels come from closed sets and from the configuration. Never a path, a host or a session.

mod scrape;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

use super::frames::Flood;
use super::guard::Rule;
use super::held::Held;
use super::upstream::Registry;
use crate::routing::{BackendId, Outcome};

/// The counters of all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Mutex<Vec<Arc<WorkerMetrics>>>,
    pub(super) held: Arc<Held>,
    pub(super) endpoints: Arc<Registry>,
}

/// A number that one thread writes and any may read: no lock, not even in the instruction.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

/// The counters of one worker.
#[derive(Debug, Default)]
pub(super) struct WorkerMetrics {
    /// Requests under way.
    pub(super) active: Counter,
    /// Connections on which another protocol is spoken.
    pub(super) tunnels: Counter,
    /// Connections of clients that are open.
    pub(super) connections: Counter,
    pub(super) connections_total: Counter,
    /// Connections of clients that were one too many.
    pub(super) connections_refused: Counter,
    /// Those of them that got no answer.
    pub(super) connections_reset: Counter,
    /// How often the system had no descriptor for a client.
    pub(super) accept_failures: Counter,
    /// Requests that were one too many.
    pub(super) requests_refused: Counter,
    /// Requests that were refused because of what was under way of large heads on their connection.
    pub(super) heads_refused: Counter,
    /// What clients have sent and nobody has seen, by the rule that it breaks.
    pub(super) refusals: Tally<Rule>,
    /// HTTP/2 connections that were ended for their frames, by what there was too much of.
    pub(super) floods: Tally<Flood>,
    /// The same of connections to endpoints.
    pub(super) upstream_floods: Tally<Flood>,
    /// Connections from whom is not believed who they announce.
    pub(super) announcements_untrusted: Counter,
    /// Connections that did not begin with a sound PROXY header.
    pub(super) announcements_broken: Counter,
    pub(super) tls_handshakes: Counter,
    pub(super) tls_handshake_failures: Counter,
    pub(super) dials: Counter,
    pub(super) dial_failures: Counter,
    /// Dials that failed since the endpoint was not what it should be.
    pub(super) upstream_tls_failures: Counter,
    pub(super) reused: Counter,
    pub(super) retries: Counter,
    /// Responses that ended before they were complete.
    pub(super) truncated: Counter,
    /// Turns that were given to what had moved much.
    pub(super) turns: Counter,
    pub(super) log_lines_dropped: Counter,
    requests: Mutex<HashMap<(&'static str, u16), Arc<Durations>, foldhash::fast::RandomState>>,
    backends: Mutex<HashMap<BackendId, Arc<BackendCounters>>>,
}

/// One of a closed set of things that are counted by name.
pub(super) trait Kind: Copy + 'static {
    /// All of them, in the order of their index.
    const ALL: &[Self];
    fn index(self) -> usize;
    /// The label.
    fn name(self) -> &'static str;
}

/// One counter for each kind.
#[derive(Debug)]
pub(super) struct Tally<K>(Box<[Counter]>, PhantomData<K>);

/// What was decided for the sessions of a backend.
#[derive(Debug, Default)]
pub(super) struct BackendCounters([Counter; Outcome::ALL.len()]);

/// A histogram.
#[derive(Debug, Default)]
struct Durations {
    buckets: [Counter; BOUNDS.len() + 1],
    sum_micros: Counter,
}

/// The bounds that OpenTelemetry recommends for `http.server.request.duration`, in microseconds.
const BOUNDS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];

impl Counter {
    pub(super) fn inc(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, amount: u64) {
        self.0.store(self.get().wrapping_add(amount), Ordering::Relaxed);
    }

    pub(super) fn dec(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<K: Kind> Tally<K> {
    pub(super) fn count(&self, kind: K) {
        self.0[kind.index()].inc();
    }

    fn get(&self, kind: K) -> u64 {
        self.0[kind.index()].get()
    }
}

impl<K: Kind> Default for Tally<K> {
    fn default() -> Self {
        Self(K::ALL.iter().map(|_| Counter::default()).collect(), PhantomData)
    }
}

impl Kind for Rule {
    const ALL: &[Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Kind for Flood {
    const ALL: &[Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        self.name()
    }
}

impl BackendCounters {
    pub(super) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].inc();
    }
}

impl WorkerMetrics {
    /// The counters of a backend. Ask once and keep them: this takes a lock.
    pub(super) fn backend(&self, id: &BackendId) -> Arc<BackendCounters> {
        Arc::clone(lock(&self.backends).entry(id.clone()).or_default())
    }

    /// A request has ended.
    pub(super) fn request(&self, method: &Method, status: StatusCode, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // Nobody else but a scrape wants this lock.
        let mut requests = lock(&self.requests);
        let durations = requests.entry((method_label(method), status.as_u16())).or_default();
        durations.buckets[BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len())].inc();
        durations.sum_micros.add(micros);
    }
}

/// The methods that have a name in OpenTelemetry; every other one is `_OTHER`, so that nobody can make up labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

impl Metrics {
    pub(super) fn worker(&self) -> Arc<WorkerMetrics> {
        let metrics = Arc::new(WorkerMetrics::default());
        lock(&self.workers).push(Arc::clone(&metrics));
        metrics
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_counted_by_name_indexes_its_counters_in_the_order_of_all() {
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
        let in_order = |indices: Vec<usize>| assert!(indices.iter().enumerate().all(|(at, index)| *index == at));
        in_order(Rule::ALL.iter().map(|rule| rule.index()).collect());
        in_order(Flood::ALL.iter().map(|flood| flood.index()).collect());
    }
}
