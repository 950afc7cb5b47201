//! What the sidecar tells probes, people and Prometheus, and the kubelet before it stops mongod. Nobody can change anything
//! here: `/prestop` only waits, for what the loop has seen in Kubernetes by itself.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use crate::{metrics::Metrics, report::Report};

/// What the answers are made of.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The last cycle.
    pub reports: watch::Receiver<Report>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Starts a cycle.
    pub wake: Arc<Notify>,
    /// How long `/prestop` waits at most.
    pub leave_time: Duration,
    /// The pause between two cycles.
    pub interval: Duration,
}

/// Serves until `shutdown` is ready.
pub async fn serve(listener: TcpListener, shown: Shown, shutdown: impl Future<Output = ()> + Send) {
    moorline_service::serve::serve(listener, router(shown), shutdown).await;
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/prestop", get(prestop))
        .with_state(shown)
}

/// Alive while cycles end, whatever they find.
async fn healthz(State(shown): State<Shown>) -> Response {
    let age = shown.reports.borrow().at.elapsed();
    if age < shown.interval.saturating_add(STUCK) {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("no cycle has ended for {} s\n", age.as_secs())).into_response()
}

/// Ready while mongod is primary or a readable secondary.
async fn readyz(State(shown): State<Shown>) -> Response {
    let report = shown.reports.borrow();
    match report.role {
        Some(role) => format!("{role}\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, format!("{}: {}\n", report.state, report.message)).into_response(),
    }
}

async fn status(State(shown): State<Shown>) -> Json<Report> {
    Json(shown.reports.borrow().clone())
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let text = shown.metrics.encode(shown.reports.borrow().at);
    ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// For mongod's `preStop` hook: answers when mongod may be stopped, or when that has taken too long. Always 200, since the
/// kubelet goes on in any case.
async fn prestop(State(mut shown): State<Shown>) -> String {
    let asked = Instant::now();
    shown.wake.notify_one();
    let settled = shown.reports.wait_for(|report| report.at > asked && report.may_stop);
    match timeout(shown.leave_time, settled).await {
        Ok(Ok(report)) => format!("{} may stop\n", report.pod),
        Ok(Err(_)) => "the sidecar ends itself\n".to_owned(),
        Err(_) => "it took too long\n".to_owned(),
    }
}

/// Longer than any cycle takes.
const STUCK: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    struct Server {
        address: std::net::SocketAddr,
        reports: watch::Sender<Report>,
        metrics: Arc<Metrics>,
        wake: Arc<Notify>,
    }

    impl Server {
        async fn start(leave_time: Duration) -> Self {
            Self::start_with(leave_time, Duration::from_secs(5)).await
        }

        async fn start_with(leave_time: Duration, interval: Duration) -> Self {
            let (reports, shown) = watch::channel(Report::starting("mongo-0", "it has just begun", Vec::new()));
            let (metrics, wake) = (Arc::new(Metrics::default()), Arc::new(Notify::new()));
            let shown = Shown { reports: shown, metrics: metrics.clone(), wake: wake.clone(), leave_time, interval };
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(serve(listener, shown, std::future::pending()));
            Self { address, reports, metrics, wake }
        }

        /// Status and body.
        async fn get(&self, path: &str) -> (u16, String) {
            let mut stream = TcpStream::connect(self.address).await.expect("to connect");
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
        }

        fn report(&self, change: impl FnOnce(&mut Report)) {
            let mut report = Report::starting("mongo-0", "well", Vec::new());
            change(&mut report);
            self.metrics.count(&report);
            self.reports.send_replace(report);
        }
    }

    #[tokio::test]
    async fn it_is_ready_while_mongod_serves_and_alive_in_any_case() {
        let server = Server::start(Duration::ZERO).await;
        assert_eq!(server.get("/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(server.get("/readyz").await, (503, "Starting: it has just begun\n".to_owned()));
        server.report(|report| report.role = Some("replica"));
        assert_eq!(server.get("/readyz").await, (200, "replica\n".to_owned()));
    }

    /// Whoever wants a cycle every ten minutes must not be restarted after two.
    #[tokio::test]
    async fn it_is_not_alive_when_no_cycle_has_ended_for_longer_than_pause_and_cycle_take() {
        for (interval, age, alive) in [(5, 60, true), (5, 200, false), (600, 660, true), (600, 900, false)] {
            let server = Server::start_with(Duration::ZERO, Duration::from_secs(interval)).await;
            server.report(|report| report.at -= Duration::from_secs(age));
            assert_eq!(server.get("/healthz").await.0 == 200, alive, "{age} s, one every {interval} s");
        }
    }

    #[tokio::test]
    async fn what_was_seen_is_shown_to_people_and_to_prometheus() {
        let server = Server::start(Duration::ZERO).await;
        server.report(|report| {
            report.state = "Add".to_owned();
            report.acted = true;
            report.role = Some("primary");
            report.errors.push("it failed".to_owned());
        });
        let (status, body) = server.get("/status").await;
        let shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &shown["state"], &shown["errors"][0]), (200, &"Add".into(), &"it failed".into()));
        let (_, text) = server.get("/metrics").await;
        for line in [
            "mongo_sidecar_cycles_total 1",
            "mongo_sidecar_failures_total 1",
            "mongo_sidecar_actions_total{state=\"Add\"} 1",
            "mongo_sidecar_state{state=\"Add\"} 1",
            "mongo_sidecar_primary 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
    }

    #[tokio::test]
    async fn prestop_starts_a_cycle_and_answers_when_one_has_ended_that_lets_mongod_stop() {
        let server = Server::start(Duration::from_secs(60)).await;
        // From before it was asked: worth nothing.
        server.report(|report| report.may_stop = true);
        let (answer, ()) = tokio::join!(server.get("/prestop"), async {
            server.wake.notified().await;
            server.report(|report| report.leaving = true);
            server.report(|report| report.may_stop = true);
        });
        assert_eq!(answer, (200, "mongo-0 may stop\n".to_owned()));
    }

    #[tokio::test]
    async fn prestop_does_not_wait_for_ever() {
        let server = Server::start(Duration::from_millis(1)).await;
        assert_eq!(server.get("/prestop").await, (200, "it took too long\n".to_owned()));
    }
}
