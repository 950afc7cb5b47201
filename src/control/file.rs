//! The configuration file as the source of snapshots: read at the start, again when it changes, and on SIGHUP.
//!
//! ## Why the folder is watched and not the file
//! Editors and Kubernetes do not write into a file, they put another one in its place. A watch on the file would
//! go on looking at the one that was thrown away.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Control;
use super::keys::{self, KeysError};
use super::tls::{self, CertificateError, Store};
use crate::clock::unix_seconds;
use crate::file::{File, Listener, MAX_SIZE, Problems, Tls};
use crate::routing::KeyRing;
use crate::routing::backend::DuplicateEndpoint;

/// Several events for one change are the rule: after the first, so long is waited for the next,
const QUIET: Duration = Duration::from_millis(50);
/// and so long at most.
const BUSY: Duration = Duration::from_millis(500);

/// A configuration that has been read, with its keys and its warnings.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub file: File,
    /// The keys it names, or random ones.
    pub keys: Arc<KeyRing>,
    /// The certificates it names, or a self-made one.
    pub certificates: Store,
    /// Those of them that could not be read again.
    pub broken: Vec<CertificateError>,
    /// What is odd about it, ready to be shown; empty if nothing is.
    pub warnings: String,
}

/// Why a configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in it makes no sense.
    #[error("{0}")]
    Parse(String),
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A certificate cannot be served, and there was none before it.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Two endpoints are one.
    #[error(transparent)]
    Duplicate(#[from] DuplicateEndpoint),
}

/// Reads a configuration file, and the key file and certificates that it names. `keys`: those to go on with if it names
/// none; `certificates`: the last good ones.
///
/// # Errors
/// Whatever is wrong, with line and caret.
pub fn load(path: &Path, keys: Option<&Arc<KeyRing>>, certificates: &Store) -> Result<Loaded, LoadError> {
    let name = path.display().to_string();
    let text = read(path).map_err(|source| LoadError::Read { path: name.clone(), source })?;
    let render = |problems: &Problems| problems.render(&name, Some(&text)).to_string();
    let (file, warnings) = File::parse(&text).map_err(|problems| LoadError::Parse(render(&problems)))?;
    let keys = match (&file.session_keys, keys) {
        (Some(keys), _) => keys::read(&beside(path, keys))?,
        (None, Some(known)) => Arc::clone(known),
        (None, None) => keys::random()?,
    };
    let (certificates, broken) = certificates.read(&file, path.parent().unwrap_or(Path::new("")))?;
    let warnings = if warnings.is_empty() { String::new() } else { render(&warnings) };
    Ok(Loaded { file, keys, certificates, broken, warnings })
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    // One byte more than is allowed tells a file that is too long from one that just fits.
    std::fs::File::open(path)?.take(MAX_SIZE as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A path as the file means it: relative to the folder the file is in.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
}

/// Follows a file: publishes what becomes of it. Never returns; dropping it ends it.
pub async fn follow(path: PathBuf, mut control: Control, mut last: Loaded, hangup: &mut Signal) {
    let (tx, mut changes) = mpsc::channel(1);
    let names = Arc::<Mutex<BTreeSet<OsString>>>::default();
    let mut watcher = watcher(Arc::clone(&names), tx);
    let mut said = String::new();
    let mut watched = BTreeSet::new();
    loop {
        let files = files(&path, &last.file);
        let folders = folders(&files);
        *names.lock().unwrap_or_else(PoisonError::into_inner) =
            files.iter().filter_map(|file| file.file_name().map(ToOwned::to_owned)).collect();
        // Without a watcher the file is still read on SIGHUP.
        if let Some(watcher) = &mut watcher {
            watch(watcher, &folders);
        }
        // What happened in a folder before it was watched, nobody has told us.
        let cause = if folders.is_subset(&watched) { change(&mut changes, hangup).await } else { Cause::Watched };
        watched = folders;
        // What names no keys, or none any more, goes on with the last ones: new ones would log everybody out.
        let loaded = load(&path, Some(&last.keys), &last.certificates).and_then(|loaded| {
            let generation = publish(&mut control, &loaded, &last)?;
            Ok((loaded, generation))
        });
        match loaded {
            Ok((loaded, Some(generation))) => {
                tracing::info!(generation, path = %path.display(), "configuration reloaded");
                report(&loaded, Some(&last.file));
                last = loaded;
                said.clear();
            }
            Ok((_, None)) => {
                control.unchanged();
                if cause == Cause::Asked || !said.is_empty() {
                    tracing::info!(path = %path.display(), "the configuration is the one that is served");
                }
                said.clear();
            }
            Err(error) => {
                control.failed();
                if let LoadError::Certificate(_) = error {
                    control.metrics.certificate_failures.fetch_add(1, Ordering::Relaxed);
                }
                let error = error.to_string();
                // Once: an editor may write a file several times.
                if cause == Cause::Asked || said != error {
                    tracing::error!("the configuration was not reloaded, the last good one serves on\n{error}");
                }
                said = error;
            }
        }
    }
}

/// Why a file is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// It seems to have changed.
    Watched,
    /// Somebody sent SIGHUP.
    Asked,
}

