//! HTTP/2 with clients: the same promises as over HTTP/1, and what only it has.

mod leaving;
mod tunnels;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::frames::{self, END_HEADERS, END_STREAM, frame};
use crate::support::{Behaviour, PATIENCE, Proxy, eventually, origin, proxy};

type Body = BoxBody<Bytes, Infallible>;

/// A connection, and the task that ends with it.
struct Connection {
    sender: SendRequest<Body>,
    ended: JoinHandle<hyper::Result<()>>,
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Connection {
    // Small, so that a response that nobody reads gets stuck soon.
    let (sender, driver) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    Connection { sender, ended: tokio::spawn(driver) }
}

async fn connect(proxy: &Proxy) -> Connection {
    speak(TcpStream::connect(proxy.address).await.unwrap()).await
}

impl Connection {
    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        timeout(PATIENCE, self.sender.send_request(request)).await.expect("an answer in time")
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        self.send(get(path).body(empty()).unwrap()).await.unwrap()
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://localhost{path}"))
}

fn empty() -> Body {
    Empty::new().boxed()
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = timeout(PATIENCE, response.into_body().collect()).await.expect("a body in time").unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn sessions_are_kept_and_cookies_that_come_in_crumbs_are_put_together() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = connect(&proxy).await;
    let first = client.get("/").await;
    let server = first.headers()["x-served-by"].clone();
    let set = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..20 {
        let request = get("/").header("cookie", "a=b").header("cookie", &set).header("cookie", "c=d");
        let response = client.send(request.body(empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["x-served-by"], server);
        let seen = text(response).await;
        assert!(seen.contains("moorline-session: kept") && seen.contains("cookie: a=b; c=d\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn requests_of_one_connection_do_not_wait_for_each_other() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let client = connect(&proxy).await;
    let request = |number: usize| {
        let mut sender = client.sender.clone();
        async move {
            sender.ready().await.unwrap();
            let response = sender.send_request(get(&format!("/{number}")).body(empty()).unwrap()).await.unwrap();
            assert!(text(response).await.starts_with(&format!("GET /{number} ")));
        }
    };
    let all: Vec<_> = (0..100).map(|number| tokio::spawn(request(number))).collect();
    for one in all {
        timeout(PATIENCE, one).await.expect("an answer in time").unwrap();
    }
}

#[tokio::test]
async fn a_head_that_fails_gets_no_body() {
    let a = origin("a").behave(Behaviour::Close).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    let response = client.send(get("/").method(Method::HEAD).body(empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 502);
    assert!(hyper::body::Body::is_end_stream(response.body()), "nothing follows its head");
    let response = client.get("/").await;
    assert_eq!(response.status(), 502);
    assert!(text(response).await.starts_with("502 "));
}

#[tokio::test]
async fn trailers_that_could_change_the_head_stay_behind_unless_both_sides_speak_grpc() {
    let answer = |kind: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
        Behaviour::Answer(head + "2\r\nok\r\n0\r\nX-Own: 1\r\nSet-Cookie: a=b\r\nServer-Timing: x\r\n\r\n")
    };
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    for (asked, answered, own) in [
        ("application/grpc", "application/grpc", true),
        ("application/grpc", "text/plain", false),
        ("text/plain", "application/grpc", false),
    ] {
        a.behave(answer(answered));
        let request = get("/").method(Method::POST).header("content-type", asked);
        let response = client.send(request.body(empty()).unwrap()).await.unwrap();
        let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
        assert_eq!(trailers.contains_key("x-own"), own, "{asked}, {answered}: {trailers:?}");
        assert!(trailers.contains_key("server-timing") && !trailers.contains_key("set-cookie"), "{trailers:?}");
    }
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    let body = Full::new(Bytes::from(vec![b'x'; 3_000_000])).boxed();
    let response = client.send(get("/").method(Method::POST).body(body).unwrap()).await.unwrap();
    assert!(text(response).await.contains("content-length: 3000000"));
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n{}", "y".repeat(5_000_000));
    a.behave(Behaviour::Answer(answer));
    assert_eq!(text(client.get("/").await).await.len(), 5_000_000);
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let next = std::sync::Arc::<tokio::sync::Notify>::default();
    let a = origin("a").behave(Behaviour::Pieces(std::sync::Arc::clone(&next))).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut body = connect(&proxy).await.get("/").await.into_body();
    for _ in 0..5 {
        let frame = timeout(PATIENCE, body.frame()).await.expect("an event in time").unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: piece\n\n");
        next.notify_one();
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_never_taken_for_complete() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let a = origin("a").behave(Behaviour::AnswerAndClose(half.to_owned())).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    let response = client.get("/").await;
    assert!(response.into_body().collect().await.is_err());
    a.behave(Behaviour::Echo);
    assert_eq!(client.get("/").await.status(), 200, "the others go on");
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    let mut many = get("/");
    for number in 0..120 {
        many = many.header(format!("x-{number}"), "y");
    }
    let long = "a".repeat(17_000);
    for (request, status) in [
        (get("/").header("host", "other"), 400),
        (get("/").header("content-length", "0").header("content-length", "0"), 400),
        (get("/").header("expect", "something"), 417),
        (get("/a/../b"), 400),
        (get("/a%2fb"), 400),
        (get(&format!("/{long}")), 414),
        (many, 431),
        (get("/").header("x-long", "a".repeat(70_000)), 431),
    ] {
        let request = request.body(empty()).unwrap();
        let what = format!("{:.200}", format!("{request:?}"));
        assert_eq!(client.send(request).await.expect(&what).status(), status, "{what}");
    }
    let connect = Request::builder().method(Method::CONNECT).uri("localhost:80").body(empty()).unwrap();
    assert_eq!(client.send(connect).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert!(a.heads().is_empty(), "{:?}", a.heads());
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn hosts_and_targets_that_http1_may_not_have_http2_may_not_have_either() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = frames::Connection::open(proxy.address).await;
    let targets =
        ["/", "/\"", "/<a>", "/?q=\"", "/caf\u{e9}", "/a\\b", "/"].map(|path| (Some("localhost"), path)).into_iter();
    let hosts = [None, Some("localhost:99999"), Some("a,b"), Some("[::1"), Some("user@localhost")];
    let mut statuses = Vec::new();
    for (number, (authority, path)) in targets.chain(hosts.map(|host| (host, "/"))).enumerate() {
        let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":path", path)];
        fields.extend(authority.map(|host| (":authority", host)));
        let stream = 2 * number as u32 + 1;
        client.send(&[frame(frames::HEADERS, END_STREAM | END_HEADERS, stream, frames::block(&fields))]).await;
        statuses.push(status(&mut client, stream).await);
    }
    let [ok, rest @ ..] = &statuses[..] else { unreachable!() };
    assert_eq!((*ok, rest[5]), (Some(200), Some(200)), "the connection goes on");
    for (number, status) in rest.iter().enumerate().filter(|(number, _)| *number != 5) {
        assert!(status.is_none_or(|status| status == 400), "{number}: {status:?}");
    }
    assert_eq!(a.heads().len(), 2);
}

/// The status of a stream's answer; `None` if h2 has reset it, which refuses some by itself.
async fn status(client: &mut frames::Connection, stream: u32) -> Option<u16> {
    loop {
        let next = client.next().await.expect("the connection goes on");
        match next.kind {
            frames::RST_STREAM if next.stream == stream => return None,
            frames::HEADERS if next.stream == stream => return Some(next.status()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_reset_and_the_others_go_on() {
    let a = origin("a").behave(Behaviour::Flood).run().await;
    let proxy = proxy().endpoint(&a).limits("body: 300ms").run();
    let mut client = connect(&proxy).await;
    let stuck = client.get("/").await;
    a.behave(Behaviour::Echo);
    eventually("the server's side is closed", || a.open() == 0).await;
    assert_eq!(client.get("/").await.status(), 200);
    assert!(stuck.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_client_that_stops_sending_its_body_is_408() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("body: 200ms").run();
    let mut client = connect(&proxy).await;
    let (_half, body) = half_a_body();
    let response = client.send(get("/").method(Method::POST).body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(client.get("/").await.status(), 200, "the others go on");
}

/// A body that stays unfinished for as long as the first half is there.
fn half_a_body() -> (tokio::sync::mpsc::Sender<()>, Body) {
    let (tx, mut rx) = tokio::sync::mpsc::channel::<()>(1);
    let mut first = Some(http_body::Frame::data(Bytes::from_static(b"half")));
    let frames = std::future::poll_fn(move |cx| match first.take() {
        Some(frame) => std::task::Poll::Ready(Some(Ok(frame))),
        None => rx.poll_recv(cx).map(|_| None),
    });
    (tx, Unfinished(Box::pin(frames)).boxed())
}

struct Unfinished<F>(std::pin::Pin<Box<F>>);

impl<F> http_body::Body for Unfinished<F>
where
    F: Future<Output = Option<Result<http_body::Frame<Bytes>, Infallible>>>,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.as_mut().poll(cx)
    }
}

#[tokio::test]
async fn a_connection_that_rests_for_too_long_is_told_to_go() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("idle: 300ms").run();
    let mut used = connect(&proxy).await;
    used.get("/").await;
    let unused = connect(&proxy).await;
    for connection in [used, unused] {
        // In order, so that a client does not take it for a failure.
        timeout(PATIENCE, connection.ended).await.expect("an end in time").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_client_that_never_begins_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("first_byte: 200ms, head: 200ms, idle: 400ms").run();
    for begun in ["PRI * HT", "PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = proxy.client().await;
        client.send(begun.as_bytes()).await;
        let mut rest = Vec::new();
        timeout(PATIENCE, client.stream.read_to_end(&mut rest)).await.expect(begun).unwrap();
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_under_way_end() {
    let a = origin("a").behave(Behaviour::Late(Duration::from_millis(500))).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = connect(&proxy).await;
    let response = client.send(get("/").body(empty()).unwrap());
    let drained = async {
        eventually("the request is under way", || a.accepted() == 1).await;
        proxy.drain();
    };
    let (response, ()) = tokio::join!(response, drained);
    assert_eq!(response.unwrap().status(), 200);
    timeout(PATIENCE, client.ended).await.expect("an end in time").unwrap().unwrap();
}

#[tokio::test]
async fn while_it_leaves_clients_are_told_to_go_elsewhere_and_whoever_comes_is_served() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut idle = connect(&proxy).await;
    assert_eq!(idle.get("/").await.status(), StatusCode::OK);
    proxy.leave();
    timeout(PATIENCE, idle.ended).await.expect("it is told so").unwrap().expect("in order");
    let mut late = connect(&proxy).await;
    let response = late.get("/").await;
    assert_eq!((response.status(), response.headers().get("connection")), (StatusCode::OK, None));
    text(response).await;
    timeout(PATIENCE, late.ended).await.expect("it is told so, too").unwrap().expect("in order");
}

/// A request with a head of this size, in as many frames as it needs.
fn large(stream: u32, size: usize) -> Vec<frames::Frame> {
    let value = "v".repeat(size);
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("x", &value)];
    let block = frames::block(&fields);
    let mut pieces = block.chunks(16 * 1024).peekable();
    let mut head = vec![frame(frames::HEADERS, END_STREAM, stream, pieces.next().unwrap())];
    head.extend(pieces.map(|piece| frame(frames::CONTINUATION, 0, stream, piece)));
    head.last_mut().unwrap().flags |= END_HEADERS;
    head
}

#[tokio::test]
async fn large_heads_beyond_the_budget_are_refused_and_the_others_go_on() {
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).limits("http2_heads: 64KiB").run();
    let mut client = frames::Connection::open(proxy.address).await;
    client.send(&large(1, 40_000)).await;
    eventually("the first is there", || a.heads().len() == 1).await;
    client.send(&large(3, 40_000)).await;
    let reset = loop {
        let next = client.next().await.expect("the connection goes on");
        if next.kind == frames::RST_STREAM {
            break next;
        }
    };
    assert_eq!((reset.stream, &reset.payload[..]), (3, &REFUSED_STREAM[..]), "it may be sent again");
    let ordinary: Vec<_> = (0..20).flat_map(|number| large(5 + 2 * number, 7_000)).collect();
    client.send(&ordinary).await;
    eventually("ordinary heads pass", || a.heads().len() == 21).await;
    client.send(&[frame(frames::RST_STREAM, 0, 1, [0, 0, 0, 8])]).await;
    eventually("the first is given up", || a.open() == 20).await;
    client.send(&large(101, 40_000)).await;
    eventually("there is room again", || a.heads().len() == 22).await;
}
