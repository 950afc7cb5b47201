//! The verbs that serve: `proxy` and `run`. From the configuration to the last request.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, Running};
use crate::bind_error::BindError;
use crate::config::Config;
use crate::config::args::{ProxyArgs, RunArgs};
use crate::control::Control;
use crate::control::file::{self, LoadError, Loaded};
use crate::control::keys::{self, KeysError};
use crate::control::tls::Store;
use crate::file::ListedTwice;
use crate::routing::backend::DuplicateEndpoint;

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
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Threads or signals.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves what the command line says, until SIGTERM or SIGINT.
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
    let mut ends = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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
    tokio::select! {
        () = reload(control, loaded, follow, &mut hangup) => {}
        () = running.sweep() => {}
        _ = ends.0.recv() => {}
        _ = ends.1.recv() => {}
    }
    tracing::info!("shutting down: requests under way go on, a second signal ends them");
    end(running, ends).await
}

/// Follows the file, if there is one. Never returns.
async fn reload(control: Control, loaded: Loaded, follow: Option<(PathBuf, crate::file::File)>, hangup: &mut Signal) {
    if let Some((path, typed)) = follow {
        file::follow(path, control, Loaded { file: typed, ..loaded }, hangup).await;
    }
    loop {
        hangup.recv().await;
        tracing::info!("SIGHUP: there is no file to read again");
    }
}

async fn end(running: Running, mut ends: (Signal, Signal)) -> Result<(), ServeError> {
    running.drain();
    let hurry = running.hurry();
    let ended = tokio::task::spawn_blocking(move || running.join());
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => return Ok(()),
        _ = ends.0.recv() => {}
        _ = ends.1.recv() => {}
    }
    hurry.advance(crate::drain::Stage::Ending);
    // It ends now; a thread that panicked has said so itself.
    let _ = ended.await;
    Ok(())
}