/// Makes a configuration the state that is served, unless it is already. Returns its generation.
fn publish(control: &mut Control, loaded: &Loaded, last: &Loaded) -> Result<Option<u64>, DuplicateEndpoint> {
    control.uncertified(&loaded.broken);
    let certified = loaded.certificates == last.certificates;
    if certified && loaded.file == last.file && loaded.keys.fingerprint() == last.keys.fingerprint() {
        return Ok(None);
    }
    if !certified || loaded.file.listeners != last.file.listeners {
        control.certify(&loaded.file, &loaded.certificates);
    }
    control.publish(&loaded.file, Arc::clone(&loaded.keys)).map(Some)
}

/// Says what an operator should know about a configuration that is served, compared with the one before.
pub fn report(loaded: &Loaded, before: Option<&File>) {
    if !loaded.warnings.is_empty() {
        tracing::warn!("the configuration has warnings\n{}", loaded.warnings);
    }
    for certificate in loaded.certificates.certificates() {
        if let Some(message) = tls::untimely(certificate, unix_seconds()) {
            tracing::warn!(name = %certificate.name, "{message}");
        }
    }
    let Some(before) = before else { return };
    let now = &loaded.file;
    for (what, changed) in [
        ("listeners", bound(now) != bound(before)),
        ("admin", now.admin != before.admin),
        ("limits", now.limits != before.limits),
        ("access_log", now.access_log != before.access_log),
        ("workers", now.workers != before.workers),
    ] {
        if changed {
            tracing::warn!("a change of `{what}` takes effect at the next start; everything else is in force");
        }
    }
}

/// What of the listeners is settled when they are bound: everything but their certificates.
fn bound(file: &File) -> Vec<Listener> {
    let settled = |tls: &Tls| Tls { certificates: Vec::new(), ..tls.clone() };
    file.listeners
        .iter()
        .map(|listener| Listener { tls: listener.tls.as_ref().map(settled), ..listener.clone() })
        .collect()
}

/// Waits for a change or SIGHUP, and after a change until it is quiet.
async fn change(changes: &mut mpsc::Receiver<()>, hangup: &mut Signal) -> Cause {
    tokio::select! {
        Some(()) = changes.recv() => {}
        _ = hangup.recv() => return Cause::Asked,
    }
    let busy = Instant::now() + BUSY;
    while Instant::now() < busy {
        let quiet = (Instant::now() + QUIET).min(busy);
        match timeout_at(quiet, changes.recv()).await {
            Ok(Some(())) => {}
            Ok(None) | Err(_) => break,
        }
    }
    Cause::Watched
}

fn watcher(names: Arc<Mutex<BTreeSet<OsString>>>, tx: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // What could not be seen may have been a change.
        if event.map_or(true, |event| event.need_rescan() || concerns(&event, &names)) {
            // A full channel has said already that something changed.
            let _ = tx.try_send(());
        }
    };
    notify::recommended_watcher(handler)
        .inspect_err(|error| {
            tracing::warn!(%error, "the configuration file cannot be watched: send SIGHUP after a change");
        })
        .ok()
}

/// Is an event about one of our files, or the link by which Kubernetes puts another version of them in place? Our own
/// reading is an event too, and a log beside the file has many.
fn concerns(event: &notify::Event, ours: &Mutex<BTreeSet<OsString>>) -> bool {
    let ours = ours.lock().unwrap_or_else(PoisonError::into_inner);
    let is_ours = |path: &PathBuf| path.file_name().is_some_and(|name| name == "..data" || ours.contains(name));
    !event.kind.is_access() && event.paths.iter().any(is_ours)
}

/// The file, its keys and its certificates.
fn files(path: &Path, file: &File) -> Vec<PathBuf> {
    let named = file.session_keys.as_deref().into_iter().chain(tls::paths(file));
    std::iter::once(path.to_path_buf()).chain(named.map(|named| beside(path, named))).collect()
}

/// The folders that these are in.
fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    files
        .iter()
        .filter_map(|file| file.parent().map(Path::to_path_buf))
        .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder })
        .collect()
}

/// Watches these folders; one that is watched already stays so.
fn watch(watcher: &mut RecommendedWatcher, folders: &BTreeSet<PathBuf>) {
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %folder.display(), "changes in this folder go unnoticed: send SIGHUP");
        }
    }
}
