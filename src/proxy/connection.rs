//! A client's connection from its first byte to its last.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::Client;
use super::forward;
use super::guard::{Bounds, FIELDS, RequestGuard};
use super::guarded::Guarded;
use super::headers::Peer;
use super::lane::Lane;
use super::linger::Linger;
use super::tls;
use super::watch::{Phase, Watch};
use super::wire::{Observer, Wire};
use super::worker::Worker;

/// So much is read from a socket at a time, at most.
pub(super) const BODY_BUFFER: usize = 64 * 1024;

/// Serves one connection until either side ends it, or a time limit does.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, trust: Peer) {
    let _open = Open(&worker);
    let watch = worker.watches.add(&worker.limits, worker.clock.millis());
    let client = Client::new(Rc::clone(&worker), peer, trust, None);
    http(client, watch, stream).await;
}

/// The same over TLS. A task of its own kind, so that plain connections do not make room for it.
pub(super) async fn serve_tls(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    trust: Peer,
    acceptor: Rc<tls::Acceptor>,
) {
    let _open = Open(&worker);
    let watch = worker.watches.add(&worker.limits, worker.clock.millis());
    // Boxed: what a handshake needs goes with it.
    let (stream, secured) = match Box::pin(tls::accept(&acceptor, &worker, &watch, stream)).await {
        Ok(accepted) => accepted,
        Err(error) => return tracing::debug!(%error, %peer, "TLS handshake failed"),
    };
    let client = Client::new(Rc::clone(&worker), peer, trust, Some(secured));
    http(client, watch, stream).await;
}

/// HTTP/1, until the client turns out to speak HTTP/2.
async fn http(client: Rc<Client>, watch: Rc<Watch>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let worker = Rc::clone(&client.worker);
    let limits = &worker.limits;
    let socket = Wire::new(Linger::new(stream), Progress { watch: Rc::clone(&watch), worker: Rc::clone(&worker) });
    let bounds =
        Bounds { head_size: limits.head_size, target_size: limits.target_size, fields: FIELDS, prior_knowledge: false };
    let guard = Rc::new(RefCell::new(RequestGuard::new(bounds)));
    let lane = Lane::new(client, Rc::clone(&watch), Some(Rc::clone(&guard)));
    let address = lane.client.address;
    let service = service_fn(|request| forward::handle(Rc::clone(&lane), request));
    let mut http = pin!(
        hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.head_size)
            .max_buf_size(BODY_BUFFER.max(limits.head_size))
            .serve_connection(TokioIo::new(Guarded::new(socket, guard)), service)
    );
    let mut told = 0;
    let ended = poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() && !answers_itself(watch.phase()) {
            return Poll::Ready(Ok(()));
        }
        if watch.is_closing() {
            // Not at the first call: a request that has just arrived is read before the connection counts as idle.
            told += 1;
            if told == 2 {
                http.as_mut().graceful_shutdown();
            }
        }
        http.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, peer = %address, "connection ended");
    }
}

/// In these states somebody is waiting for an answer, which says that the time is over.
fn answers_itself(phase: Phase) -> bool {
    matches!(phase, Phase::Upload | Phase::ResponseHead)
}

/// The connection counts as open until this is dropped.
struct Open<'a>(&'a Worker);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Tells the watch what moves.
#[derive(Debug)]
struct Progress {
    watch: Rc<Watch>,
    worker: Rc<Worker>,
}

impl<S> Observer<S> for Progress {
    fn read(&self) {
        if matches!(self.watch.phase(), Phase::FirstByte | Phase::Idle) {
            self.watch.enter(Phase::Head, self.worker.coarse().plus(self.worker.limits.head));
        }
    }

    fn written(&self) {
        if matches!(self.watch.phase(), Phase::Download | Phase::Flushing) {
            self.watch.extend(self.worker.coarse().plus(self.worker.limits.body));
        }
    }

    fn flushed(&self) {
        if self.watch.phase() == Phase::Flushing {
            self.watch.enter(Phase::Idle, self.worker.coarse().plus(self.worker.limits.idle));
        }
    }

    fn closing(&self) {
        if self.watch.phase() != Phase::Closing {
            self.watch.enter(Phase::Closing, self.worker.coarse().plus(self.worker.limits.linger));
        }
    }
}
