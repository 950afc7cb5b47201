//! What the sidecar tells probes, people and Prometheus, and the kubelet before it stops mongod. Nobody can change anything
//! here: `/prestop` only waits, for what the loop has seen in Kubernetes by itself.

use std::{future::Future, io, sync::Arc, time::Duration};

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
}

/// Serves until `shutdown` is ready.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    shown: Shown,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(shown)).with_graceful_shutdown(shutdown).await
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
    if age < STUCK {
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

/// Longer than any cycle takes, with the pause after it.
const STUCK: Duration = Duration::from_secs(180);
