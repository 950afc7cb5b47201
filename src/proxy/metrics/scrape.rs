//! What a scrape sees of the proxy: the workers' counters, added up.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType::{Counter as Total, Gauge, Histogram};

use super::{BOUNDS, Counter, Durations, Kind, Metrics, Tally, WorkerMetrics, lock};
use crate::routing::{BackendId, Outcome};

/// Name, help text and place of a counter.
type Field = (&'static str, &'static str, fn(&WorkerMetrics) -> &Counter);

const COUNTERS: &[Field] = &[
    ("moorline_client_connections", "Connections accepted from clients", |w| &w.connections_total),
    ("moorline_client_connections_refused", "Connections turned away because too many were open", |w| {
        &w.connections_refused
    }),
    ("moorline_client_connections_reset", "Connections turned away without an answer", |w| &w.connections_reset),
    ("moorline_client_accept_failures", "Times that there was no descriptor for a connection", |w| &w.accept_failures),
    ("moorline_client_requests_refused", "Requests answered with 503 because too many were under way", |w| {
        &w.requests_refused
    }),
    ("moorline_client_heads_refused", "HTTP/2 requests refused because of the large heads on their connection", |w| {
        &w.heads_refused
    }),
    ("moorline_proxy_protocol_untrusted", "Connections closed because no PROXY header is taken from them", |w| {
        &w.announcements_untrusted
    }),
    ("moorline_proxy_protocol_broken", "Connections closed because they had no sound PROXY header", |w| {
        &w.announcements_broken
    }),
    ("moorline_tls_handshakes", "TLS handshakes with clients that succeeded", |w| &w.tls_handshakes),
    ("moorline_tls_handshake_failures", "TLS handshakes with clients that failed", |w| &w.tls_handshake_failures),
    ("moorline_upstream_connects", "Connections begun to endpoints", |w| &w.dials),
    ("moorline_upstream_connect_failures", "Connections to endpoints that could not be made", |w| &w.dial_failures),
    ("moorline_upstream_tls_failures", "Connections to endpoints that failed over TLS, or by the protocol", |w| {
        &w.upstream_tls_failures
    }),
    ("moorline_upstream_reuses", "Requests sent over a kept connection", |w| &w.reused),
    ("moorline_upstream_retries", "Requests sent once more after a connection broke", |w| &w.retries),
    ("moorline_turns", "Turns that large bodies and tunnels were given, after whatever else had come", |w| &w.turns),
    ("moorline_upstream_truncated_responses", "Responses that ended before they were complete", |w| &w.truncated),
    ("moorline_access_log_dropped_lines", "Lines that could not be written in time", |w| &w.log_lines_dropped),
];

const GAUGES: &[Field] = &[
    ("http_server_active_requests", "Requests under way", |w| &w.active),
    ("moorline_tunnels_open", "Requests that have become tunnels of another protocol", |w| &w.tunnels),
    ("moorline_client_connections_open", "Connections of clients that are open", |w| &w.connections),
];

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, place) in COUNTERS.iter().copied() {
            let sum = self.sum(place);
            encoder.encode_descriptor(name, help, None, Total)?.encode_counter::<NoLabelSet, _, u64>(&sum, None)?;
        }
        for (name, help, place) in GAUGES.iter().copied() {
            encoder.encode_descriptor(name, help, None, Gauge)?.encode_gauge(&self.sum(place))?;
        }
        let held = u64::try_from(self.held.count()).unwrap_or(u64::MAX);
        let help = "Requests that wait for their endpoint";
        encoder.encode_descriptor("moorline_held_requests", help, None, Gauge)?.encode_gauge(&held)?;
        let help = "1 while no connection to an endpoint can be made";
        let mut family = encoder.encode_descriptor("moorline_endpoint_unreachable", help, None, Gauge)?;
        for (berth, reachable) in self.endpoints.reachable() {
            let labels = [("backend", berth.backend.as_str()), ("endpoint", &*berth.name)];
            family.encode_family(&labels)?.encode_gauge(&u64::from(!reachable))?;
        }
        let refusals = ("moorline_refusals", "rule", "What was refused on the bytes, by the rule that it broke");
        self.tally(&mut encoder, refusals, |worker| &worker.refusals)?;
        let floods = ("moorline_http2_floods", "flood", "Connections ended for frames of no use, by what was too much");
        self.tally(&mut encoder, floods, |worker| &worker.floods)?;
        let help = "Connections to endpoints ended for frames of no use, by what was too much";
        self.tally(&mut encoder, ("moorline_upstream_http2_floods", "flood", help), |worker| &worker.upstream_floods)?;
        self.decisions(&mut encoder)?;
        self.durations(&mut encoder)
    }
}

