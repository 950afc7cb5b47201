//! Servers behind the proxy: one that behaves, and all the ways not to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What a server does with a request, once it has read its head.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers 200 with its name in `X-Served-By`, and the request's head as body.
    Echo,
    /// Answers with these bytes, and goes on.
    Answer(String),
    /// Answers with these bytes, each by itself, and goes on.
    Dribble(String),
    /// Answers with these bytes, and closes.
    AnswerAndClose(String),
    /// Agrees to speak another protocol, and sends back what it gets in it, until its client ends.
    Switch,
    /// Sends one piece of a body, and the next when it is told to.
    Pieces(std::sync::Arc<tokio::sync::Notify>),
    /// Closes without an answer.
    Close,
    /// Resets the connection.
    Reset,
    /// Resets so many of them, and then echoes.
    ResetFirst(usize),
    /// Says nothing.
    Hang,
    /// Reads nothing for a while after a connection was made, and is then as it should be.
    Late(std::time::Duration),
    /// The first request of each connection is answered, and the connection then closed without saying so.
    CloseQuietly,
    /// Sends a body without end.
    Flood,
}

/// A server that is about to be.
#[derive(Debug)]
pub(crate) struct Builder {
    name: &'static str,
    behaviour: Behaviour,
    at: Option<SocketAddr>,
}

/// A server. Dropping it kills it: its socket and its connections are gone at once.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    behaviour: Mutex<Behaviour>,
    heads: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    written: AtomicUsize,
    read: AtomicUsize,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

pub(crate) fn origin(name: &'static str) -> Builder {
    Builder { name, behaviour: Behaviour::Echo, at: None }
}

impl Builder {
    pub(crate) fn behave(self, behaviour: Behaviour) -> Self {
        Self { behaviour, ..self }
    }

    /// On this address, where another one was before.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { at: Some(address), ..self }
    }

    pub(crate) async fn run(self) -> Origin {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(self.at.unwrap_or(([127, 0, 0, 1], 0).into())).expect("a free port");
        let listener = socket.listen(1024).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            name: self.name,
            behaviour: Mutex::new(self.behaviour),
            heads: Mutex::default(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Origin { name: self.name, address, state, accepting }
    }
}

impl Origin {
    /// From the next request on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.heads.lock().unwrap().clone()
    }

    /// How many connections it has taken.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies it has got rid of.
    pub(crate) fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }

    /// How many bytes of request bodies it has read.
    pub(crate) fn read(&self) -> usize {
        self.state.read.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.accepted.fetch_add(1, Ordering::SeqCst);
        let connection = tokio::spawn(serve(stream, Arc::clone(&state)));
        state.connections.lock().unwrap().push(connection);
    }
}

impl State {
    /// What is done with the next request.
    fn next(&self) -> Behaviour {
        let mut behaviour = self.behaviour.lock().unwrap();
        match &mut *behaviour {
            Behaviour::ResetFirst(0) => Behaviour::Echo,
            Behaviour::ResetFirst(left) => {
                *left -= 1;
                Behaviour::Reset
            }
            other => other.clone(),
        }
    }
}

struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    state.open.fetch_add(1, Ordering::SeqCst);
    let _open = Open(Arc::clone(&state));
    let mut buffer = Vec::new();
    let behaviour = state.behaviour.lock().unwrap().clone();
    if let Behaviour::Late(pause) = behaviour {
        tokio::time::sleep(pause).await;
    }
    while let Some(head) = read_request(&mut stream, &mut buffer, &state).await {
        state.heads.lock().unwrap().push(head.clone());
        let behaviour = state.next();
        if !act(&mut stream, behaviour, &head, &state).await {
            return;
        }
    }
}

/// Does what it is told; `false` at the end of the connection.
async fn act(stream: &mut TcpStream, behaviour: Behaviour, head: &str, state: &State) -> bool {
    match behaviour {
        Behaviour::Echo | Behaviour::Late(_) => write(stream, &echo(head, state.name)).await,
        Behaviour::Answer(bytes) => write(stream, &bytes).await,
        Behaviour::Dribble(bytes) => {
            stream.set_nodelay(true).expect("an option");
            for byte in bytes.as_bytes().chunks(1) {
                if stream.write_all(byte).await.is_err() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
            true
        }
        Behaviour::AnswerAndClose(bytes) => {
            write(stream, &bytes).await;
            false
        }
        Behaviour::Switch => switch(stream, head).await,
        Behaviour::Pieces(next) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut alive = write(stream, head).await;
            while alive {
                alive = write(stream, "d\r\ndata: piece\n\n\r\n").await;
                next.notified().await;
            }
            false
        }
        Behaviour::CloseQuietly => {
            write(stream, &echo(head, state.name)).await;
            false
        }
        Behaviour::Close => false,
        Behaviour::Reset | Behaviour::ResetFirst(_) => {
            socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)).expect("an option");
            false
        }
        Behaviour::Hang => {
            // Until the other side gives up.
            while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
            false
        }
        Behaviour::Flood => flood(stream, state).await,
    }
}

async fn switch(stream: &mut TcpStream, head: &str) -> bool {
    if !head.to_lowercase().contains("\r\nconnection: upgrade\r\n") {
        return write(stream, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n").await;
    }
    // Bytes of the other protocol come right behind the head.
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    let mut alive = write(stream, agreed).await;
    let mut block = vec![0; 16 * 1024];
    while alive {
        match stream.read(&mut block).await {
            Ok(length @ 1..) => alive = stream.write_all(&block[..length]).await.is_ok(),
            _ => alive = false,
        }
    }
    let _ = stream.write_all(b"goodbye").await;
    let _ = stream.shutdown().await;
    false
}

fn echo(head: &str, name: &str) -> String {
    let length = head.len();
    // A HEAD has no body, whatever its length says.
    let body = if head.starts_with("HEAD") { "" } else { head };
    format!(
        "HTTP/1.1 200 OK\r\nX-Served-By: {name}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn flood(stream: &mut TcpStream, state: &State) -> bool {
    let mut alive = write(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await;
    let block = vec![b'x'; 64 * 1024];
    while alive {
        alive = stream.write_all(&block).await.is_ok();
        state.written.fetch_add(block.len(), Ordering::SeqCst);
    }
    false
}

async fn write(stream: &mut TcpStream, bytes: &str) -> bool {
    stream.write_all(bytes.as_bytes()).await.is_ok()
}

/// Reads one request, its body too; gives its head back, names in lower case.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, state: &State) -> Option<String> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer.drain(..end).collect::<Vec<_>>()).into_owned();
    let field =
        |name: &str| head.lines().find_map(|line| line.to_lowercase().strip_prefix(name).map(ToOwned::to_owned));
    if let Some(length) = field("content-length: ") {
        let length: usize = length.parse().expect("a length");
        while buffer.len() < length {
            let read = stream.read_buf(buffer).await.ok()?;
            state.read.fetch_add(read, Ordering::SeqCst);
            if read == 0 {
                return None;
            }
        }
        buffer.drain(..length);
    } else if field("transfer-encoding: chunked").is_some() {
        while !buffer.windows(5).any(|window| window == b"0\r\n\r\n") {
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        buffer.clear();
    }
    Some(head)
}
