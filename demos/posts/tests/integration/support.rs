use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use moorline_posts::Posts;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower::ServiceExt;

/// What a browser says that it accepts.
pub(crate) const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// What a post's body may be.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

/// Fails the test rather than let it hang. Nothing here waits for the time to pass.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

pub(crate) fn instance(name: &str) -> Posts {
    Posts::new(name.parse().expect("a good name"))
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The session cookie that the answer sets, as a client sends it back.
    pub(crate) fn cookie(&self) -> String {
        let set = self.header("set-cookie");
        set.split(';').next().unwrap_or_default().to_owned()
    }
}

/// A request to be sent to a router: `get("/post").with(..).to(&router).await`.
pub(crate) struct Ask(Request<Body>);

pub(crate) fn get(target: &str) -> Ask {
    ask("GET", target, "")
}

pub(crate) fn ask(method: &str, target: &str, body: impl Into<Body>) -> Ask {
    let request = Request::builder().method(method).uri(target).body(body.into());
    Ask(request.expect("a request"))
}

impl Ask {
    pub(crate) fn with(mut self, (name, value): (&'static str, &str)) -> Self {
        self.0.headers_mut().append(name, value.parse().expect("a header"));
        self
    }

    pub(crate) fn cookie(mut self, cookie: &[u8]) -> Self {
        let value = cookie.try_into().expect("a header");
        self.0.headers_mut().append(header::COOKIE, value);
        self
    }

    pub(crate) async fn to(self, router: &Router) -> Answer {
        let (head, body) = router.clone().oneshot(self.0).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status: head.status, headers: head.headers, body }
    }
}

pub(crate) async fn log_in(router: &Router, user: &str) -> String {
    get(&format!("/login?username={user}")).to(router).await.cookie()
}

pub(crate) async fn write(router: &Router, cookie: &str, kind: (&'static str, &str), body: impl Into<Body>) -> Answer {
    ask("POST", "/post", body).with(kind).cookie(cookie.as_bytes()).to(router).await
}

pub(crate) async fn posts_of(router: &Router, cookie: &str) -> Vec<String> {
    let posts = get("/post").cookie(cookie.as_bytes()).to(router).await.json();
    let texts = posts["posts"].as_array().expect("posts").iter();
    texts.map(|post| post["text"].as_str().expect("text").to_owned()).collect()
}

/// An instance on a socket of its own.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn run(posts: Posts) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(posts.serve(listener, async { drop(stopped.await) }));
    Running { addr, stop, task }
}

/// One kept-alive connection, spoken in plain bytes.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(addr).await.map(Self)
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.expect("to send");
    }

    /// Sends a request without a body and reads its answer.
    pub(crate) async fn get(&mut self, target: &str, cookie: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n")).await;
        self.answer().await
    }

    /// Sends a post as plain text and reads its answer.
    pub(crate) async fn post(&mut self, text: &str, cookie: &str) -> Answer {
        let length = text.len();
        let head = "POST /post HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n";
        self.send(&format!("{head}cookie: {cookie}\r\ncontent-length: {length}\r\n\r\n{text}")).await;
        self.answer().await
    }

    /// Reads one answer: its head, and as much as its Content-Length says.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = soon(self.head()).await;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers: HeaderMap = pairs
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect::<Vec<(header::HeaderName, header::HeaderValue)>>()
            .into_iter()
            .collect();
        let length = headers.get("content-length").map_or("0", |value| value.to_str().expect("text"));
        let mut body = vec![0; length.parse().expect("a number")];
        soon(self.0.read_exact(&mut body)).await.expect("a body");
        let body = String::from_utf8(body).expect("UTF-8");
        Answer { status: status.expect("a status"), headers, body }
    }

    /// Waits until the other side closes, whether in peace or with a reset.
    pub(crate) async fn closed(&mut self) {
        let rest = soon(self.0.read_to_end(&mut Vec::new())).await;
        assert!(matches!(rest, Ok(0) | Err(_)), "more bytes came: {rest:?}");
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a head"));
        }
        String::from_utf8(head).expect("text")
    }
}
