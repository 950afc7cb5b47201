//! The loop around the cycles: every few seconds, soon after something was done, and at once when mongod says that its role
//! has changed or the pod is about to end.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
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
        let began = SystemTime::now();
        let outcome = select! {
            biased;
            () = &mut shutdown => break,
            outcome = sidecar.cycle() => outcome,
        };
        let report = Report::of(sidecar.who(), sidecar.is_dry_run(), began, cycles, &outcome);
        log(&reports.borrow(), &report);
        let pause = pause(&report, interval);
        let ended = report.at;
        reports.send_replace(report);
        select! {
            biased;
            () = &mut shutdown => break,
            () = wake.notified() => sleep_until(early(Instant::now(), ended, pause)).await,
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

/// When the next cycle begins that somebody has woken us for. Events come in bursts; and whoever asks for `/prestop` again and
/// again must not make us ask Kubernetes as often.
fn early(now: Instant, ended: Instant, pause: Duration) -> Instant {
    (now + AFTER_EVENT).max(ended + SPACING.min(pause))
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

/// At least, from the end of a cycle to the next one.
const SPACING: Duration = Duration::from_millis(250);

const AFTER_ACTION: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wakes_us_gets_a_cycle_at_once_but_not_one_after_the_other() {
        let (ended, pause) = (Instant::now(), Duration::from_secs(5));
        let after = |woken: u64, pause| early(ended + Duration::from_millis(woken), ended, pause) - ended;
        assert_eq!(after(4000, pause), Duration::from_millis(4020));
        assert_eq!(after(0, pause), SPACING);
        // Never later than without.
        assert_eq!(after(0, AFTER_ACTION), AFTER_ACTION);
    }
}
