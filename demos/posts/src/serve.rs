//! Connections: accepted, bounded, and closed when the instance ends. Knows nothing of posts.
//!
//! # Why not `axum::serve`
//!
//! It detaches its connections, so a kept-alive one would outlive the instance that was "killed" and go on answering with
//! its sessions; and it gives a client that never finishes its request all the time in the world.

use std::{future::Future, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

/// Serves until `shutdown` is ready, then finishes. Dropping the future closes everything at once.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            stream = accept(&listener), if connections.len() < CONNECTIONS => {
                connections.spawn(connection(stream, router.clone(), stopping.clone()));
            }
        }
    }
    drop(listener);
    drop(stop);
    let finished = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        warn!(connections = connections.len(), "cut off requests that did not finish");
    }
}

/// The next connection. What can fail here is the client's fault or passes (no file descriptors left), so it is tried
/// again, after a pause that keeps a lasting failure from spinning. Cancel safe.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => warn!(%error, "cannot accept a connection"),
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

/// One connection until it ends, or until the sender of `stopping` is gone and the request in progress is answered.
async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<()>) {
    // Only costs latency if it fails.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = select! {
        ended = &mut connection => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection failed");
    }
}

/// More wait in the listener's queue.
const CONNECTIONS: usize = 4096;

/// For a whole request head, and for an idle connection until the next one; longer than proxies keep theirs, so that it
/// is they who close.
const HEAD_TIME: Duration = Duration::from_secs(75);

const HEAD_BYTES: usize = 64 << 10;

/// For requests in progress at the end.
const GRACE: Duration = Duration::from_secs(5);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
