//! What the admin plane itself adds to a scrape: the state of the endpoints, and how many sessions each has.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Gauge;

use crate::sessions::Sessions;
use crate::snapshot::Reader;

/// Reads the snapshot and the index when somebody asks.
#[derive(Debug)]
pub struct Endpoints {
    /// The state that is served.
    pub reader: Reader,
    /// The live sessions.
    pub sessions: Arc<Sessions>,
}

impl Collector for Endpoints {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor("moorline_sessions", "Live sessions", None, Gauge)?;
        for berth in self.sessions.berths() {
            let labels = [("backend", berth.backend.as_str()), ("endpoint", &*berth.name)];
            family.encode_family(&labels)?.encode_gauge(&berth.sessions())?;
        }
        let help = "1 for the state that an endpoint is in";
        let mut family = encoder.encode_descriptor("moorline_endpoint_state", help, None, Gauge)?;
        let Some(snapshot) = self.reader.current() else { return Ok(()) };
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
}
