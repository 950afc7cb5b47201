//! The data plane: bytes in, a decision, bytes out.
//!
//! A worker is a thread with a runtime of its own (`worker`); the kernel shares connections out among their sockets
//! (`listener`). A connection (`connection`) reads requests, each goes through `forward`, which asks
//! [`crate::routing`] where it goes and `upstream` for a connection to there.
//!
//! It knows nothing of files or clusters: what it routes by comes in as snapshots.

mod access_log;
mod announced;
mod body;
mod client;
mod connection;
mod delegate;
mod error;
mod exchange;
mod filter;
mod forward;
mod frames;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod guard;
mod guarded;
mod headers;
mod health;
mod held;
mod http2;
mod lane;
mod linger;
mod listener;
mod metrics;
mod overload;
mod proxy_protocol;
mod redirect;
mod retry;
mod session;
mod socket;
mod target;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod tls;
mod tunnel;
mod turns;
mod upgrade;
mod upstream;
mod watch;
mod wire;
mod worker;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::runtime;

pub use self::access_log::Format;
pub use self::listener::Config as Listener;
pub use self::metrics::Metrics;
use self::overload::Overload;
pub use self::tls::{Config as Tls, Version as TlsVersion};
use self::upstream::Upstreams;
use self::worker::Worker;
use crate::bind::BindError;
use crate::clock::Clock;
use crate::descriptors;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::sessions::Sessions;
use crate::snapshot::Reader;

/// Descriptors of this process beside connections: the standard ones, the admin's, files; and of each worker, whose runtime
/// has some.
const OWN: usize = 16;
const OWN_OF_WORKER: usize = 3;

/// What the data plane is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// How many threads serve them.
    pub workers: usize,
    /// Bounds on time and resources.
    pub limits: Limits,
    /// How requests are logged.
    pub access_log: Format,
}

/// What the data plane shares with the others.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Where snapshots come from.
    pub reader: Reader,
    /// The index of live sessions.
    pub sessions: Arc<Sessions>,
    /// The time.
    pub clock: Clock,
    /// Where counters are added up.
    pub metrics: Arc<Metrics>,
    /// When to stop.
    pub drain: Drain,
}

/// Listening sockets on which nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    /// One for each listener that speaks TLS.
    acceptors: Vec<Option<tls::Acceptor>>,
}

/// A data plane that serves.
#[derive(Debug)]
pub struct Running {
    workers: Vec<JoinHandle<()>>,
    log: Option<JoinHandle<()>>,
}

/// Binds every listener, for every worker. Nothing is served yet. What TLS listeners show will be in the snapshots of
/// `reader`.
///
/// # Errors
/// The first address that cannot be listened on.
pub fn bind(config: Config, reader: &Reader) -> Result<Bound, BindError> {
    let listeners = config
        .listeners
        .iter()
        .map(|listener| {
            let address = listener.address;
            listener::bind(address, config.workers).map_err(|system| BindError { address, system })
        })
        .collect::<Result<_, _>>()?;
    let acceptors = acceptors(&config.listeners, reader)?;
    Ok(Bound { config, listeners, acceptors })
}

fn acceptors(listeners: &[Listener], reader: &Reader) -> Result<Vec<Option<tls::Acceptor>>, BindError> {
    let mut shared = None;
    let mut acceptors = Vec::new();
    for Listener { address, tls, .. } in listeners {
        let failed = |error| BindError { address: *address, system: io::Error::other(error) };
        let Some(config) = tls else {
            acceptors.push(None);
            continue;
        };
        if shared.is_none() {
            shared = Some(tls::Acceptors::new(reader.clone()).map_err(failed)?);
        }
        acceptors.push(shared.as_ref().map(|shared| shared.acceptor(*address, *config)).transpose().map_err(failed)?);
    }
    Ok(acceptors)
}

/// So many connections of clients, or as many as there are descriptors for beside `own`.
fn affordable(wanted: usize, own: usize) -> usize {
    let possible = descriptors::clients(own);
    if possible < wanted {
        let limit = descriptors::limit();
        tracing::warn!(wanted, possible, limit, "fewer connections than configured: there are not enough descriptors");
    }
    possible.min(wanted)
}

