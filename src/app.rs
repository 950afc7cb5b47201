//! The composition root: binds every socket, starts every plane, and ends them in order. Only this module sees
//! all of them.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use prometheus_client::collector::Collector;
use prometheus_client::registry::Registry;

use crate::admin;
use crate::bind::BindError;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Control};
use crate::drain::{self, Drain, Stage, Trigger};
use crate::proxy;
use crate::readiness::Readiness;
use crate::sessions::Sessions;
use crate::snapshot::{self, Publisher, Reader};

/// How often idle sessions are swept out of the index.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(2);

/// Every socket bound, nothing served yet.
#[derive(Debug)]
pub struct Bound {
    proxy: proxy::Bound,
    admin: Option<std::net::TcpListener>,
    health: Option<std::net::TcpListener>,
    clock: Clock,
    sessions: Arc<Sessions>,
    reader: Reader,
    registry: Registry,
}

/// Everything runs.
#[derive(Debug)]
pub struct Running {
    trigger: Trigger,
    drain: Drain,
    proxy: proxy::Running,
    /// The threads that show health, metrics and sessions.
    shows: Vec<JoinHandle<()>>,
    sessions: Arc<Sessions>,
    clock: Clock,
}

/// Binds every socket of the configuration, and has files as the source of what is served.
///
/// # Errors
/// The first address that cannot be listened on.
pub fn bind(config: Config) -> Result<(Bound, Control), BindError> {
    let (mut bound, publisher) = open(config)?;
    let metrics = Arc::<control::Metrics>::default();
    bound.show(Box::new(Arc::clone(&metrics)));
    let control = Control::new(publisher, bound.clock, metrics);
    Ok((bound, control))
}

/// Binds every socket of the configuration. What is served is whatever is published.
///
/// # Errors
/// The first address that cannot be listened on.
pub fn open(config: Config) -> Result<(Bound, Publisher), BindError> {
    let clock = Clock::start();
    let (publisher, reader) = snapshot::channel();
    let bound = Bound {
        sessions: Arc::new(Sessions::new(config.proxy.limits.sessions, clock.millis())),
        proxy: proxy::bind(config.proxy, &reader)?,
        admin: config.admin.map(admin::bind).transpose()?,
        health: config.health.map(admin::bind).transpose()?,
        clock,
        reader,
        registry: Registry::default(),
    };
    Ok((bound, publisher))
}

impl Bound {
    /// Where clients connect.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxy.addresses()
    }

    /// Where the admin API is.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whoever publishes is shown in `/metrics`, too.
    pub fn show(&mut self, metrics: Box<dyn Collector>) {
        self.registry.register_collector(metrics);
    }

    /// Serves; the access log goes to `access_log`. Inside a tokio runtime, which sweeps the index.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn serve(self, access_log: Box<dyn Write + Send>) -> std::io::Result<Running> {
        let (trigger, drain) = drain::channel();
        let proxy_metrics = Arc::<proxy::Metrics>::default();
        let inputs = proxy::Inputs {
            reader: self.reader.clone(),
            sessions: Arc::clone(&self.sessions),
            clock: self.clock,
            metrics: Arc::clone(&proxy_metrics),
            drain: drain.clone(),
        };
        let proxy = self.proxy.serve(&inputs, access_log)?;
        let mut registry = self.registry;
        registry.register_collector(Box::new(proxy_metrics));
        let endpoints = admin::Endpoints { reader: self.reader.clone(), sessions: Arc::clone(&self.sessions) };
        registry.register_collector(Box::new(endpoints));
        let shown = admin::Inputs {
            readiness: Readiness::new(self.reader.clone(), drain.clone()),
            reader: self.reader,
            sessions: Arc::clone(&self.sessions),
            registry: Arc::new(registry),
            clock: self.clock,
        };
        let mut shows = Vec::new();
        if let Some(listener) = self.health {
            shows.push(admin::serve_health(listener, shown.clone(), drain.clone())?);
        }
        if let Some(listener) = self.admin {
            shows.push(admin::serve(listener, shown, drain.clone())?);
        }
        Ok(Running { trigger, drain, proxy, shows, sessions: self.sessions, clock: self.clock })
    }
}

impl Running {
    /// The index of live sessions.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Keeps the index swept until nothing new is taken. Cancel safe.
    pub async fn sweep(&self) {
        let mut drain = self.drain.clone();
        let mut every = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                _ = every.tick() => self.sessions.sweep(self.clock.millis()),
                () = drain.reached(Stage::Draining) => return,
            }
        }
    }

    /// Begins the end: not ready any more, and every answer is the last of its connection. Whoever comes is served.
    pub fn leave(&self) {
        self.trigger.advance(Stage::Leaving);
    }

    /// Goes on with the end: nothing new is taken.
    pub fn drain(&self) {
        self.trigger.advance(Stage::Draining);
    }

    /// For whoever loses patience while somebody else waits in [`Running::join`].
    #[must_use]
    pub fn hurry(&self) -> Trigger {
        self.trigger.clone()
    }

    /// Waits until every request under way has ended, or its time is over. Blocks the thread.
    pub fn join(self) {
        self.proxy.join();
        self.trigger.advance(Stage::Ending);
        for thread in self.shows {
            if thread.join().is_err() {
                tracing::error!("the admin thread panicked");
            }
        }
    }
}
