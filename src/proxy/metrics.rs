//! Counters of the proxy. Each worker has its own, so that counting is a plain store; a scrape adds them up.
//!
//! Labels come from closed sets and from the configuration. Never a path, a host or a session.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::routing::{BackendId, Outcome};

/// The counters of all workers.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Vec<Arc<WorkerMetrics>>>);

/// A number that one thread writes and any may read: no lock, not even in the instruction.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

/// The counters of one worker.
#[derive(Debug, Default)]
pub(super) struct WorkerMetrics {
    /// Requests under way.
    pub(super) active: Counter,
    /// Connections of clients that are open.
    pub(super) connections: Counter,
    pub(super) connections_total: Counter,
    /// Connections of clients that were refused since too many are open.
    pub(super) connections_refused: Counter,
    pub(super) dials: Counter,
    pub(super) dial_failures: Counter,
    pub(super) reused: Counter,
    pub(super) retries: Counter,
    /// Responses that ended before they were complete.
    pub(super) truncated: Counter,
    pub(super) log_lines_dropped: Counter,
    requests: Mutex<HashMap<(&'static str, u16), Arc<Durations>, foldhash::fast::RandomState>>,
    backends: Mutex<HashMap<BackendId, Arc<BackendCounters>>>,
}

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

/// A histogram, added up over the workers.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// `(upper bound in seconds, requests up to this bound and above the one before)`; the last is +Inf.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all, in seconds.
    pub sum: f64,
    /// How many there are.
    pub count: u64,
}

/// All counters, added up.
#[derive(Debug, Default)]
pub struct Totals {
    /// By name, with the help text: counters.
    pub counters: Vec<(&'static str, &'static str, u64)>,
    /// By name, with the help text: gauges.
    pub gauges: Vec<(&'static str, &'static str, u64)>,
    /// Decisions by backend and outcome.
    pub decisions: BTreeMap<(BackendId, Outcome), u64>,
    /// Durations by method and status.
    pub requests: BTreeMap<(&'static str, u16), Histogram>,
}

impl Metrics {
    pub(super) fn worker(&self) -> Arc<WorkerMetrics> {
        let metrics = Arc::new(WorkerMetrics::default());
        lock(&self.0).push(Arc::clone(&metrics));
        metrics
    }

    /// Adds up the workers' counters.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let workers = lock(&self.0);
        let sum = |counter: fn(&WorkerMetrics) -> &Counter| {
            workers.iter().map(|worker| counter(worker).get()).fold(0, u64::wrapping_add)
        };
        let mut totals = Totals {
            counters: vec![
                ("moorline_client_connections", "Connections accepted from clients", sum(|w| &w.connections_total)),
                (
                    "moorline_client_connections_refused",
                    "Connections answered with 503 because too many were open",
                    sum(|w| &w.connections_refused),
                ),
                ("moorline_upstream_connects", "Connections begun to endpoints", sum(|w| &w.dials)),
                (
                    "moorline_upstream_connect_failures",
                    "Connections to endpoints that could not be made",
                    sum(|w| &w.dial_failures),
                ),
                ("moorline_upstream_reuses", "Requests sent over a kept connection", sum(|w| &w.reused)),
                ("moorline_upstream_retries", "Requests sent once more after a connection broke", sum(|w| &w.retries)),
                (
                    "moorline_upstream_truncated_responses",
                    "Responses that ended before they were complete",
                    sum(|w| &w.truncated),
                ),
                (
                    "moorline_access_log_dropped_lines",
                    "Lines that could not be written in time",
                    sum(|w| &w.log_lines_dropped),
                ),
            ],
            gauges: vec![
                ("http_server_active_requests", "Requests under way", sum(|w| &w.active)),
                ("moorline_client_connections_open", "Connections of clients that are open", sum(|w| &w.connections)),
            ],
            ..Totals::default()
        };
        for worker in workers.iter() {
            for (backend, counters) in lock(&worker.backends).iter() {
                for outcome in Outcome::ALL {
                    *totals.decisions.entry((backend.clone(), outcome)).or_default() +=
                        counters.0[outcome as usize].get();
                }
            }
            for (labels, durations) in lock(&worker.requests).iter() {
                totals.requests.entry(*labels).or_default().add(durations);
            }
        }
        totals
    }
}

impl Histogram {
    fn add(&mut self, durations: &Durations) {
        if self.buckets.is_empty() {
            let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
            self.buckets = bounds.map(|bound| (bound, 0)).collect();
        }
        for (bucket, counter) in self.buckets.iter_mut().zip(&durations.buckets) {
            bucket.1 += counter.get();
            self.count += counter.get();
        }
        self.sum += durations.sum_micros.get() as f64 / 1e6;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up_and_made_up_methods_share_a_label() {
        let metrics = Metrics::default();
        let (a, b) = (metrics.worker(), metrics.worker());
        let made_up = Method::from_bytes(b"BREW").unwrap();
        a.request(&Method::GET, StatusCode::OK, Duration::from_millis(7));
        b.request(&Method::GET, StatusCode::OK, Duration::from_secs(60));
        b.request(&made_up, StatusCode::OK, Duration::ZERO);
        let totals = metrics.totals();
        let get = &totals.requests[&("GET", 200)];
        assert_eq!((get.count, get.buckets[1].1, get.buckets[14].1), (2, 1, 1));
        assert!((get.sum - 60.007).abs() < 1e-9);
        assert_eq!(totals.requests[&("_OTHER", 200)].count, 1);
    }

    #[test]
    fn outcomes_index_their_counters_in_the_order_of_all() {
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
    }
}
