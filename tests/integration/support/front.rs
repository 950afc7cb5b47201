//! TLS in front of a server that has none: as an endpoint with TLS is, for whoever connects.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A front. Dropping it ends it, and all that goes through it.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    config: Mutex<Option<Arc<ServerConfig>>>,
    cuts: AtomicBool,
    full: AtomicUsize,
    resumed: AtomicUsize,
    failed: AtomicUsize,
    names: Mutex<Vec<Option<String>>>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

/// TLS before this server, with a certificate and its key in PEM, which speaks these protocols.
pub(crate) async fn front(behind: SocketAddr, certificate: &(String, String), alpn: &[&str]) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let state = Arc::new(State { config: Mutex::new(Some(config(certificate, alpn))), ..State::default() });
    let shared = Arc::clone(&state);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = tokio::spawn(serve(stream, behind, Arc::clone(&shared)));
            shared.connections.lock().unwrap().push(connection);
        }
    });
    Front { address, state, accepting }
}

fn config((cert, key): &(String, String), alpn: &[&str]) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).expect("a pair");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

async fn serve(stream: TcpStream, behind: SocketAddr, state: Arc<State>) {
    let config = state.config.lock().unwrap().clone().expect("a certificate");
    let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else {
        state.failed.fetch_add(1, Ordering::SeqCst);
        return;
    };
    let tls = stream.get_ref().1;
    let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
    state.names.lock().unwrap().push(tls.server_name().map(ToOwned::to_owned));
    (if resumed { &state.resumed } else { &state.full }).fetch_add(1, Ordering::SeqCst);
    if let Ok(mut server) = TcpStream::connect(behind).await {
        if state.cuts.load(Ordering::SeqCst) {
            let (mut answers, mut requests) = server.split();
            let (mut from, mut to) = tokio::io::split(stream);
            // The first of both that ends is the server's: the client waits for it.
            tokio::select! {
                _ = tokio::io::copy(&mut answers, &mut to) => {}
                _ = tokio::io::copy(&mut from, &mut requests) => {}
            }
            return;
        }
        // Whatever ends it, it has ended.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    }
}

impl Front {
    /// No TLS at all: says this to whoever has said something.
    pub(crate) async fn plain(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, state, accepting }
    }

    /// TLS that ends when the server behind it does, without saying so.
    pub(crate) async fn cut(behind: SocketAddr, certificate: &(String, String)) -> Self {
        let front = front(behind, certificate, &["http/1.1"]).await;
        front.state.cuts.store(true, Ordering::SeqCst);
        front
    }

    /// From the next connection on.
    pub(crate) fn show(&self, certificate: &(String, String), alpn: &[&str]) {
        *self.state.config.lock().unwrap() = Some(config(certificate, alpn));
    }

    /// Handshakes that began anew, and those that went on from a ticket.
    pub(crate) fn handshakes(&self) -> (usize, usize) {
        (self.state.full.load(Ordering::SeqCst), self.state.resumed.load(Ordering::SeqCst))
    }

    /// Handshakes that came to nothing.
    pub(crate) fn failed(&self) -> usize {
        self.state.failed.load(Ordering::SeqCst)
    }

    /// The names that were asked for.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.state.names.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}
