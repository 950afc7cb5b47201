//! The client of a running proxy's admin API: one request, one answer, within a few seconds.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Somebody waits at a terminal.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than any list of sessions that was asked for.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

const NO_ANSWER: &str = "  Is moorline running? It says at its start where its admin API listens.
  If that is somewhere else: --admin http://ADDRESS:PORT, or MOORLINE_ADMIN.";

const NO_ADMIN: &str =
    "  Is it the admin API, and not a listener for clients? Moorline says at its start where each of them is.";

/// Why a running proxy gave no answer, with what could be done about it.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// `--admin` is no such URL.
    #[error("{0:?} is not the URL of an admin API: write it as http://127.0.0.1:9901")]
    Url(String),
    /// Nobody listens there.
    #[error("no admin API answers at {url}: {source}\n{NO_ANSWER}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// Something listens there that does not speak HTTP, or stops in the middle.
    #[error("what listens at {url} does not answer like an admin API: {source}\n{NO_ADMIN}")]
    Broken {
        /// Where it listens.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It says no.
    #[error("the admin API at {url} answers {status}\n{NO_ADMIN}")]
    Refused {
        /// Where it listens.
        url: String,
        /// What it says.
        status: StatusCode,
    },
    /// It says nothing.
    #[error("the admin API at {0} did not answer within {secs} s", secs = TIMEOUT.as_secs())]
    Silent(String),
}

/// What stands at `path` of the admin API at `url`.
pub(super) async fn get(url: &str, path: &str) -> Result<Bytes, AdminError> {
    match tokio::time::timeout(TIMEOUT, exchange(url, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(AdminError::Silent(url.to_owned())),
    }
}

async fn exchange(url: &str, path: &str) -> Result<Bytes, AdminError> {
    let base: Uri = url.parse().map_err(|_| AdminError::Url(url.to_owned()))?;
    let authority = match (base.scheme_str(), base.authority()) {
        (Some("http"), Some(authority)) => authority,
        // 127.0.0.1:9901 alone is what `moorline run --admin` takes.
        (None, Some(authority)) if authority.port().is_some() => authority,
        _ => return Err(AdminError::Url(url.to_owned())),
    };
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await;
    let stream = stream.map_err(|source| AdminError::Unreachable { url: url.to_owned(), source })?;
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| AdminError::Broken { url: url.to_owned(), source };

    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
    let req = Request::get(format!("{}{path}", base.path().trim_end_matches('/')))
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(error.into()))?;
    let answer = async {
        let rsp = sender.send_request(req).await.map_err(|error| broken(error.into()))?;
        let status = rsp.status();
        if status != StatusCode::OK {
            return Err(AdminError::Refused { url: url.to_owned(), status });
        }
        Ok(Limited::new(rsp.into_body(), MAX_ANSWER).collect().await.map_err(broken)?.to_bytes())
    };
    // The connection only moves while it is polled; once the answer is there nobody needs it any more.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// A text as the value of a query parameter.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The answer, if it has the shape that was expected.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(url: &str, answer: &[u8]) -> Result<T, AdminError> {
    serde_json::from_slice(answer).map_err(|error| AdminError::Broken { url: url.to_owned(), source: error.into() })
}
