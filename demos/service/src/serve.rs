//! Connections: accepted, bounded, and closed when the instance ends. Each request carries its client's address, as
//! [`ConnectInfo`].
//!
//! # Why not `axum::serve`
//!
//! It detaches its connections, so a kept-alive one would outlive the instance that was "killed" and go on answering with
//! its sessions; and it gives a client that never finishes its request, or never takes its answer, all the time in the
//! world.

mod impatient;

use std::{future::Future, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
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

use self::impatient::Impatient;

/// Serves HTTP/1.1 on `listener` until `shutdown` is ready; then lets requests in progress finish, for a few seconds at
/// most, and closes every connection, idle ones too.
///
/// Dropping the future closes the listener and all connections at once, as a crash would.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    at_most(CONNECTIONS, listener, router, shutdown).await;
}

async fn at_most(most: usize, listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (stream, client) = accept(&listener), if connections.len() < most => {
                connections.spawn(connection(stream, client, router.clone(), stopping.clone()));
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
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => warn!(%error, "cannot accept a connection"),
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

/// One connection until it ends, or until the sender of `stopping` is gone and the request in progress is answered.
async fn connection(stream: TcpStream, client: SocketAddr, router: Router, mut stopping: watch::Receiver<()>) {
    // Only costs latency if it fails.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut req: hyper::Request<Incoming>| {
        req.extensions_mut().insert(ConnectInfo(client));
        router.call(req)
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Impatient::new(stream, TAKE_TIME)), service));
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

/// More wait in the listener's queue. All heads together are no more than half of what the smallest instance's manifest
/// allows it to have in memory.
const CONNECTIONS: usize = 2048;

const HEAD_BYTES: usize = 16 << 10;

/// For a whole request head, and for an idle connection until the next one; longer than proxies keep theirs, so that it
/// is they who close.
const HEAD_TIME: Duration = Duration::from_secs(75);

/// For the client to take the next part of its answer.
const TAKE_TIME: Duration = Duration::from_secs(30);

/// For requests in progress at the end.
const GRACE: Duration = Duration::from_secs(5);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    async fn ask(client: &mut TcpStream) {
        client.write_all(REQUEST).await.expect("sent");
        assert_ne!(client.read(&mut [0; 1000]).await.expect("an answer"), 0);
    }

    #[test]
    fn the_readme_of_posts_says_how_many_connections_there_may_be() {
        let (thousands, rest) = (CONNECTIONS / 1000, CONNECTIONS % 1000);
        let said = format!("; {thousands},{rest:03} connections");
        assert!(include_str!("../../posts/README.md").contains(&said), "{said}");
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_until_another_one_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let router = Router::new().route("/", get(async || "here"));
        let server = tokio::spawn(at_most(1, listener, router, std::future::pending()));
        let mut first = TcpStream::connect(addr).await.expect("to connect");
        ask(&mut first).await;
        let mut second = TcpStream::connect(addr).await.expect("to connect");
        second.write_all(REQUEST).await.expect("sent");
        for _ in 0..20 {
            ask(&mut first).await;
        }
        let unanswered = second.try_read(&mut [0; 1]).expect_err("it waits");
        assert_eq!(unanswered.kind(), ErrorKind::WouldBlock);
        drop(first);
        assert_ne!(second.read(&mut [0; 1000]).await.expect("an answer"), 0);
        server.abort();
    }
}
