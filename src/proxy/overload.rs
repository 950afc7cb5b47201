//! Connections that are one too many: turned away at once, with an answer where that costs little.
//!
//! ## Why only so many are told
//! An answer needs a descriptor, a moment, and over TLS a handshake: the client would not understand anything else. What
//! is there to protect the proxy must not be what brings it down, so only so many are told; the others are reset,
//! which costs nothing, and are counted.
//!
//! ## Why the answer waits for a request
//! Clients that keep connections take what comes unasked for a fault of the connection (Go: "unsolicited response").
//! The first bytes of a request are enough; what follows them is [`Linger`]'s.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::announced::receive;
use super::linger::Linger;
use super::listener::Rules;
use super::socket::reset_at_end;
use super::worker::Worker;

/// So many are told, while they live on the descriptors that are kept back.
pub(super) const MOST_IN_RESERVE: usize = 8;
/// How long a client has for its handshake and the begin of its request.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long it has to take the answer.
pub(super) const TAKEN: Duration = Duration::from_millis(200);

const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-type: text/plain; charset=utf-8\r\n\
                      cache-control: no-store\r\ncontent-length: 88\r\nconnection: close\r\n\r\n\
                      503 Service Unavailable\nThis server has too many clients. Please try again in a moment.\n";

/// What a request begins with whose answer has no body.
const HEAD: &[u8] = b"HEAD ";

/// How many are being told, by all workers.
#[derive(Clone, Debug)]
pub(super) struct Overload {
    told: Arc<AtomicUsize>,
    most: usize,
}

/// Why a connection is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// As many are open as are allowed.
    Connections,
    /// It got one of the last descriptors.
    Descriptors,
}

/// One of those who are being told, until it is dropped.
#[derive(Debug)]
struct Told(Overload);

impl Overload {
    /// So many at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { told: Arc::default(), most }
    }

    fn take(&self, reason: Reason) -> Option<Told> {
        let most = match reason {
            Reason::Connections => self.most,
            Reason::Descriptors => MOST_IN_RESERVE,
        };
        let told = Told(self.clone());
        (self.told.fetch_add(1, Ordering::Relaxed) < most).then_some(told)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Turns a connection away.
pub(super) fn turn_away(worker: &Worker, stream: TcpStream, rules: &Rc<Rules>, reason: Reason) {
    worker.metrics.connections_refused.inc();
    let Some(told) = worker.overload.take(reason) else {
        worker.metrics.connections_reset.inc();
        // A reset leaves nothing behind that would need memory for a while.
        return reset_at_end(&stream);
    };
    let rules = Rc::clone(rules);
    tokio::task::spawn_local(async move {
        let _told = told;
        // Whoever is not listening any more does not need an answer.
        let _ = tell(stream, &rules).await;
    });
}

async fn tell(mut stream: TcpStream, rules: &Rules) -> io::Result<()> {
    // Whoever it is for.
    if rules.announcers.is_some() && !matches!(timeout(PATIENCE, receive(&mut stream, || {})).await, Ok(Ok(_))) {
        return Ok(());
    }
    let Some(tls) = &rules.tls else { return answer(stream).await };
    match timeout(PATIENCE, tls.accept_to_refuse(stream)).await {
        Ok(accepted) => answer(accepted?).await,
        Err(_) => Ok(()),
    }
}

/// Answers whatever is asked.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut stream = Linger::new(stream);
    let Ok(asked) = timeout(PATIENCE, asked(&mut stream)).await else { return Ok(()) };
    let Some(answer) = asked? else { return Ok(()) };
    let rest = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(TAKEN, rest).await.unwrap_or(Ok(()))
}

/// Reads the begin of a request, up to where it shows whether its answer has a body. `None` if none comes.
async fn asked(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<&'static str>> {
    let mut begun = [0; 1024];
    let mut length = 0;
    while HEAD.starts_with(&begun[..length]) && length < HEAD.len() {
        match stream.read(&mut begun[length..]).await? {
            0 if length == 0 => return Ok(None),
            0 => break,
            read => length += read,
        }
    }
    let end = ANSWER.find("\r\n\r\n").map_or(ANSWER.len(), |end| end + 4);
    Ok(Some(if begun[..length].starts_with(HEAD) { &ANSWER[..end] } else { ANSWER }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }

    #[test]
    fn only_so_many_are_told_at_a_time() {
        let overload = Overload::new(20);
        let told: Vec<_> = std::iter::from_fn(|| overload.take(Reason::Descriptors)).collect();
        assert_eq!(told.len(), MOST_IN_RESERVE);
        let others: Vec<_> = std::iter::from_fn(|| overload.take(Reason::Connections)).collect();
        assert_eq!(told.len() + others.len(), 20);
        drop(others);
        assert!(overload.take(Reason::Descriptors).is_none() && overload.take(Reason::Connections).is_some());
        drop(told);
        assert!(overload.take(Reason::Descriptors).is_some());
    }
}
