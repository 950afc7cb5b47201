//! A browser, as far as a proxy can tell: one kept connection, cookies with paths, and a second try when a kept connection
//! turns out to be closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cookie::Cookie;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

/// One user's client.
pub(crate) struct Client {
    at: SocketAddr,
    host: String,
    pub(crate) cookies: Vec<Cookie<'static>>,
    /// How often it had to ask again, since a kept connection turned out to be closed.
    pub(crate) resent: usize,
    reloads_for: Duration,
    connection: Option<SendRequest<Empty<Bytes>>>,
    tls: Option<TlsConnector>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A response, and when it was there.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn served_by(&self) -> &str {
        self.header("x-served-by")
    }

    /// The whole `Set-Cookie` of a name; empty if there is none.
    pub(crate) fn set_cookie(&self, name: &str) -> &str {
        let all = self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().expect("text"));
        all.into_iter().find(|text| text.split('=').next() == Some(name)).unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn new(at: SocketAddr, host: &str) -> Self {
        Self {
            at,
            host: host.to_owned(),
            cookies: Vec::new(),
            resent: 0,
            reloads_for: Duration::ZERO,
            connection: None,
            tls: None,
        }
    }

    /// Whose user tries again for so long when nobody answers.
    pub(crate) fn reloading_for(self, time: Duration) -> Self {
        Self { reloads_for: time, ..self }
    }

    /// Over TLS, with somebody who shows this certificate.
    pub(crate) fn trusting(at: SocketAddr, host: &str, certificate: &CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        Self { tls: Some(Arc::new(config).into()), ..Self::new(at, host) }
    }

    /// # Panics
    /// If nothing comes back.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.attempt(path, headers).await.unwrap_or_else(|error| panic!("GET {}{path}: {error}", self.host))
    }

    pub(crate) async fn attempt(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let started = Instant::now();
        loop {
            let was_kept = self.connection.is_some();
            match timeout(PATIENCE, self.exchange(path, headers)).await {
                Ok(Ok(answer)) => return Ok(answer),
                // A response that breaks off is a failure, whatever the connection was.
                Ok(Err(error)) if was_kept && error != BROKEN_OFF => {
                    self.connection = None;
                    self.resent += 1;
                }
                Ok(Err(_)) if started.elapsed() < self.reloads_for => {
                    self.connection = None;
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(format!("nothing within {PATIENCE:?}")),
            }
        }
    }

    async fn exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let said = |error: hyper::Error| format!("{error:?}");
        let mut sender = match self.connection.take() {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let mut request = Request::get(path).header(header::HOST, &self.host);
        let cookies = self.cookies_for(path);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender.ready().await.map_err(said)?;
        let response = sender.send_request(request.body(Empty::new()).expect("a request")).await.map_err(said)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| BROKEN_OFF)?.to_bytes();
        let is_last = head.headers.get(header::CONNECTION).is_some_and(|value| value == "close");
        self.connection = (!is_last).then_some(sender);
        let body = String::from_utf8_lossy(&body).into_owned();
        let answer = Answer { status: head.status, headers: head.headers, body };
        self.remember(path, &answer);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream = timeout(DIAL, TcpStream::connect(self.at)).await.map_err(|_| "nobody takes the connection")?;
        let stream = stream.map_err(|error| error.to_string())?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).expect("a host");
                Box::new(tls.connect(name, stream).await.map_err(|error| error.to_string())?)
            }
            None => Box::new(stream),
        };
        let stream = TokioIo::new(stream);
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn cookies_for(&self, path: &str) -> String {
        let fits = |cookie: &&Cookie<'_>| path.starts_with(cookie.path().unwrap_or("/"));
        let pairs = self.cookies.iter().filter(fits).map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn remember(&mut self, path: &str, answer: &Answer) {
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let text = value.to_str().expect("text").to_owned();
            let cookie = Cookie::parse(text).unwrap_or_else(|error| panic!("{path}: {value:?}: {error}"));
            self.cookies.retain(|old| (old.name(), old.path()) != (cookie.name(), cookie.path()));
            if cookie.max_age() != Some(cookie::time::Duration::ZERO) {
                self.cookies.push(cookie);
            }
        }
    }
}

const BROKEN_OFF: &str = "the response has broken off";
/// Longer than anybody is held.
const PATIENCE: Duration = Duration::from_secs(90);
const DIAL: Duration = Duration::from_secs(5);
