//! The end of the process, as clients that play by the rules see it: every request is answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Behaviour, Browser, Client, admin_get, eventually, origin, proxy};

/// What clients have got so far.
#[derive(Debug, Default)]
struct Answers {
    all: AtomicUsize,
    /// Those that were the last of their connection.
    last: AtomicUsize,
}

/// Makes one connection after the other, and as many requests over each as it may, until nobody listens any more.
async fn hammer(address: SocketAddr, browser: Option<Browser>, answers: Arc<Answers>) {
    loop {
        let used_up = match &browser {
            None => match TcpStream::connect(address).await {
                Ok(stream) => use_up(Client::over(stream, address), &answers).await,
                Err(error) => Err(error),
            },
            Some(browser) => match browser.try_connect(address, "a.example").await {
                Ok(client) => use_up(client, &answers).await,
                Err(error) => Err(error),
            },
        };
        match used_up {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("who has connected is not turned away: {error}"),
        }
    }
}

/// Sends requests, none of which may be repeated, until an answer says that it is the last.
async fn use_up<S: AsyncRead + AsyncWrite + Unpin>(mut client: Client<S>, answers: &Answers) -> io::Result<()> {
    loop {
        let response = client.post("/", "once").await.expect(200);
        assert!(response.complete);
        answers.all.fetch_add(1, Ordering::SeqCst);
        if response.field("connection") == Some("close") {
            answers.last.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
    }
}

#[tokio::test]
async fn nobody_who_plays_by_the_rules_sees_an_error_when_it_ends() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).tls("").limits("shutdown_grace: 300ms");
    let mut program = proxy.program();
    let answers = Arc::<Answers>::default();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        clients.spawn(hammer(program.addresses[0], None, Arc::clone(&answers)));
        clients.spawn(hammer(program.addresses[1], Some(Browser::careless()), Arc::clone(&answers)));
    }
    eventually("they are at it", || answers.all.load(Ordering::SeqCst) > 200).await;
    assert_eq!(answers.last.load(Ordering::SeqCst), 0, "while it serves, connections are kept");
    program.signal(Signal::TERM);
    clients.join_all().await;
    assert!(answers.last.load(Ordering::SeqCst) >= 16, "{answers:?}");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn while_it_leaves_it_is_not_ready_and_serves_whoever_comes() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("shutdown_grace: 1h");
    let mut program = proxy.program();
    let mut kept = Client::connect(program.address()).await;
    let first = kept.get("/").await.expect(200);
    assert_eq!(first.field("connection"), None);
    assert_eq!(admin_get(program.admin, "/readyz").await.0, 200);
    program.signal(Signal::TERM);
    program.says("not ready any more");
    assert_eq!(admin_get(program.admin, "/readyz").await, (503, "not ready: shutting down\n".into()));
    assert_eq!(admin_get(program.admin, "/livez").await.0, 200);

    // The worker may hear of it a moment later.
    let mut response = first;
    while response.field("connection").is_none() {
        response = kept.get("/").await.expect(200);
    }
    assert_eq!(response.field("connection"), Some("close"));
    assert!(kept.is_closed().await);
    kept.reconnect().await;
    let again = kept.get("/").await.expect(200);
    assert_eq!((again.field("connection"), again.seen("moorline-session").as_deref()), (Some("close"), Some("kept")));
    assert!(kept.is_closed().await);

    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.code(), Some(0), "a second signal ends it at once");
}

#[tokio::test]
async fn errors_say_goodbye_too_and_an_idle_connection_is_left_alone() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).workers(1).without_sessions().run();
    let (mut idle, mut other) = (proxy.client().await, proxy.client().await);
    idle.get("/").await.expect(200);
    drop(a);
    proxy.leave();
    let mut response = other.get("/").await.expect(503);
    while response.field("connection").is_none() {
        response = other.get("/").await.expect(503);
    }
    assert!(other.is_closed().await);
    // The idle one.
    proxy.reaches("moorline_client_connections_open ", 1.0).await;
    let goodbye = idle.get("/").await.expect(503);
    assert_eq!(goodbye.field("connection"), Some("close"));
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn who_has_connected_and_not_begun_has_a_moment_to_do_so() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("first_byte: 1h, handshake: 1h").run();
    let mut busy = proxy.client().await;
    busy.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha").await;
    let mut silent = [proxy.client().await, Client::connect(proxy.tls()).await];
    proxy.reaches("moorline_client_connections_open ", 3.0).await;
    let mut early = proxy.client().await;
    proxy.drain();
    early.get("/").await.expect(200);
    for silent in &mut silent {
        assert!(silent.is_closed().await, "but not for ever");
    }
    busy.send(b"lf").await;
    busy.response().await.unwrap().expect(200);
    proxy.ended().await;
}

#[tokio::test]
async fn requests_that_take_too_long_are_cut_off() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).limits("shutdown: 200ms").run();
    let log = proxy.log_handle();
    let mut client = proxy.client().await;
    client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request is there", || a.heads().len() == 1).await;
    proxy.drain();
    assert!(client.is_closed().await);
    proxy.ended().await;
    assert!(log.text().contains("/long"));
}
