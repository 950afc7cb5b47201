//! `moorline-mongo-sidecar`: beside one mongod, in its pod.

mod args;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use moorline_mongo_sidecar::{
    cycle::Sidecar,
    http::{self, Shown},
    kubernetes::{Api, Found, KubernetesError},
    metrics::Metrics,
    mongod::Mongod,
    observed::Identity,
    report::Report,
    run::run,
};
use tokio::{
    net::TcpListener,
    select,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::args::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    moorline_service::logging::start();
    warn_of_the_forgotten();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(signals(stop).context("cannot listen to signals")?);

    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    info!(address = %listener.local_addr().context("the listener has no address")?, "listening");
    let (reports, shown) = watch::channel(Report::starting(&args.pod, "it has just begun", Vec::new()));
    let (metrics, wake) = (Arc::new(Metrics::default()), Arc::new(Notify::new()));
    let shown = Shown {
        reports: shown,
        metrics: metrics.clone(),
        wake: wake.clone(),
        leave_time: args.leave_time,
        interval: args.interval,
    };
    tokio::spawn(count(shown.reports.clone(), metrics));
    let server = tokio::spawn(http::serve(listener, shown, until(stopped.clone())));

    let sidecar = select! {
        sidecar = start(&args, &wake, &reports) => sidecar?,
        () = until(stopped.clone()) => return Ok(()),
    };
    run(&sidecar, args.interval, wake, &reports, until(stopped)).await;
    info!("ended");
    // Whoever waits in /prestop is told; a client that does not finish its request is not waited for.
    drop(reports);
    match timeout(GRACE, server).await {
        Ok(served) => served.context("the server failed"),
        Err(_) => Ok(()),
    }
}

/// Finds the StatefulSet, as soon as Kubernetes answers.
async fn start(args: &Args, wake: &Arc<Notify>, reports: &watch::Sender<Report>) -> anyhow::Result<Sidecar<Api>> {
    let (stateful_set, ordinal) = args.place()?;
    let (api, found) = find(args, &stateful_set, reports).await?;
    let hosts = args.hosts(&stateful_set, &found.service, &found.namespace);
    let uid = args.pod_uid.clone().unwrap_or(found.pod_uid);
    let who = Identity { stateful_set, ordinal, uid, hosts, replica_set: args.replica_set.clone() };
    let settings = args.settings();
    let mongod = Mongod::at(&args.mongod(), &settings.access, Some(wake.clone())).context("mongod")?;
    info!(pod = args.pod, host = who.host(), namespace = found.namespace, dry_run = args.dry_run, "started");
    Ok(Sidecar::new(who, settings, api, mongod))
}

async fn find(args: &Args, stateful_set: &str, reports: &watch::Sender<Report>) -> anyhow::Result<(Api, Found)> {
    loop {
        let error = match Api::find(args.kubernetes(stateful_set)).await {
            Ok(found) => return Ok(found),
            Err(error @ KubernetesError::LabelIsSelector { .. }) => {
                return Err(error).context("choose another --role-label");
            }
            Err(error) => error,
        };
        warn!(%error, "Kubernetes does not say who we are");
        let message = "Kubernetes does not say who we are";
        reports.send_replace(Report::starting(&args.pod, message, vec![error.to_string()]));
        sleep(RETRY).await;
    }
}

async fn count(mut reports: watch::Receiver<Report>, metrics: Arc<Metrics>) {
    while reports.changed().await.is_ok() {
        metrics.count(&reports.borrow_and_update());
    }
}

/// SIGTERM and SIGINT alike: there is nothing to finish.
fn signals(stop: watch::Sender<bool>) -> std::io::Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        stop.closed().await;
    })
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that nobody can say so any more, which is the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What the predecessor looked at, and this one does not.
fn warn_of_the_forgotten() {
    for (variable, why) in [
        ("MONGO_SIDECAR_UNHEALTHY_SECONDS", "members are never removed for their health"),
        ("MONGO_SSL_ALLOW_INVALID_HOSTNAMES", "a certificate has to have the name: see --mongod"),
    ] {
        if std::env::var_os(variable).is_some() {
            warn!(variable, why, "this has no effect");
        }
    }
}

const RETRY: Duration = Duration::from_secs(3);

/// For requests in progress at the end.
const GRACE: Duration = Duration::from_secs(2);