impl Bound {
    /// Where clients connect, with the ports that were free for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(address, _)| *address).collect()
    }

    /// Serves, with the access log going to `output`.
    ///
    /// # Errors
    /// If the system has no more threads, or no descriptors for them.
    pub fn serve(self, inputs: &Inputs, output: Box<dyn Write + Send>) -> io::Result<Running> {
        let (writer, log) = match self.config.access_log {
            Format::Off => (None, None),
            _ => access_log::start(output).map(|(writer, log)| (Some(writer), Some(log)))?,
        };
        let Config { listeners, workers, mut limits, access_log } = self.config;
        limits.connections = affordable(limits.connections, OWN + workers * (listeners.len() + OWN_OF_WORKER));
        if let Some(sample) = self.listeners.iter().flat_map(|(_, sockets)| sockets).next()
            && let Err(error) = descriptors::make_room(sample, limits.connections)
        {
            tracing::debug!(%error, "no room for descriptors before they are needed");
        }
        let (connections, overload) = (Arc::<AtomicUsize>::default(), Overload::new(descriptors::for_refusals()));
        let mut sockets: Vec<_> = self.listeners.into_iter().map(|(_, sockets)| sockets.into_iter()).collect();
        let (tell, started) = sync_channel(workers);
        let mut threads = Vec::new();
        for number in 0..workers {
            let mine = sockets
                .iter_mut()
                .zip(listeners.iter().zip(&self.acceptors))
                .filter_map(|(sockets, (config, tls))| Some((sockets.next()?, config.clone(), tls.clone())));
            let seed = Seed {
                inputs: inputs.clone(),
                limits: limits.clone(),
                workers,
                format: access_log,
                writer: writer.clone(),
                connections: Arc::clone(&connections),
                overload: overload.clone(),
                listeners: mine.collect(),
            };
            let (name, tell) = (format!("proxy-{number}"), tell.clone());
            threads.push(std::thread::Builder::new().name(name).spawn(move || seed.grow(tell))?);
        }
        drop(tell);
        // A worker that cannot start would drop its sockets, and with them every client whom the kernel sends there.
        started.iter().collect::<io::Result<()>>()?;
        Ok(Running { workers: threads, log })
    }
}

/// What a worker's thread is given; the rest it makes itself, since it never leaves the thread.
struct Seed {
    inputs: Inputs,
    limits: Limits,
    workers: usize,
    format: Format,
    writer: Option<SyncSender<String>>,
    connections: Arc<AtomicUsize>,
    overload: Overload,
    listeners: Vec<(TcpListener, Listener, Option<tls::Acceptor>)>,
}

impl Seed {
    /// Serves until the end; says first whether it can.
    fn grow(self, tell: SyncSender<io::Result<()>>) {
        let built = runtime::Builder::new_current_thread().enable_all().build_local(runtime::LocalOptions::default());
        // Whoever does not listen any more has heard of another worker that could not start.
        let runtime = match built {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                runtime
            }
            Err(error) => return drop(tell.send(Err(error))),
        };
        drop(tell);
        let metrics = self.inputs.metrics.worker();
        let log = access_log::AccessLog::new(self.format, self.writer, Arc::clone(&metrics));
        let sessions = Arc::clone(&self.inputs.sessions);
        let upstreams = Upstreams::new(
            Arc::clone(&self.inputs.metrics.endpoints),
            sessions,
            Arc::clone(&metrics),
            &self.limits,
            self.workers,
        );
        let inputs = worker::Inputs {
            limits: self.limits,
            clock: self.inputs.clock,
            sessions: self.inputs.sessions,
            held: Arc::clone(&self.inputs.metrics.held),
            connections: self.connections,
            overload: self.overload,
            workers: self.workers,
            reader: self.inputs.reader,
            metrics,
        };
        let listeners = self
            .listeners
            .into_iter()
            .map(|(socket, config, tls)| listener::Listener::new(socket, config, tls))
            .collect();
        let drain = self.inputs.drain;
        runtime.block_on(async move {
            let worker: Rc<Worker> = Worker::new(inputs, upstreams, log);
            worker.run(listeners, drain).await;
        });
    }
}

impl Running {
    /// Waits until every worker has ended, which they do once the drain has been called for, and the access log is
    /// written. Blocks the thread.
    pub fn join(self) {
        for thread in self.workers.into_iter().chain(self.log) {
            if thread.join().is_err() {
                tracing::error!("a thread of the proxy panicked");
            }
        }
    }
}
