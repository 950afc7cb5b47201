//! Sockets that clients connect to: bound once for each worker, so that the kernel shares connections out and no
//! worker waits for another.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;
#[cfg(target_os = "linux")]
use socket2::SockFilter;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::announced;
use super::connection;
use super::overload::{Reason, turn_away};
use super::socket::tune;
use super::tls;
use super::worker::Worker;
use crate::bind;
use crate::descriptors;
use crate::drain::{Drain, Stage};

/// Connections that may wait to be accepted, per worker.
pub(super) const BACKLOG: i32 = 1024;
/// How long a listener waits when there is no descriptor to be had.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// How long those who are about to be connected are waited for at the end: longer than most round trips.
const SETTLED: Duration = Duration::from_millis(250);

/// Where clients connect, and whom to believe there.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who begins each connection with a PROXY header, and may be the only ones to connect; none: there are no such headers.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// How it speaks TLS; none: it does not.
    pub tls: Option<tls::Config>,
}

/// One worker's listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    rules: Rc<Rules>,
}

/// Who is believed what on a listener, and how it is spoken there.
#[derive(Debug)]
pub(super) struct Rules {
    trusted: Rc<[IpNet]>,
    /// Who announces whose connection it is. If there are any, nobody else may connect.
    pub(super) announcers: Option<Vec<IpNet>>,
    pub(super) tls: Option<Rc<tls::Acceptor>>,
}

/// Binds a socket for each worker.
///
/// # Errors
/// If the address is taken, by whomever: `SO_REUSEPORT` alone would let a second proxy of the same user share
/// it silently, and each would get half of the other's clients.
pub(super) fn bind(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    if address.port() != 0 {
        drop(socket(address, false)?);
    }
    let first = socket(address, true)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(socket(bound, true)?);
    }
    Ok((bound, sockets))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = bind::socket(address)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

impl Listener {
    pub(super) fn new(socket: TcpListener, config: Config, tls: Option<tls::Acceptor>) -> Self {
        let Config { trusted_proxies: trusted, proxy_protocol: announcers, .. } = config;
        Self { socket, rules: Rc::new(Rules { trusted: trusted.into(), announcers, tls: tls.map(Rc::new) }) }
    }

    /// Takes connections until the drain begins, and then those that are on their way.
    ///
    /// ## Why the door is closed before the socket
    /// The kernel makes connections without asking us, and resets those that wait when their socket is closed, whichever
    /// other one shares the port. So first it is told to answer nobody new. Who has been answered already comes within a
    /// round trip and is served; who has not tries again, and is refused or meets whoever listens then.
    pub(super) async fn run(self, worker: Rc<Worker>, mut drain: Drain) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.socket)?;
        let exhaustion = Exhaustion::default();
        let accept = async || match listener.accept().await {
            Ok((stream, peer)) => {
                exhaustion.is_over();
                self.rules.take(&worker, stream, canonical(peer));
            }
            Err(error) => exhaustion.failed(&worker, &error).await,
        };
        let mut hurry = drain.clone();
        tokio::select! {
            () = async { loop { accept().await } } => {}
            () = drain.reached(Stage::Draining) => {}
        }
        if let Err(error) = close_door(&SockRef::from(&listener)) {
            tracing::debug!(%error, "connections that come while the listener closes may be reset");
        }
        let mut settled = pin!(tokio::time::sleep(SETTLED));
        loop {
            tokio::select! {
                biased;
                () = hurry.reached(Stage::Ending) => break,
                () = accept() => {}
                () = &mut settled => break,
            }
        }
        Ok(())
    }
}

/// Has the kernel drop what would begin a connection (RFC 9293 §3.5), and nothing else.
#[cfg(target_os = "linux")]
fn close_door(socket: &SockRef<'_>) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Of a TCP header, and the bits in there.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    socket.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn close_door(_: &SockRef<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Rules {
    /// Serves a connection, or does not.
    fn take(self: &Rc<Self>, worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
        if self.announcers.as_ref().is_some_and(|announcers| !contain(announcers, peer)) {
            worker.metrics.announcements_untrusted.inc();
            return tracing::debug!(%peer, "no PROXY header is taken from there");
        }
        if descriptors::is_reserved(&stream) {
            return turn_away(worker, stream, self, Reason::Descriptors);
        }
        if !worker.enter() {
            return turn_away(worker, stream, self, Reason::Connections);
        }
        tune(&stream);
        let (worker, trust) = (Rc::clone(worker), self.trust(peer));
        match (&self.announcers, self.tls.clone()) {
            (Some(_), _) => drop(tokio::task::spawn_local(Rc::clone(self).take_announced(worker, stream, peer))),
            (None, None) => drop(tokio::task::spawn_local(connection::serve(worker, stream, peer, trust))),
            (None, Some(tls)) => {
                drop(tokio::task::spawn_local(connection::serve_tls(worker, stream, peer, trust, tls)))
            }
        }
    }

    /// The same, once it is known whose connection it is.
    async fn take_announced(self: Rc<Self>, worker: Rc<Worker>, mut stream: TcpStream, peer: SocketAddr) {
        let client = match announced::client(&worker, &mut stream).await {
            Ok(client) => client.map_or(peer, canonical),
            Err(error) => {
                worker.leave();
                return tracing::debug!(%error, %peer, "connection closed");
            }
        };
        let trust = self.trust(client);
        match self.tls.clone() {
            None => connection::serve(worker, stream, client, trust).await,
            Some(tls) => connection::serve_tls(worker, stream, client, trust, tls).await,
        }
    }

    /// The trusted proxies, if this is one of them.
    fn trust(&self, peer: SocketAddr) -> Option<Rc<[IpNet]>> {
        contain(&self.trusted, peer).then(|| Rc::clone(&self.trusted))
    }
}

/// An IPv4 client of a dual-stack socket is an IPv4 client, to whoever is asked about it and in every log.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn contain(networks: &[IpNet], peer: SocketAddr) -> bool {
    networks.iter().any(|network| network.contains(&peer.ip()))
}

/// A system that has no descriptors left.
#[derive(Debug, Default)]
struct Exhaustion(Cell<bool>);

impl Exhaustion {
    /// A connection that its client took back is nothing. A system without descriptors needs a moment: asking again at once
    /// would keep this thread busy, and say the same.
    async fn failed(&self, worker: &Worker, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        worker.metrics.accept_failures.inc();
        if !self.0.replace(true) {
            tracing::warn!(%error, "connections cannot be accepted");
        }
        tokio::time::sleep(EXHAUSTED).await;
    }

    fn is_over(&self) {
        if self.0.replace(false) {
            tracing::info!("connections can be accepted again");
        }
    }
}
