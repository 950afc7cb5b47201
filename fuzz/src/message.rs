//! HTTP/1 read without mercy: anything that is not exactly as it should be is a panic. Whoever is behind the proxy must
//! never see it, and neither must a client.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

/// A request or a response, whole.
#[derive(Debug)]
pub(crate) struct Message {
    /// The parts of its first line.
    pub(crate) line: [String; 3],
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    /// The response to HEAD.
    Bodiless,
}

/// One side of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) stream: TcpStream,
    rest: Vec<u8>,
}

impl Message {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| &*field.1)
    }

    pub(crate) fn status(&self) -> u16 {
        self.line[1].parse().expect("a status")
    }

    /// Is it the last one on its connection?
    pub(crate) fn closes(&self) -> bool {
        let lasts = self.line[0] == "HTTP/1.1" || self.field("connection") == Some("keep-alive");
        !lasts || self.field("connection") == Some("close")
    }
}

impl Reader {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// The next message; `None` if the connection ends before it does.
    pub(crate) fn message(&mut self, kind: Kind) -> Option<Message> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 2;
            }
            self.fill()?;
        };
        let head: Vec<u8> = self.rest.drain(..end).collect();
        self.rest.drain(..2);
        let (line, fields) = parse(&head);
        let mut message = Message { line, fields, body: Vec::new() };
        message.body = self.body(&message, kind)?;
        Some(message)
    }

    /// Is the connection at its end?
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.rest.is_empty() && self.fill().is_none()
    }

    fn body(&mut self, message: &Message, kind: Kind) -> Option<Vec<u8>> {
        let is_bodiless = kind == Kind::Response && matches!(message.status(), 100..200 | 204 | 304);
        if is_bodiless || kind == Kind::Bodiless {
            return Some(Vec::new());
        }
        let all = |name: &str| message.fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name)).count();
        assert!(all("content-length") + all("transfer-encoding") <= 1, "two lengths: {message:?}");
        if let Some(coding) = message.field("transfer-encoding") {
            assert_eq!(coding, "chunked");
            return self.chunks();
        }
        match message.field("content-length") {
            Some(length) => {
                assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{length:?}");
                self.exactly(length.parse().expect("a length"))
            }
            None if kind == Kind::Request => Some(Vec::new()),
            None => {
                while self.fill().is_some() {}
                Some(std::mem::take(&mut self.rest))
            }
        }
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            assert!(!size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit()), "a chunk of {size:?}");
            let size = usize::from_str_radix(&size, 16).expect("a size");
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.exactly(size)?);
            assert_eq!(self.line()?, "", "more than the chunk");
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").expect("CRLF");
                assert!(!line.contains(&b'\r'), "a bare CR");
                return Some(text(line));
            }
            self.fill()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.rest.len() < length {
            self.fill()?;
        }
        Some(self.rest.drain(..length).collect())
    }

    /// Reads what there is; `None` at the end.
    fn fill(&mut self) -> Option<()> {
        let mut space = [0; 4096];
        match self.stream.read(&mut space) {
            Ok(0) => None,
            Ok(read) => {
                self.rest.extend_from_slice(&space[..read]);
                Some(())
            }
            // libFuzzer looks now and then whether an input takes too long.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes, after {:?}", self.rest),
            Err(_) => None,
        }
    }
}

/// One character for each byte.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A head up to its last line's end.
fn parse(head: &[u8]) -> ([String; 3], Vec<(String, String)>) {
    let head = text(head);
    let mut lines = head.strip_suffix("\r\n").expect("a line").split("\r\n");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "a line that does not end: {head:?}");
    let line: Vec<&str> = lines.next().expect("a line").splitn(3, ' ').collect();
    let [a, b, c] = line[..] else { panic!("no first line: {head:?}") };
    let is_token = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !"(),/:;<=>?@[\\]{}\"".contains(c))
    };
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
        assert!(is_token(name), "no name: {line:?}");
        (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
    });
    ([a.to_owned(), b.to_owned(), c.to_owned()], fields.collect())
}
