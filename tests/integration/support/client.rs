//! A client that shows every byte: it sends what it is told and reads one response at a time.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Origin, PATIENCE};

/// One connection to the proxy, and a jar with one cookie.
#[derive(Debug)]
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    address: SocketAddr,
    /// What has been read beyond the last response.
    rest: Vec<u8>,
    /// The session cookie as it is sent back: `name=value`.
    pub(crate) cookie: Option<String>,
}

/// A response, whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Did the body come to its end, as its length or its chunks say?
    pub(crate) complete: bool,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the proxy listens");
        Self::over(stream, address)
    }

    /// The same client over a new connection.
    pub(crate) async fn reconnect(&mut self) {
        let cookie = self.cookie.take();
        *self = Self::connect(self.address).await;
        self.cookie = cookie;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A client that speaks over what is connected already.
    pub(crate) fn over(stream: S, address: SocketAddr) -> Self {
        Self { stream, address, rest: Vec::new(), cookie: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "").await
    }

    pub(crate) async fn get_with(&mut self, path: &str, fields: &str) -> Response {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}"), "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Response {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        self.request(&head, body).await
    }

    /// Sends a head, which it ends itself, with the cookie that it has; keeps the one that it gets.
    pub(crate) async fn request(&mut self, head: &str, body: &str) -> Response {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        self.send(format!("{head}{cookie}\r\n{body}").as_bytes()).await;
        let response = self.response_to(head.starts_with("HEAD")).await.expect("an answer");
        if let Some(set) = response.field("set-cookie").filter(|set| set.starts_with("moorline=")) {
            let pair = set.split(';').next().expect("a first part");
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        response
    }

    /// Begins sessions until one is at this server.
    pub(crate) async fn moor_at(&mut self, origin: &Origin) {
        while self.get("/").await.expect(200).served_by() != origin.name {
            self.cookie = None;
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A proxy that has closed already shows that in what comes back.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    pub(crate) async fn response(&mut self) -> Option<Response> {
        self.response_to(false).await
    }

    /// `None` if the connection was closed before a response began.
    async fn response_to(&mut self, is_head: bool) -> Option<Response> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                break at + 4;
            }
            if self.read().await == 0 {
                return None;
            }
        };
        let head: Vec<u8> = self.rest.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let fields = lines.filter_map(field).collect();
        let mut response = Response { status, fields, body: Vec::new(), complete: true };
        if !is_head && !matches!(status, 100..200 | 204 | 304) {
            self.read_body(&mut response).await;
        }
        Some(response)
    }

    async fn read_body(&mut self, response: &mut Response) {
        if response.field("transfer-encoding") == Some("chunked") {
            response.complete = self.read_chunks(&mut response.body).await;
        } else if let Some(length) = response.field("content-length") {
            let length = length.parse().expect("a length");
            response.complete = self.read_exactly(length, &mut response.body).await;
        } else {
            while self.read().await > 0 {}
            response.body = std::mem::take(&mut self.rest);
        }
    }

    async fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                if !self.read_exactly(1, &mut line).await {
                    return false;
                }
            }
            let size = std::str::from_utf8(&line).expect("a size").trim();
            let size = usize::from_str_radix(size, 16).expect("a size");
            let mut end = Vec::new();
            if !self.read_exactly(size, body).await || !self.read_exactly(2, &mut end).await {
                return false;
            }
            assert_eq!(end, b"\r\n");
            if size == 0 {
                return true;
            }
        }
    }

    async fn read_exactly(&mut self, length: usize, into: &mut Vec<u8>) -> bool {
        while self.rest.len() < length {
            if self.read().await == 0 {
                into.append(&mut self.rest);
                return false;
            }
        }
        into.extend(self.rest.drain(..length));
        true
    }

    /// Reads what there is; 0 at the end of the connection, however it came.
    async fn read(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.rest)).await.expect("an answer in time");
        read.unwrap_or(0)
    }

    /// So many bytes, whatever they are; fewer at the end of the connection.
    pub(crate) async fn read_raw(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_exactly(length, &mut bytes).await;
        bytes
    }

    /// Reads until these bytes have come; those before them are skipped.
    pub(crate) async fn reads(&mut self, wanted: &str) {
        loop {
            if let Some(at) = find(&self.rest, wanted.as_bytes()) {
                self.rest.drain(..at + wanted.len());
                return;
            }
            assert!(self.read().await > 0, "{wanted:?} never comes: {:?}", String::from_utf8_lossy(&self.rest));
        }
    }

    /// Is the connection at its end?
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.rest.is_empty() && self.read().await == 0
    }
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Who answered.
    pub(crate) fn served_by(&self) -> &str {
        self.field("x-served-by").unwrap_or("nobody")
    }

    /// A field of the request as the origin saw it.
    pub(crate) fn seen(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}: ");
        self.text().lines().find_map(|line| line.strip_prefix(&prefix).map(ToOwned::to_owned))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
