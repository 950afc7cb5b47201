//! The origin of the comparison: answers every bodyless request with the same bytes, so that it costs far less than
//! the proxies in front of it.
//!
//! `origin --listen 127.0.0.1:0 --count 3 --body 200` opens that many listeners on one thread, prints their addresses,
//! one a line, and serves until it is ended. Connections are kept alive, pipelined requests and heads that arrive in
//! pieces are answered correctly. `GET /seen` answers with the request's own head: `run` reads there what a proxy adds
//! and strips.
//!
//! It is no HTTP server: it never looks at methods, bodies or `Connection: close`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

fn main() -> anyhow::Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, run(args))
}

/// What was typed after the program's name.
struct Args {
    listen: SocketAddr,
    count: usize,
    body: usize,
}

impl Args {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut args = Self::default();
        while let Some(flag) = words.next() {
            let value = words.next().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--listen" => args.listen = value.parse()?,
                "--count" => args.count = value.parse()?,
                "--body" => args.body = value.parse()?,
                _ => bail!("unknown flag {flag}; known are --listen, --count and --body"),
            }
        }
        Ok(args)
    }
}

impl Default for Args {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), count: 3, body: 200 }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let mut servers = Vec::with_capacity(args.count);
    let mut stdout = io::stdout();
    for number in 1..=args.count {
        let listener =
            TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
        writeln!(stdout, "{}", listener.local_addr()?)?;
        let answer = response(number, "x".repeat(args.body).as_bytes());
        servers.push(tokio::task::spawn_local(accept(listener, number, answer.into())));
    }
    stdout.flush()?;
    for server in servers {
        server.await??;
    }
    Ok(())
}

async fn accept(listener: TcpListener, number: usize, answer: Rc<[u8]>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = Rc::clone(&answer);
        // A peer that goes away is the end of its connection and nobody else's business.
        tokio::task::spawn_local(async move { serve(stream, number, &answer).await.ok() });
    }
}

/// Answers one connection until the peer closes it.
async fn serve(mut stream: TcpStream, number: usize, answer: &[u8]) -> io::Result<()> {
    let mut received = Vec::with_capacity(8 * 1024);
    let mut answers = Vec::with_capacity(answer.len());
    while stream.read_buf(&mut received).await? > 0 {
        let mut done = 0;
        while let Some(length) = head_length(&received[done..]) {
            let head = &received[done..done + length];
            if head.starts_with(b"GET /seen ") {
                answers.extend_from_slice(&response(number, head));
            } else {
                answers.extend_from_slice(answer);
            }
            done += length;
        }
        received.drain(..done);
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
            answers.clear();
        }
    }
    Ok(())
}

/// How many bytes the first complete request head takes, its empty line included.
fn head_length(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let start = bytes.windows(END.len()).position(|window| window == END)?;
    Some(start + END.len())
}

/// A whole response. It carries a `Date`, so that no proxy has a reason to add one.
fn response(number: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-cache\r\n\
         X-Served-By: origin-{number}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
