//! What the controller shows of itself in `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::objects::Kind;
use crate::clock::unix_seconds;

/// Counters and facts of the controller.
#[derive(Debug, Default)]
pub struct Metrics {
    watch_errors: [AtomicU64; Kind::ALL.len()],
    seen: AtomicU64,
    pub(super) ingresses: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) leader: AtomicBool,
    pub(super) generation: AtomicU64,
    pub(super) published: AtomicU64,
}

impl Metrics {
    pub(super) fn watch_failed(&self, kind: Kind) {
        self.watch_errors[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Something has come from the API server.
    pub(super) fn seen(&self) {
        self.seen.store(unix_seconds(), Ordering::Relaxed);
    }

    pub(super) fn published(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        self.published.store(unix_seconds(), Ordering::Relaxed);
    }
}

/// Shown where the registry wants a thing of its own.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Arc<Metrics>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metrics = &self.0;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("moorline_config_generation", "The generation that is served", read(&metrics.generation)),
            ("moorline_config_published_timestamp_seconds", "When it was published", read(&metrics.published)),
            (
                "moorline_kubernetes_last_seen_timestamp_seconds",
                "When something came from the API server",
                read(&metrics.seen),
            ),
            ("moorline_kubernetes_ingresses", "The Ingresses that are ours", read(&metrics.ingresses)),
            (
                "moorline_kubernetes_ingresses_with_problems",
                "Those of them that are not served as they say",
                read(&metrics.rejected),
            ),
            (
                "moorline_kubernetes_leader",
                "1 on the replica that writes status and Events",
                u64::from(metrics.leader.load(Ordering::Relaxed)),
            ),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, Gauge)?)?;
        }
        let help = "Watches that failed, by kind of object";
        let mut family = encoder.encode_descriptor("moorline_kubernetes_watch_errors", help, None, Counter)?;
        for kind in Kind::ALL {
            let count = read(&metrics.watch_errors[kind as usize]);
            ConstCounter::new(count).encode(family.encode_family(&[("kind", kind.as_str())])?)?;
        }
        Ok(())
    }
}
