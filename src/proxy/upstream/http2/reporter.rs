//! Who is told what an endpoint sends too much of.

use std::sync::Arc;

use super::super::super::frames::{Flood, Warden};
use super::super::super::metrics::WorkerMetrics;
use super::super::super::worker::Worker;
use super::super::{Shared, Upstream};
use crate::clock::Clock;
use crate::routing::{EndpointId, Millis};

/// Counts floods of one endpoint, and says so in the log. It holds nothing that holds the connection.
#[derive(Debug)]
pub(in super::super) struct Reporter {
    clock: Clock,
    metrics: Arc<WorkerMetrics>,
    endpoint: EndpointId,
    shared: Arc<Shared>,
}

impl Reporter {
    pub(in super::super) fn new(worker: &Worker, upstream: &Upstream) -> Self {
        Self {
            clock: worker.clock,
            metrics: Arc::clone(&worker.metrics),
            endpoint: upstream.id.clone(),
            shared: Arc::clone(&upstream.shared),
        }
    }
}

impl Warden for Reporter {
    fn now(&self) -> Millis {
        self.clock.millis()
    }

    fn flooded(&self, flood: Flood) {
        self.metrics.upstream_floods.count(flood);
        if self.shared.floods.is_due(self.now()) {
            let flood = flood.name();
            tracing::warn!(endpoint = %self.endpoint, flood, "endpoint sends too many frames of no use: its connection is ended");
        }
    }
}
