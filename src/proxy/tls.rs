//! TLS with clients: the handshake, with the certificates of the snapshot that is in force when it begins.
//!
//! ## Why the snapshot is asked at each handshake
//! So a new certificate needs no new listener and ends no connection. What is settled when a listener is bound is
//! everything but the certificates: versions, protocols, tickets.
//!
//! ## Why tickets and no cache
//! All workers seal and open tickets with the same keys (which rustls changes every few hours), so that a client is known
//! whichever of them it meets. A cache of sessions would be one more thing that they share and wait for.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::socket::OverTcp;
use super::watch::{Phase, Watch};
use super::worker::Worker;
use crate::snapshot::{Certificate, Chosen, Reader};

/// What is spoken over TLS, the best first.
const ALPN: [&[u8]; 2] = [HTTP2, b"http/1.1"];
const HTTP2: &[u8] = b"h2";
/// The first byte of every handshake: RFC 8446 §5.1.
const HANDSHAKE: u8 = 22;
/// So much of what is no TLS is read before the connection is closed: unread bytes would take the answer with them.
pub(super) const LEFTOVER: u64 = 64 * 1024;

/// How a listener speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The oldest version.
    pub min_version: Version,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// One listener's side of a handshake, shared by all workers.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    config: Arc<ServerConfig>,
    /// For those who are turned away: it agrees upon what they are told in, HTTP/1.1.
    refusing: Arc<ServerConfig>,
    certificates: Arc<Current>,
}

/// Makes the acceptors of all listeners: they share their tickets.
#[derive(Debug)]
pub(super) struct Acceptors {
    reader: Reader,
    tickets: Arc<dyn ProducesTickets>,
}

/// What is known about a client's connection when it is TLS.
#[derive(Debug)]
pub(super) struct Secured {
    /// The certificate that the client got because of the name it asked for; none: it got the default one, with which
    /// it takes what it gets.
    certificate: Option<Arc<Certificate>>,
    is_http2: bool,
}

impl Acceptors {
    /// Acceptors whose certificates are those of the newest snapshot.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(super) fn new(reader: Reader) -> Result<Self, rustls::Error> {
        Ok(Self { reader, tickets: Ticketer::new()? })
    }

    /// The acceptor of the listener that is configured with this address.
    ///
    /// # Errors
    /// If rustls does not know the versions that we ask it for.
    pub(super) fn acceptor(&self, address: SocketAddr, config: Config) -> Result<Acceptor, rustls::Error> {
        let certificates = Arc::new(Current { reader: self.reader.clone(), address });
        let versions: &[&SupportedProtocolVersion] = match config.min_version {
            Version::V1_2 => &[&version::TLS13, &version::TLS12],
            Version::V1_3 => &[&version::TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&certificates));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        config.ticketer = Arc::clone(&self.tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let mut refusing = config.clone();
        refusing.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Acceptor { config: Arc::new(config), refusing: Arc::new(refusing), certificates })
    }
}

/// The certificates of one listener, in the newest snapshot.
#[derive(Debug)]
struct Current {
    reader: Reader,
    address: SocketAddr,
}

impl Current {
    fn find(&self, name: Option<&str>) -> Option<(Arc<Certificate>, Chosen)> {
        let snapshot = self.reader.current()?;
        let (certificate, chosen) = snapshot.certificates.of(self.address)?.find(name);
        Some((Arc::clone(certificate), chosen))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).map(|(certificate, _)| Arc::clone(&certificate.key))
    }
}

impl Secured {
    /// Has HTTP/2 been agreed upon?
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// May this host, which is in its canonical form, be asked for over this connection?
    pub(super) fn covers(&self, host: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| certificate.covers(host))
    }
}

/// Why a connection never got to HTTP.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Its first byte is none of a handshake.
    #[error("it speaks no TLS")]
    NoTls,
    /// Its time is over.
    #[error("the handshake took too long")]
    Timeout,
    /// It broke, or rustls broke it off.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The handshake, within its time limit.
pub(super) async fn accept(
    acceptor: &Acceptor,
    worker: &Worker,
    watch: &Watch,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Secured), Failure> {
    let until = worker.coarse().plus(worker.limits.handshake);
    watch.enter(Phase::FirstByte, until);
    let mut handshake = pin!(handshake(acceptor, stream, || watch.enter(Phase::Handshake, until)));
    let ended = poll_fn(|cx| {
        watch.register(cx);
        if watch.is_expired() {
            return Poll::Ready(Err(Failure::Timeout));
        }
        handshake.as_mut().poll(cx)
    });
    let stream = ended.await.inspect_err(|_| worker.metrics.tls_handshake_failures.inc())?;
    worker.metrics.tls_handshakes.inc();
    watch.enter(Phase::FirstByte, worker.coarse().plus(worker.limits.first_byte));
    let session = stream.get_ref().1;
    let secured = acceptor.secured(session.server_name(), session.alpn_protocol() == Some(HTTP2));
    Ok((stream, secured))
}

impl Acceptor {
    /// A handshake only to say no. It has no time limit of its own.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn accept_to_refuse(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.refusing)).accept(stream).await
    }

    fn secured(&self, name: Option<&str>, is_http2: bool) -> Secured {
        let found = self.certificates.find(name).filter(|(_, chosen)| *chosen == Chosen::ByName);
        Secured { certificate: found.map(|(certificate, _)| certificate), is_http2 }
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn handshake(
    acceptor: &Acceptor,
    mut stream: TcpStream,
    begun: impl FnOnce(),
) -> Result<TlsStream<TcpStream>, Failure> {
    let mut first = [0];
    // Looked at before rustls does, which would answer with an alert that no browser shows.
    let peeked = stream.peek(&mut first).await?;
    begun();
    if peeked == 1 && first[0] != HANDSHAKE {
        if first[0].is_ascii_uppercase() {
            refuse(&mut stream).await?;
        }
        return Err(Failure::NoTls);
    }
    Ok(TlsAcceptor::from(Arc::clone(&acceptor.config)).accept(stream).await?)
}

/// Somebody speaks plain HTTP: the answer says so in it.
async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    const TEXT: &str = "400 Bad Request\nThis port speaks HTTPS; the request came as plain HTTP.\n";
    let length = TEXT.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{TEXT}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LEFTOVER), &mut tokio::io::sink()).await.map(drop)
}
