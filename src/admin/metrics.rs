//! `/metrics` in OpenMetrics text: the counters of every plane, read when somebody asks.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Inputs;
use crate::proxy::Totals;

/// Everything there is to scrape.
pub(super) fn render(inputs: &Inputs) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { inputs: inputs.clone() }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    inputs: Inputs,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.inputs.proxy.totals();
        proxy(&mut encoder, &totals)?;
        self.sessions(&mut encoder, &totals)?;
        self.endpoints(&mut encoder)?;
        self.config(&mut encoder)
    }
}

fn proxy(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> fmt::Result {
    for (name, help, value) in &totals.counters {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(value, None)?;
    }
    for (name, help, value) in &totals.gauges {
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)?;
    }
    let help = "Time from a request's head to the end of its response";
    let mut family =
        encoder.encode_descriptor("http_server_request_duration_seconds", help, None, MetricType::Histogram)?;
    for ((method, status), histogram) in &totals.requests {
        let labels = [("http_request_method", (*method).to_owned()), ("http_response_status_code", status.to_string())];
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            histogram.sum,
            histogram.count,
            &histogram.buckets,
            None,
        )?;
    }
    Ok(())
}

impl Scrape {
    fn sessions(&self, encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> fmt::Result {
        let help = "What became of the sessions of requests";
        let mut family = encoder.encode_descriptor("moorline_session_decisions", help, None, MetricType::Counter)?;
        for ((backend, outcome), count) in &totals.decisions {
            let labels = [("backend", backend.as_str()), ("outcome", outcome.as_str())];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        let mut family = encoder.encode_descriptor("moorline_sessions", "Live sessions", None, MetricType::Gauge)?;
        for berth in self.inputs.sessions.berths() {
            let labels = [("backend", berth.backend.as_str()), ("endpoint", &*berth.name)];
            family.encode_family(&labels)?.encode_gauge(&berth.sessions())?;
        }
        let held = u64::try_from(self.inputs.held.count()).unwrap_or(u64::MAX);
        gauge(encoder, "moorline_held_requests", "Requests that wait for their endpoint", held)
    }

    fn endpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for the state that an endpoint is in";
        let mut family = encoder.encode_descriptor("moorline_endpoint_state", help, None, MetricType::Gauge)?;
        let Some(snapshot) = self.inputs.reader.current() else { return Ok(()) };
        for backend in snapshot.routes.backends() {
            for endpoint in backend.endpoints() {
                for state in ["ready", "draining", "away"] {
                    let labels = [("backend", backend.id().as_str()), ("endpoint", &*endpoint.name), ("state", state)];
                    let is = u64::from(endpoint.condition.as_str() == state);
                    family.encode_family(&labels)?.encode_gauge(&is)?;
                }
            }
        }
        Ok(())
    }

    fn config(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.inputs.control;
        let read = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
        gauge(encoder, "moorline_config_generation", "The generation that is served", read(&metrics.generation))?;
        let published = read(&metrics.published);
        gauge(encoder, "moorline_config_published_timestamp_seconds", "When it was published", published)?;
        let good = u64::from(!metrics.failing.load(Ordering::Relaxed));
        gauge(encoder, "moorline_config_last_reload_successful", "1 if the last change could be made", good)?;
        let help = "Changes of the configuration, by what became of them";
        let mut family = encoder.encode_descriptor("moorline_config_reloads", help, None, MetricType::Counter)?;
        for (result, count) in [("success", read(&metrics.reloads)), ("failure", read(&metrics.failures))] {
            family.encode_family(&[("result", result)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}
