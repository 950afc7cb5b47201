//! A client's connection from its first byte to its last.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::Client;
use super::forward;
use super::guard::{Bounds, FIELDS, RequestGuard};
use super::guarded::Guarded;
use super::http2;
use super::lane::Lane;
use super::linger::Linger;
use super::socket::{self, OverTcp};
use super::tls;
use super::watch::{Phase, Watch};
use super::wire::{Observer, Wire};
use super::worker::Worker;

/// So much is read from a socket at a time, at most.
pub(super) const BODY_BUFFER: usize = 64 * 1024;

/// Serves one connection until either side ends it, or a time limit does.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, trust: Option<Rc<[IpNet]>>) {
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
    trust: Option<Rc<[IpNet]>>,
    acceptor: Rc<tls::Acceptor>,
) {
    let _open = Open(&worker);
    let watch = worker.watches.add(&worker.limits, worker.clock.millis());
    // Boxed: what a handshake needs goes with it.
    let (stream, secured) = match Box::pin(tls::accept(&acceptor, &worker, &watch, stream)).await {
        Ok(accepted) => accepted,
        Err(error) => return tracing::debug!(%error, %peer, "TLS handshake failed"),
    };
    let is_http2 = secured.is_http2();
    let client = Client::new(Rc::clone(&worker), peer, trust, Some(secured));
    if is_http2 {
        let progress = Progress { watch: Rc::clone(&watch), worker: Rc::clone(&worker) };
        return Box::pin(http2::serve(client, watch, Wire::new(Linger::new(stream), progress))).await;
    }
    http(client, watch, stream).await;
}

/// HTTP/1, until the client turns out to speak something else.
async fn http(client: Rc<Client>, watch: Rc<Watch>, stream: impl AsyncRead + AsyncWrite + OverTcp + Unpin + 'static) {
    let worker = Rc::clone(&client.worker);
    let progress = Progress { watch: Rc::clone(&watch), worker: Rc::clone(&worker) };
    let bounds = Bounds {
        head_size: worker.limits.head_size,
        target_size: worker.limits.target_size,
        fields: FIELDS,
        prior_knowledge: !client.is_secured(),
    };
    let guard = Rc::new(RefCell::new(RequestGuard::new(bounds)));
    let lane = Lane::of_connection(client, Rc::clone(&watch), Rc::clone(&guard));
    let mut socket = Guarded::new(Wire::new(Linger::new(stream), progress), Rc::clone(&guard));
    let ended = http1(&lane, &guard, &mut socket).await;
    lane.count_untold();
    let is_overdue = watch.is_expired() && matches!(watch.phase(), Phase::Download | Phase::Flushing);
    // To HTTP/1.0 a response may be over when the connection is.
    let looks_whole = ended.as_ref().is_err_and(hyper::Error::is_user) && lane.is_old();
    if is_overdue || looks_whole {
        let (wire, _) = socket.into_parts();
        return socket::reset_at_end(wire.into_inner().into_inner().tcp());
    }
    if let Err(error) = ended {
        return tracing::debug!(%error, peer = %lane.client.address, "connection ended");
    }
    // Both are rare, and large.
    if guard.borrow().is_http2() {
        guard.borrow_mut().open();
        Box::pin(http2::serve(Rc::clone(&lane.client), watch, socket)).await;
    } else if let Some(tunnel) = lane.take_tunnel() {
        let (wire, early) = socket.into_parts();
        Box::pin(tunnel.run(&lane, wire.into_inner().into_inner(), &early)).await;
    }
}

async fn http1(
    lane: &Rc<Lane>,
    guard: &RefCell<RequestGuard>,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> hyper::Result<()> {
    let (watch, limits) = (&lane.watch, &lane.worker().limits);
    let service = service_fn(|request| forward::handle(Rc::clone(lane), request));
    let mut http = pin!(
        hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.head_size)
            .max_buf_size(BODY_BUFFER.max(limits.head_size))
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut told = 0;
    poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() && !watch.phase().answers_itself() {
            return Poll::Ready(Ok(()));
        }
        if watch.is_closing() {
            // Not at the first call: a request that has just arrived is read before the connection counts as idle.
            told += 1;
            if told == 2 {
                http.as_mut().graceful_shutdown();
            }
        }
        let polled = http.as_mut().poll(cx);
        if guard.borrow().is_http2() { Poll::Ready(Ok(())) } else { polled }
    })
    .await
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
        let (limits, now) = (&self.worker.limits, self.worker.coarse());
        match self.watch.phase() {
            Phase::FirstByte | Phase::Idle => self.watch.enter(Phase::Head, now.plus(limits.head)),
            _ => {}
        }
    }

    fn written(&self) {
        let (limits, now) = (&self.worker.limits, self.worker.coarse());
        match self.watch.phase() {
            // While the endpoint is waited for, what is written of the past does not bring its end any nearer.
            Phase::Download | Phase::Flushing => {
                self.watch.extend(now.plus(self.watch.silence().unwrap_or(limits.body)));
            }
            _ => {}
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
