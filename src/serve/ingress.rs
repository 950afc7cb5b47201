//! `moorline ingress`: the same planes, with a cluster as the source of what is served.

use std::io;
use std::pin::pin;

use tokio::sync::oneshot;

use super::{Haste, ServeError, Signals, end, leave};
use crate::app;
use crate::config::args::IngressArgs;
use crate::config::{Config, kubernetes};
use crate::control::kubernetes::objects::Name;
use crate::control::kubernetes::translate::Settings;
use crate::control::kubernetes::watch::SILENCE;
use crate::control::kubernetes::{Controller, Options};
use crate::descriptors;

/// Serves a cluster, until SIGTERM or SIGINT.
///
/// # Errors
/// If it cannot begin. A cluster that is not there is waited for, not ready meanwhile.
pub async fn ingress(args: &IngressArgs) -> Result<(), ServeError> {
    if let Err(error) = descriptors::raise() {
        tracing::debug!(%error, "the limit on descriptors cannot be raised");
    }
    let mut signals = Signals::new()?;
    let controller = Controller::connect(options(args)).await?;
    let (mut bound, publisher) = app::open(Config::from(args))?;
    bound.show(controller.metrics());
    let clock = bound.clock();
    for address in bound.addresses() {
        tracing::info!(%address, "listening");
    }
    let running = bound.serve(Box::new(io::stdout()))?;
    // To the end: who waits for a pod learns from the cluster that it is back. Only the Lease goes earlier.
    let (ended, end_of_all) = oneshot::channel::<()>();
    let mut control = pin!(controller.run(publisher, clock, async move { drop(end_of_all.await) }));
    let haste = tokio::select! {
        failed = &mut control => return failed.map_err(ServeError::from),
        () = running.sweep() => Haste::Orderly,
        haste = leave(&running, &mut signals, args.shutdown_grace_period) => haste,
    };
    tokio::select! {
        failed = &mut control => return failed.map_err(ServeError::from),
        () = end(running, &mut signals, haste) => {}
    }
    drop(ended);
    control.await.map_err(ServeError::from)
}

fn options(args: &IngressArgs) -> Options {
    let name = |name: &(String, String)| Name::new(&name.0, &name.1);
    let pod = args.pod_name.clone().unwrap_or_else(|| format!("process-{}", std::process::id()));
    Options {
        kubeconfig: args.connection.kubeconfig.clone(),
        namespace: args.connection.pod_namespace.clone(),
        identity: format!("{pod}_{:016x}", fastrand::u64(..)),
        namespaces: args.class.watch_namespace.clone(),
        namespace_selector: args.class.watch_namespace_selector.clone(),
        settings: Settings {
            default_backend: args.default_backend_service.as_ref().map(name),
            legacy_until: args.legacy_cookies_until,
            ..kubernetes::settings(&args.class)
        },
        https: args.https(),
        default_certificate: args.default_ssl_certificate.as_ref().map(name),
        publish_service: args.publish_service.as_ref().map(name),
        publish_addresses: args.publish_status_address.clone(),
        update_status: args.update_status,
        lease: args.election_id.clone(),
        keys: args.session_keys_secret.clone(),
        silence: SILENCE,
    }
}
