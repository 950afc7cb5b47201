//! HTTP/2 by hand: frames are written as they are given, sound or not, and read back one by one.
//!
//! Heads are written as literals without an index, which needs no state. What comes back is understood as far as its
//! status: [`Connection::open`] says that it has no room for a table, so that answers need none either.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame, as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    /// What has been read beyond the last frame.
    rest: Vec<u8>,
}

/// How a connection came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this error and what was said about it.
    GoAway(u32, String),
    /// Without a word.
    Closed,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
    Frame { kind, flags, stream, payload: payload.into() }
}

/// The largest window.
pub(crate) const LARGEST: u32 = (1 << 31) - 1;

/// A window for each stream, and for all of them together one that is no bound.
pub(crate) fn windows(each: u32) -> [Frame; 2] {
    let settings = [&[0, 4][..], &each.to_be_bytes()].concat();
    [frame(SETTINGS, 0, 0, settings), grant(0, LARGEST - 65_535)]
}

/// So much more may come.
pub(crate) fn grant(stream: u32, window: u32) -> Frame {
    frame(WINDOW_UPDATE, 0, stream, window.to_be_bytes())
}

/// The head of a `GET`, which ends its stream.
pub(crate) fn get(stream: u32, path: &str) -> Frame {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    frame(HEADERS, END_STREAM | END_HEADERS, stream, block(&fields))
}

/// The head of a `POST`, whose body is still to come.
pub(crate) fn post(stream: u32, path: &str) -> Frame {
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    frame(HEADERS, END_HEADERS, stream, block(&fields))
}

/// A header block of these fields.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

/// A string as it is, with its length before it (RFC 7541 §5.2).
fn string(block: &mut Vec<u8>, text: &str) {
    match text.len().checked_sub(127) {
        None => block.push(text.len() as u8),
        Some(mut more) => {
            block.push(127);
            while more >= 128 {
                block.push(more as u8 | 128);
                more >>= 7;
            }
            block.push(more as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

impl Frame {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes(), &self.payload].concat()
    }

    /// The number that the payload has at this place.
    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    /// The status of an answer's head, which comes first in it.
    pub(crate) fn status(&self) -> u16 {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        // The size of the table may be said before it.
        let start = self.payload.iter().position(|byte| byte >> 5 != 1).expect("a field");
        match &self.payload[start..] {
            [first @ 0x88..=0x8e, ..] => INDEXED[usize::from(first - 0x88)],
            // A literal whose name is `:status`, as it is or in Huffman's code.
            [0x08 | 0x18 | 0x48, 3, digits @ ..] => std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap(),
            [0x08 | 0x18 | 0x48, length, code @ ..] => digits(&code[..usize::from(length & 0x7f)]),
            other => panic!("no status: {other:?}"),
        }
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B): 0 to 2 have five bits, the others six.
fn digits(code: &[u8]) -> u16 {
    let bits: String = code.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut rest = &bits[..];
    let mut number = 0;
    for _ in 0..3 {
        let short = u16::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, length) =
            if short < 3 { (short, 5) } else { (u16::from_str_radix(&rest[..6], 2).unwrap() - 22, 6) };
        number = number * 10 + digit;
        rest = &rest[length..];
    }
    number
}

impl Connection {
    /// A connection on which the preface has been sent, and settings that leave no room for a table.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the proxy listens");
        stream.set_nodelay(true).expect("an option");
        Self::over(stream).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The same over what is connected already.
    pub(crate) async fn over(stream: S) -> Self {
        let mut connection = Self { stream, rest: Vec::new() };
        let settings = frame(SETTINGS, 0, 0, [0, 1, 0, 0, 0, 0]);
        connection.send_bytes(&[PREFACE, &settings.bytes()].concat()).await;
        connection
    }

    /// Sends frames in one piece.
    pub(crate) async fn send(&mut self, frames: &[Frame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        // A proxy that has closed already shows that in what comes back.
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("somebody reads");
    }

    /// The next frame; `None` at the end of the connection, however it came.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((&[a, b, c, kind, flags, s, t, u, v], payload)) = self.rest.split_first_chunk() {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if payload.len() >= length {
                    let found = frame(kind, flags, u32::from_be_bytes([s, t, u, v]), &payload[..length]);
                    self.rest.drain(..9 + length);
                    return Some(found);
                }
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.rest)).await.expect("a frame or an end");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads up to the end of this stream's answer: its status and its body. What comes on other streams is passed
    /// over, and what has to be acknowledged is.
    pub(crate) async fn answer(&mut self, stream: u32) -> (u16, Vec<u8>) {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let next = self.next().await.expect("an answer");
            match next.kind {
                SETTINGS if next.flags & ACK == 0 => self.send(&[frame(SETTINGS, ACK, 0, [])]).await,
                PING if next.flags & ACK == 0 => self.send(&[frame(PING, ACK, 0, next.payload)]).await,
                HEADERS if next.stream == stream && status == 0 => status = next.status(),
                DATA if next.stream == stream => body.extend_from_slice(&next.payload),
                RST_STREAM if next.stream == stream => panic!("reset with {}", next.number(0)),
                GOAWAY => panic!("{:?}", end(&next)),
                _ => {}
            }
            if next.stream == stream && matches!(next.kind, HEADERS | DATA) && next.flags & END_STREAM != 0 {
                return (status, body);
            }
        }
    }

    /// Reads up to the end of the connection.
    pub(crate) async fn end(&mut self) -> End {
        let mut last = End::Closed;
        while let Some(next) = self.next().await {
            if next.kind == GOAWAY {
                last = end(&next);
            }
        }
        last
    }
}

fn end(goaway: &Frame) -> End {
    End::GoAway(goaway.number(4), String::from_utf8_lossy(&goaway.payload[8..]).into_owned())
}
