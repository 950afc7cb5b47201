//! Servers that speak HTTP/2 without TLS: one that behaves and some that do not, and one that says what it is told byte for
//! byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::frames::{HEADERS, PING, RST_STREAM};

/// What a server does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers 200 with its name in `X-Served-By`, and the head as body, as if it had come over HTTP/1.
    Echo,
    /// Sends the body back as it comes, and then its trailers.
    EchoBody,
    /// Refuses the stream.
    Refuse,
    /// Answers when as many others as this wait for the same.
    Together(usize),
    /// Says nothing.
    Hang,
    /// Sends a body without end.
    Flood,
}

/// A server. Dropping it kills it.
pub(crate) struct Http2Origin {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    name: &'static str,
    streams: Option<u32>,
    act: Mutex<Act>,
    /// Done once each, before anything else.
    first: Mutex<Vec<Act>>,
    heads: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// The most streams that were reset on one connection.
    resets: AtomicUsize,
    /// The most streams that were under way on one connection.
    most: AtomicUsize,
    waiting: AtomicUsize,
    together: Semaphore,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

/// A server that echoes.
pub(crate) async fn http2_origin(name: &'static str) -> Http2Origin {
    Http2Origin::new(name, None).await
}

impl Http2Origin {
    /// One that takes so many streams on each connection.
    pub(crate) async fn bounded(name: &'static str, streams: u32) -> Self {
        Self::new(name, Some(streams)).await
    }

