//! The admin plane: health, metrics and the session API, on a listener and a runtime of its own, so that a list of a
//! million sessions delays nobody's request.
//!
//! It shows; it decides nothing. By default it listens on loopback only: what it shows is nobody else's business.

mod guests;
mod metrics;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::runtime;

use self::guests::Guests;
pub use self::metrics::Endpoints;
use crate::api;
use crate::bind::{self, BindError};
use crate::clock::Clock;
use crate::drain::{Drain, Stage};
use crate::readiness::Readiness;
use crate::routing::SessionPolicy;
use crate::routing::host::canonical;
use crate::sessions::{Listed, Sessions};
use crate::snapshot::Reader;

/// How many sessions a list has unless it is asked for more, and at most.
const LISTED: usize = 100;
const MOST: usize = 10_000;

/// What the admin plane shows.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The state that is served.
    pub reader: Reader,
    /// The live sessions.
    pub sessions: Arc<Sessions>,
    /// Should this process get traffic?
    pub readiness: Readiness,
    /// What there is to scrape.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Clock,
}

/// Serves on a thread of its own until the drain is over: who drains wants to see how far it has come.
///
/// # Errors
/// If the system has no more threads, or no descriptors for one.
pub fn serve(listener: TcpListener, inputs: Inputs, drain: Drain) -> std::io::Result<JoinHandle<()>> {
    let router = router(inputs);
    let is_local = listener.local_addr()?.ip().to_canonical().is_loopback();
    run(listener, if is_local { router.layer(from_fn(only_by_address)) } else { router }, drain)
}

/// Serves health and metrics alone: what a kubelet and a Prometheus need, and everybody may see.
///
/// # Errors
/// If the system has no more threads, or no descriptors for one.
pub fn serve_health(listener: TcpListener, inputs: Inputs, drain: Drain) -> std::io::Result<JoinHandle<()>> {
    run(listener, health().with_state(Arc::new(inputs)), drain)
}

fn run(listener: TcpListener, router: Router, mut drain: Drain) -> std::io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let run = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let served = axum::serve(Guests::of(listener), router);
        tokio::select! {
            served = async { served.await } => served,
            () = drain.reached(Stage::Ending) => Ok(()),
        }
    };
    let (tell, started) = sync_channel(1);
    let thread = std::thread::Builder::new().name("admin".into()).spawn(move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error))),
        };
        if tell.send(Ok(())).is_ok()
            && let Err(error) = runtime.block_on(run)
        {
            tracing::error!(%error, "the admin listener ended");
        }
    })?;
    // It says nothing only if it panicked, which is shown when it is joined.
    started.recv().unwrap_or(Ok(()))?;
    Ok(thread)
}

/// Everything that is served here.
fn router(inputs: Inputs) -> Router {
    health().route("/api/v1/sessions", get(sessions)).with_state(Arc::new(inputs))
}

fn health() -> Router<Arc<Inputs>> {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz)).route("/metrics", get(scrape))
}

/// A page that somebody's browser has loaded from elsewhere must not read what is on loopback: such a request has the
/// name of that elsewhere in its Host (DNS rebinding).
async fn only_by_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| canonical(host.to_str().ok()?).ok());
    let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    if host.is_none_or(|host| host == "localhost" || is_address(&host)) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "the admin API is asked by address or as localhost\n").into_response()
}

async fn readyz(State(inputs): State<Arc<Inputs>>) -> Response {
    match inputs.readiness.check() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn scrape(State(inputs): State<Arc<Inputs>>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match encode(&mut text, &inputs.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        // Writing into a string does not fail.
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a list of sessions is asked for.
#[derive(Debug, Deserialize)]
struct Asked {
    limit: Option<usize>,
    endpoint: Option<String>,
    backend: Option<String>,
}

async fn sessions(State(inputs): State<Arc<Inputs>>, Query(asked): Query<Asked>) -> Json<api::Sessions> {
    let index = &inputs.sessions;
    let limit = asked.limit.unwrap_or(LISTED).min(MOST);
    let wanted = |wish: &Option<String>, is: &str| wish.as_deref().is_none_or(|wish| wish == is);
    let mut listed = index.list(limit + 1, |berth| {
        wanted(&asked.endpoint, &berth.name) && wanted(&asked.backend, berth.backend.as_str())
    });
    let more = listed.len() > limit;
    listed.truncate(limit);
    let counts = index
        .berths()
        .iter()
        .filter(|berth| wanted(&asked.endpoint, &berth.name) && wanted(&asked.backend, berth.backend.as_str()))
        .map(|berth| api::Count {
            backend: berth.backend.as_str().to_owned(),
            endpoint: berth.name.as_ref().to_owned(),
            sessions: u64::from(berth.sessions()),
        })
        .collect::<Vec<_>>();
    Json(api::Sessions {
        total: counts.iter().map(|count| count.sessions).sum(),
        counts,
        complete: index.is_complete(inputs.clock.millis(), longest_idle(&inputs.reader)),
        sessions: listed.iter().map(|listed| session(listed, &inputs.clock)).collect(),
        more,
    })
}

/// The longest time for which a session of any rule may stay away and still be live.
fn longest_idle(reader: &Reader) -> Duration {
    let snapshot = reader.current();
    let policies = snapshot.iter().flat_map(|snapshot| snapshot.routes.policies());
    policies.map(|policy: &SessionPolicy| policy.idle).max().unwrap_or_default()
}

fn session(listed: &Listed, clock: &Clock) -> api::Session {
    let (now, steady) = (Timestamp::now(), clock.millis());
    // The steady clock has no dates: a moment is as long ago as it is.
    let date = |at| now - jiff::SignedDuration::try_from(steady.since(at)).unwrap_or_default();
    api::Session {
        id: listed.id.to_string()[..8].to_owned(),
        backend: listed.berth.backend.as_str().to_owned(),
        endpoint: listed.berth.name.as_ref().to_owned(),
        first_seen: date(listed.first_seen),
        last_seen: date(listed.last_seen),
        requests: listed.requests,
    }
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Binds the admin listener.
///
/// # Errors
/// If the address is taken.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|system| BindError { address, system })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = bind::socket(address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
