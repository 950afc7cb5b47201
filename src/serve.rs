//! The verbs that serve: `proxy` and `run`. From the configuration to the last request.

#[cfg(feature = "kubernetes")]
mod ingress;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, Running};
use crate::bind::BindError;
use crate::config::Config;
use crate::config::args::{ProxyArgs, RunArgs};
use crate::control::Control;
use crate::control::file::{self, LoadError, Loaded};
use crate::control::keys::{self, KeysError};
use crate::control::tls::Store;
use crate::descriptors;
use crate::drain::Stage;
use crate::file::ListedTwice;
use crate::routing::backend::DuplicateEndpoint;

#[cfg(feature = "kubernetes")]
pub use self::ingress::ingress;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The command line.
    #[error(transparent)]
    Listed(#[from] ListedTwice),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The endpoints.
    #[error(transparent)]
    Duplicate(#[from] DuplicateEndpoint),
    /// The cluster.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Cluster(#[from] crate::control::kubernetes::ControllerError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Threads or signals.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves what the command line says, until SIGTERM, or SIGINT, after which nobody is waited for who might still come.
///
/// # Errors
/// If it cannot begin.
pub async fn proxy(args: &ProxyArgs) -> Result<(), ServeError> {
    let file = args.to_file()?;
    let keys = match &file.session_keys {
        Some(path) => keys::read(path)?,
        None => keys::random()?,
    };
    let loaded = Loaded { file, keys, certificates: Store::default(), broken: Vec::new(), warnings: String::new() };
    serve(loaded, None).await
}

/// Serves what a file says, and what it says next, until SIGTERM or SIGINT.
///
/// # Errors
/// If it cannot begin. A file that turns bad later changes nothing.
pub async fn run(args: RunArgs) -> Result<(), ServeError> {
    let mut loaded = file::load(&args.config, None, &Store::default())?;
    let typed = loaded.file.clone();
    args.apply(&mut loaded.file);
    serve(loaded, Some((args.config, typed))).await
}

/// `follow`: the file to follow, and what stood in it.
async fn serve(loaded: Loaded, follow: Option<(PathBuf, crate::file::File)>) -> Result<(), ServeError> {
    if let Err(error) = descriptors::raise() {
        tracing::debug!(%error, "the limit on descriptors cannot be raised");
    }
    let mut signals = Signals::new()?;
    let grace = loaded.file.limits.shutdown_grace;
    // From the start: by itself it would end the process.
    let mut hangup = signal(SignalKind::hangup())?;
    let (bound, mut control) = app::bind(Config::from(&loaded.file))?;
    let (addresses, admin) = (bound.addresses(), bound.admin_address());
    control.certify(&loaded.file, &loaded.certificates);
    control.publish(&loaded.file, Arc::clone(&loaded.keys))?;
    let running = bound.serve(Box::new(io::stdout()))?;
    for address in addresses {
        tracing::info!(%address, "listening");
    }
    if let Some(address) = admin {
        tracing::info!(%address, "admin API listening");
    }
    // A file's warnings say so themselves.
    if follow.is_none() && loaded.file.session_keys.is_none() && loaded.file.keeps_sessions() {
        tracing::warn!("sessions end with this process: it has no key file (see moorline keys new)");
    }
    file::report(&loaded, None);
    // To the end: who waits for an endpoint learns from the file that it is back.
    let mut reload = pin!(reload(control, loaded, follow, &mut hangup));
    let haste = tokio::select! {
        never = &mut reload => match never {},
        () = running.sweep() => Haste::Orderly,
        haste = leave(&running, &mut signals, grace) => haste,
    };
    tokio::select! {
        never = &mut reload => match never {},
        () = end(running, &mut signals, haste) => Ok(()),
    }
}

/// Follows the file, if there is one. Never returns.
async fn reload(
    control: Control,
    loaded: Loaded,
    follow: Option<(PathBuf, crate::file::File)>,
    hangup: &mut Signal,
) -> Infallible {
    if let Some((path, typed)) = follow {
        file::follow(path, control, Loaded { file: typed, ..loaded }, hangup).await;
    }
    loop {
        hangup.recv().await;
        tracing::info!("SIGHUP: there is no file to read again");
    }
}

/// How much patience there is left.
enum Haste {
    /// Requests under way go on.
    Orderly,
    /// None.
    AtOnce,
}

/// Waits for the first signal, and then until nothing new needs to be taken.
async fn leave(running: &Running, signals: &mut Signals, grace: Duration) -> Haste {
    // Nobody sends traffic to a terminal who would have to notice.
    if signals.next().await == Told::Interrupt || grace.is_zero() {
        return Haste::Orderly;
    }
    running.leave();
    tracing::info!(?grace, "shutting down: not ready any more, but new connections are still served for a while");
    tokio::select! {
        () = tokio::time::sleep(grace) => Haste::Orderly,
        _ = signals.next() => Haste::AtOnce,
    }
}

async fn end(running: Running, signals: &mut Signals, haste: Haste) {
    let hurry = running.hurry();
    if matches!(haste, Haste::Orderly) {
        running.drain();
        tracing::info!("shutting down: requests under way go on, another signal ends them");
    } else {
        hurry.advance(Stage::Ending);
    }
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        // A thread that panicked has said so itself.
        _ = &mut ended => return,
        _ = signals.next() => hurry.advance(Stage::Ending),
    }
    let _ = ended.await;
}

/// The signals that end a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Who wants it to end.
#[derive(PartialEq, Eq)]
enum Told {
    /// Whoever runs services: SIGTERM.
    Terminate,
    /// Somebody at a terminal: SIGINT.
    Interrupt,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next one. Cancel safe.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }
}
