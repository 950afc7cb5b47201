//! A small HTTP client: one kept-alive connection, one cookie jar. It never sends a request twice.

mod jar;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::jar::Jar;
use crate::file::HOST;

/// A client with a jar of its own.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    jar: Jar,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The instance, if the answer is one's.
    pub(crate) served_by: Option<String>,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, jar: Jar::default(), connection: None }
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn send(&mut self, method: &Method, target: &str, body: &str) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::from(body.to_owned()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse()?;
        request.headers_mut().insert(header::HOST, HOST.parse()?);
        if let Some(cookies) = self.jar.header() {
            request.headers_mut().insert(header::COOKIE, cookies.parse()?);
        }
        timeout(PATIENCE, self.exchange(request)).await.with_context(|| format!("no answer within {PATIENCE:?}"))?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        if let Some(kept) = &mut self.connection
            && kept.ready().await.is_err()
        {
            self.connection = None;
        }
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => connect(self.address).await?,
        };
        let (head, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some(connection);
        self.jar.store(&head.headers);
        Ok(Answer { status: head.status, served_by: served_by(&head.headers), body })
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the client; what goes wrong, the request that is under way hears.
    tokio::spawn(connection);
    Ok(sender)
}

fn served_by(headers: &HeaderMap) -> Option<String> {
    headers.get("x-served-by").and_then(|name| name.to_str().ok()).map(str::to_owned)
}

/// Longer than any restart takes.
const PATIENCE: Duration = Duration::from_secs(10);
