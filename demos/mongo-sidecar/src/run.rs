//! The loop around the cycles: every few seconds, soon after something was done, and at once when mongod says that its role
//! has changed or the pod is about to end.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    select,
    sync::{Notify, watch},
    time::sleep,
};
use tracing::{debug, info, warn};

use crate::{cycle::Sidecar, kubernetes::Kubernetes, report::Report};

/// Runs cycles until `shutdown` is ready, and says of each what there is to say. `wake` starts the next one early.
pub async fn run<K: Kubernetes>(
    sidecar: &Sidecar<K>,
    interval: Duration,
    wake: Arc<Notify>,
    reports: &watch::Sender<Report>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    for cycles in 1.. {
        let outcome = select! {
            biased;
            () = &mut shutdown => break,
            outcome = sidecar.cycle() => outcome,
        };
        let report = Report::of(sidecar.who(), sidecar.is_dry_run(), cycles, &outcome);
        log(&reports.borrow(), &report);
        let pause = pause(&report, interval);
        reports.send_replace(report);
        select! {
            biased;
            () = &mut shutdown => break,
            // Events come in bursts.
            () = wake.notified() => sleep(AFTER_EVENT).await,
            () = sleep(pause) => {}
        }
    }
    sidecar.leave().await;
}

fn pause(report: &Report, interval: Duration) -> Duration {
    if report.acted {
        return AFTER_ACTION.min(interval);
    }
    if report.brief || report.leaving { SOON.min(interval) } else { interval }
}

/// What has changed since the last cycle.
fn log(before: &Report, report: &Report) {
    let Report { state, message, role, term, .. } = report;
    debug!(state, message, role, term, "cycle");
    if before.errors != report.errors {
        for error in &report.errors {
            warn!(state, "{error}");
        }
    }
    if before.role != report.role {
        info!(role, term, "mongod's role");
    }
    if before.state == report.state || report.acted {
        return;
    }
    if report.needs_somebody {
        warn!(state, "{message}");
    } else {
        info!(state, "{message}");
    }
}

const AFTER_EVENT: Duration = Duration::from_millis(20);
const AFTER_ACTION: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(1);