    async fn new(name: &'static str, streams: Option<u32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            name,
            streams,
            act: Mutex::new(Act::Echo),
            first: Mutex::default(),
            heads: Mutex::default(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            together: Semaphore::new(0),
            connections: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                let connection = tokio::spawn(serve(stream, Arc::clone(&shared)));
                shared.connections.lock().unwrap().push(connection);
            }
        });
        Self { address, state, accepting }
    }

    /// From the next request on.
    pub(crate) fn act(&self, act: Act) {
        *self.state.act.lock().unwrap() = act;
    }

    /// With the next request, once.
    pub(crate) fn first(&self, act: Act) {
        self.state.first.lock().unwrap().push(act);
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.heads.lock().unwrap().clone()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// The most streams that the proxy has reset on one connection.
    pub(crate) fn resets(&self) -> usize {
        self.state.resets.load(Ordering::SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Ends its connections.
    pub(crate) fn cut(&self) {
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

impl Drop for Http2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _open = Counted::new(&state.open);
    let mut builder = h2::server::Builder::new();
    if let Some(streams) = state.streams {
        builder.max_concurrent_streams(streams);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let (under_way, resets) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut streams = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (state, under_way, resets) = (Arc::clone(&state), Arc::clone(&under_way), Arc::clone(&resets));
        streams.spawn(async move {
            let _counted = Counted::new(&under_way);
            state.most.fetch_max(under_way.load(Ordering::SeqCst), Ordering::SeqCst);
            if answer(request, respond, &state).await.is_err() {
                state.resets.fetch_max(1 + resets.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            }
        });
    }
}

/// What a stream ended with, if it was not in order.
type Ended = Result<(), Option<Reason>>;

fn reason(error: &h2::Error) -> Option<Reason> {
    error.reason()
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, state: &State) -> Ended {
    let act = state.first.lock().unwrap().pop().unwrap_or(*state.act.lock().unwrap());
    if let Act::Refuse = act {
        respond.send_reset(Reason::REFUSED_STREAM);
        return Ok(());
    }
    let (head, body) = request.into_parts();
    let text = written(&head);
    state.heads.lock().unwrap().push(text.clone());
    let ok = || Response::builder().header("x-served-by", state.name);
    let mut start = |response: http::response::Builder| {
        respond.send_response(response.body(()).expect("a head"), false).map_err(|error| reason(&error))
    };
    match act {
        Act::Refuse => Ok(()),
        Act::Echo => {
            drain(body).await?;
            send(&mut start(ok().header("content-length", text.len()))?, text.into(), true)
        }
        Act::Together(number) => {
            if state.waiting.fetch_add(1, Ordering::SeqCst) + 1 == number {
                state.together.add_permits(number);
            }
            state.together.acquire().await.expect("a permit").forget();
            send(&mut start(ok())?, "together".into(), true)
        }
        Act::EchoBody => echo_body(body, &mut start(ok())?).await,
        Act::Hang => std::future::poll_fn(|cx| respond.poll_reset(cx)).await.map_or(Ok(()), |reason| Err(Some(reason))),
        Act::Flood => flood(&mut start(ok())?).await,
    }
}

/// A head as HTTP/1 would have it, and what HTTP/2 says beside it.
fn written(head: &http::request::Parts) -> String {
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let mut text = format!("{} {path} HTTP/2\n", head.method);
    text += &format!(":scheme: {}\n", head.uri.scheme_str().unwrap_or("none"));
    text += &format!(":authority: {}\n", head.uri.authority().map_or("none", |authority| authority.as_str()));
    for (name, value) in &head.headers {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

fn send(stream: &mut SendStream<Bytes>, data: Bytes, end: bool) -> Ended {
    stream.send_data(data, end).map_err(|error| reason(&error))
}

async fn drain(mut body: RecvStream) -> Ended {
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| reason(&error))?;
        let _ = body.flow_control().release_capacity(data.len());
    }
    Ok(())
}

async fn echo_body(mut body: RecvStream, stream: &mut SendStream<Bytes>) -> Ended {
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| reason(&error))?;
        let _ = body.flow_control().release_capacity(data.len());
        send(stream, data, false)?;
    }
    let trailers = body.trailers().await.map_err(|error| reason(&error))?;
    let mut sent: HeaderMap = trailers.unwrap_or_default();
    sent.insert("grpc-status", "0".parse().expect("a value"));
    sent.insert("x-odd", "1".parse().expect("a value"));
    stream.send_trailers(sent).map_err(|error| reason(&error))
}

async fn flood(stream: &mut SendStream<Bytes>) -> Ended {
    let block = Bytes::from(vec![b'x'; 16 * 1024]);
    loop {
        stream.reserve_capacity(block.len());
        match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(room)) => send(stream, block.slice(..room.min(block.len())), false)?,
            Some(Err(error)) => return Err(reason(&error)),
            None => return Err(Some(Reason::CANCEL)),
        }
    }
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a raw server does, one step after the other.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes these bytes.
    Say(Vec<u8>),
    /// Reads until so many heads of requests have come on this connection.
    Heads(usize),
    /// Reads until so many of them have been taken back.
    Resets(usize),
    /// Reads until so many PINGs have come, or answers to them.
    Pings(usize),
    /// Reads on, until the other side has gone.
    Wait,
}

/// A server that does these steps on each connection, and then closes it. The first frame it sends is SETTINGS.
pub(crate) async fn raw_http2(scripts: Vec<Vec<Step>>) -> (SocketAddr, Arc<AtomicUsize>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let script = scripts.get(number).or(scripts.last()).cloned().unwrap_or_default();
            tokio::spawn(play(stream, script));
        }
    });
    (address, accepted, task)
}

async fn play(mut stream: TcpStream, script: Vec<Step>) -> std::io::Result<()> {
    const PREFACE: usize = 24;
    stream.write_all(&frame(4, 0, 0, &[])).await?;
    stream.read_exact(&mut [0; PREFACE]).await?;
    let mut seen = [0; 256];
    for step in script {
        let (kind, number) = match step {
            Step::Say(bytes) => {
                stream.write_all(&bytes).await?;
                continue;
            }
            Step::Heads(number) => (HEADERS, number),
            Step::Resets(number) => (RST_STREAM, number),
            Step::Pings(number) => (PING, number),
            Step::Wait => {
                while stream.read(&mut [0; 4096]).await? > 0 {}
                continue;
            }
        };
        while seen[usize::from(kind)] < number {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            stream.read_exact(&mut vec![0; length]).await?;
            seen[usize::from(head[3])] += 1;
        }
    }
    Ok(())
}
