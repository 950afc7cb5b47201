//! What became of the configuration, for whoever is on call.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType::{Counter, Gauge};

use crate::snapshot::Certificate;

/// What became of the configuration.
#[derive(Debug, Default)]
pub struct Metrics {
    /// The generation that is in force.
    pub generation: AtomicU64,
    /// When it was published, in unix seconds.
    pub published: AtomicU64,
    /// Was the last attempt to change it a failure?
    pub failing: AtomicBool,
    /// Attempts that changed it.
    pub reloads: AtomicU64,
    /// Attempts that failed.
    pub failures: AtomicU64,
    /// Times that certificates were put in force.
    pub certificate_reloads: AtomicU64,
    /// Certificates that could not be.
    pub certificate_failures: AtomicU64,
    /// What each certificate is called, and when it expires.
    expiries: Mutex<Vec<(Arc<str>, i64)>>,
}

impl Metrics {
    /// These certificates are in force from now on.
    pub(super) fn certified(&self, certificates: &[&Arc<Certificate>]) {
        let expiries = certificates.iter().map(|certificate| (Arc::clone(&certificate.name), certificate.not_after));
        *self.expiries.lock().unwrap_or_else(PoisonError::into_inner) = expiries.collect();
    }

    fn certificates(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "When a certificate expires";
        let name = "moorline_tls_certificate_not_after_timestamp_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, Gauge)?;
        for (name, at) in &*expiries {
            family.encode_family(&[("name", &**name)])?.encode_gauge(at)?;
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let good = u64::from(!self.failing.load(Ordering::Relaxed));
        for (name, help, value) in [
            ("moorline_config_generation", "The generation that is served", read(&self.generation)),
            ("moorline_config_published_timestamp_seconds", "When it was published", read(&self.published)),
            ("moorline_config_last_reload_successful", "1 if the last change could be made", good),
        ] {
            encoder.encode_descriptor(name, help, None, Gauge)?.encode_gauge(&value)?;
        }
        let help = "Changes of the configuration, by what became of them";
        let mut family = encoder.encode_descriptor("moorline_config_reloads", help, None, Counter)?;
        for (result, count) in [("success", read(&self.reloads)), ("failure", read(&self.failures))] {
            family.encode_family(&[("result", result)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let help = "Times that certificates were put in force, and certificates that could not be";
        let mut family = encoder.encode_descriptor("moorline_tls_certificate_reloads", help, None, Counter)?;
        let counts = [("success", &self.certificate_reloads), ("failure", &self.certificate_failures)];
        for (result, count) in counts {
            family.encode_family(&[("result", result)])?.encode_counter::<NoLabelSet, _, u64>(&read(count), None)?;
        }
        self.certificates(&mut encoder)
    }
}