impl Metrics {
    /// Wraps as the counters do: a gauge may be below zero on the one and above on another worker.
    fn sum(&self, place: fn(&WorkerMetrics) -> &Counter) -> u64 {
        lock(&self.workers).iter().map(|worker| place(worker).get()).fold(0, u64::wrapping_add)
    }

    /// Kinds of which nothing has been counted yet are left out.
    fn tally<K: Kind>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, label, help): (&str, &str, &str),
        place: fn(&WorkerMetrics) -> &Tally<K>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, Total)?;
        for kind in K::ALL {
            let sum: u64 = lock(&self.workers).iter().map(|worker| place(worker).get(*kind)).sum();
            if sum > 0 {
                let labels = [(label, kind.name())];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&sum, None)?;
            }
        }
        Ok(())
    }

    fn decisions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut sums = BTreeMap::<(BackendId, Outcome), u64>::new();
        for worker in lock(&self.workers).iter() {
            for (backend, counters) in lock(&worker.backends).iter() {
                for outcome in Outcome::ALL {
                    *sums.entry((backend.clone(), outcome)).or_default() += counters.0[outcome as usize].get();
                }
            }
        }
        let help = "What became of the sessions of requests";
        let mut family = encoder.encode_descriptor("moorline_session_decisions", help, None, Total)?;
        for ((backend, outcome), count) in &sums {
            let labels = [("backend", backend.as_str()), ("outcome", outcome.as_str())];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut sums = BTreeMap::<(&'static str, u16), Sum>::new();
        for worker in lock(&self.workers).iter() {
            for (labels, durations) in lock(&worker.requests).iter() {
                sums.entry(*labels).or_default().add(durations);
            }
        }
        let help = "Time from a request's head to the end of its response";
        let mut family = encoder.encode_descriptor("http_server_request_duration_seconds", help, None, Histogram)?;
        for ((method, status), sum) in &sums {
            let labels = [("http_request_method", *method), ("http_response_status_code", &*status.to_string())];
            let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(sum.buckets).collect();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                sum.micros as f64 / 1e6,
                sum.buckets.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

/// A histogram, added up.
#[derive(Debug, Default)]
struct Sum {
    buckets: [u64; BOUNDS.len() + 1],
    micros: u64,
}

impl Sum {
    fn add(&mut self, durations: &Durations) {
        for (sum, counter) in self.buckets.iter_mut().zip(&durations.buckets) {
            *sum += counter.get();
        }
        self.micros += durations.sum_micros.get();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::{Method, StatusCode};
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn workers_are_added_up_and_made_up_methods_share_a_label() {
        let metrics = Arc::new(Metrics::default());
        let (a, b) = (metrics.worker(), metrics.worker());
        let made_up = Method::from_bytes(b"BREW").unwrap();
        a.request(&Method::GET, StatusCode::OK, Duration::from_millis(7));
        b.request(&Method::GET, StatusCode::OK, Duration::from_secs(60));
        b.request(&made_up, StatusCode::OK, Duration::ZERO);
        a.active.inc();
        b.active.dec();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let labels = "http_request_method=\"GET\",http_response_status_code=\"200\"";
        for line in [
            "http_server_active_requests 0".to_owned(),
            format!("http_server_request_duration_seconds_sum{{{labels}}} 60.007"),
            format!("http_server_request_duration_seconds_bucket{{le=\"0.01\",{labels}}} 1"),
            format!("http_server_request_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 2"),
            "http_server_request_duration_seconds_count{http_request_method=\"_OTHER\",http_response_status_code=\"200\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
