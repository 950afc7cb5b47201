//! One kept-alive connection, spoken in plain bytes.

use std::{io, net::SocketAddr};

use axum::http::{HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Answer, soon};

/// A client with one connection.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn open(addr: SocketAddr) -> io::Result<Self> {
        soon(TcpStream::connect(addr)).await.map(Self)
    }

    /// Where the connection comes from.
    ///
    /// # Panics
    /// If the socket has no address.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If they cannot be sent.
    pub async fn send(&mut self, bytes: &str) {
        soon(self.0.write_all(bytes.as_bytes())).await.expect("to send");
    }

    /// Sends a request without a body and reads its answer.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: x\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("content-length: {}\r\n", body.len());
        }
        self.send(&format!("{request}\r\n{body}")).await;
        if method == "HEAD" { self.head().await.0 } else { self.answer().await }
    }

    /// Reads one answer: its head, and as much as its Content-Length says.
    ///
    /// # Panics
    /// If there is none.
    pub async fn answer(&mut self) -> Answer {
        let (mut answer, length) = self.head().await;
        let mut body = vec![0; length];
        soon(self.0.read_exact(&mut body)).await.expect("a body");
        answer.body = String::from_utf8(body).expect("UTF-8");
        answer
    }

    /// Waits until the other side closes, whether in peace or with a reset.
    ///
    /// # Panics
    /// If it sends something instead.
    pub async fn closed(&mut self) {
        let rest = soon(self.0.read_to_end(&mut Vec::new())).await;
        assert!(matches!(rest, Ok(0) | Err(_)), "more bytes came: {rest:?}");
    }

    /// Reads an answer's head. Returns how long its body is as well.
    async fn head(&mut self) -> (Answer, usize) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(self.0.read_u8()).await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let headers: Vec<(HeaderName, HeaderValue)> = headers.collect();
        let answer =
            Answer { status: status.expect("a status"), headers: headers.into_iter().collect(), body: String::new() };
        let length = answer.header("content-length").parse().unwrap_or(0);
        (answer, length)
    }
}
