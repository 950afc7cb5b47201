//! Clients over HTTP/2 that do not read, or grant no window: what they do not take stays with the endpoints, and keeps no
//! other stream waiting. How much memory that takes is measured by `benches/wire`.

use std::collections::HashMap;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::frames::{
    Connection, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, LARGEST, RST_STREAM, block, frame, get, grant, windows,
};
use crate::support::{Authority, Behaviour, Origin, PATIENCE, Proxy, eventually, origin, proxy};
use crate::tls::ONE;

/// As many as a client may have by default.
const STREAMS: u32 = 100;
/// More than all sockets on the way have room for, if all streams have as much.
const SIZE: usize = 200_000;
/// More than they ever have.
const LARGE: usize = 16 << 20;

async fn sender(size: usize) -> Origin {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    origin("a").behave(Behaviour::Answer(head + &"x".repeat(size))).run().await
}

/// A connection to a proxy before this origin on which each stream has this window, and all of them together one that is no bound.
/// Over TLS, which keeps what the socket does not take, or without.
async fn connect(a: &Origin, window: u32, is_secured: bool) -> (Proxy, Connection<Box<dyn Stream>>) {
    connect_within("", a, window, is_secured).await
}

/// The same within these limits.
async fn connect_within(
    limits: &str,
    a: &Origin,
    window: u32,
    is_secured: bool,
) -> (Proxy, Connection<Box<dyn Stream>>) {
    let authority = Authority::new();
    authority.issue("cert", &["localhost"]);
    let proxy = proxy().endpoint(a).limits(limits).tls(ONE).run_in(authority.folder());
    let stream: Box<dyn Stream> = if is_secured {
        let browser = authority.browser_with(rustls::ALL_VERSIONS, &["h2"]);
        Box::new(browser.connect(proxy.tls(), "localhost").await.stream)
    } else {
        Box::new(TcpStream::connect(proxy.address).await.expect("the proxy listens"))
    };
    let mut client = Connection::over(stream).await;
    client.send(&windows(window)).await;
    (proxy, client)
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Asks for the first so many, and waits until the origin has been asked.
async fn ask(client: &mut Connection<Box<dyn Stream>>, a: &Origin, streams: u32) {
    client.send(&(0..streams).map(|number| get(2 * number + 1, "/")).collect::<Vec<_>>()).await;
    eventually("all are under way", || a.heads().len() == streams as usize).await;
}

/// Reads until so many streams have come to their end; what each of them has had.
async fn read(client: &mut Connection<Box<dyn Stream>>, streams: usize) -> HashMap<u32, usize> {
    let (mut had, mut ended) = (HashMap::new(), 0);
    while ended < streams {
        let next = client.next().await.expect("the connection goes on");
        match next.kind {
            DATA => *had.entry(next.stream).or_default() += next.payload.len(),
            RST_STREAM => panic!("stream {} is reset", next.stream),
            _ => {}
        }
        ended += usize::from(matches!(next.kind, HEADERS | DATA) && next.flags & END_STREAM != 0);
    }
    had
}

#[tokio::test]
async fn what_is_not_read_flows_again_for_every_stream_once_it_is_read() {
    for is_secured in [false, true] {
        let a = sender(SIZE).await;
        let (_proxy, mut client) = connect(&a, LARGEST, is_secured).await;
        ask(&mut client, &a, STREAMS).await;
        let had = read(&mut client, STREAMS as usize).await;
        assert!(had.len() == STREAMS as usize && had.values().all(|size| *size == SIZE), "{had:?}");
    }
}

#[tokio::test]
async fn streams_without_a_window_keep_no_other_waiting() {
    for is_secured in [false, true] {
        let a = sender(SIZE).await;
        let (_proxy, mut client) = connect(&a, 0, is_secured).await;
        ask(&mut client, &a, STREAMS - 1).await;
        let last = 2 * STREAMS - 1;
        client.send(&[get(last, "/"), grant(last, LARGEST)]).await;
        assert_eq!(read(&mut client, 1).await[&last], SIZE);
        // As much as they take, and nothing for whoever has been given nothing.
        client.send(&[grant(1, LARGEST), grant(3, 1000)]).await;
        let had = read(&mut client, 1).await;
        assert_eq!((had[&1], had.get(&5)), (SIZE, None));
        assert!(had.get(&3).is_none_or(|size| *size <= 1000), "{had:?}");
    }
}

/// What waits for a window counts as long as the socket is full, and no longer.
#[tokio::test]
async fn a_slow_reader_gets_all_of_what_it_reads_beside_what_it_does_not() {
    for is_secured in [false, true] {
        let a = sender(LARGE).await;
        let (_proxy, mut client) = connect(&a, 0, is_secured).await;
        ask(&mut client, &a, 3).await;
        client.send(&[get(7, "/"), grant(7, LARGEST)]).await;
        assert_eq!(read(&mut client, 1).await[&7], LARGE);
    }
}

#[tokio::test]
async fn streams_that_are_taken_back_pass_their_turn_on() {
    for is_secured in [false, true] {
        let a = sender(SIZE).await;
        let (_proxy, mut client) = connect(&a, LARGEST, is_secured).await;
        ask(&mut client, &a, STREAMS).await;
        let cancel = |stream| frame(RST_STREAM, 0, stream, [0, 0, 0, 8]);
        client.send(&(0..STREAMS / 2).map(|number| cancel(4 * number + 1)).collect::<Vec<_>>()).await;
        // What had been written of the others before is on its way still.
        let mut left: Vec<u32> = (0..STREAMS / 2).map(|number| 4 * number + 3).collect();
        while !left.is_empty() {
            let next = client.next().await.expect("the connection goes on");
            if next.kind == DATA && next.flags & END_STREAM != 0 {
                left.retain(|stream| *stream != next.stream);
            }
        }
    }
}

/// For what is left when nobody watches a stream any more. TLS takes what the socket does not: then nothing is left, and the
/// connection is idle.
const SHORT: &str = "body: 300ms, idle: 300ms, tunnel: 300ms";

/// The connection is let go by the proxy, whatever its client does or does not.
async fn is_let_go(proxy: &Proxy) {
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_at_all_is_let_go() {
    for is_secured in [false, true] {
        let a = sender(LARGE).await;
        let (proxy, mut client) = connect_within(SHORT, &a, LARGEST, is_secured).await;
        ask(&mut client, &a, 1).await;
        is_let_go(&proxy).await;
    }
}

#[tokio::test]
async fn what_is_left_of_an_answer_has_no_longer_than_a_body_to_find_a_window() {
    for is_secured in [false, true] {
        let a = sender(5).await;
        let (proxy, mut client) = connect_within(SHORT, &a, 1, is_secured).await;
        ask(&mut client, &a, 3).await;
        is_let_go(&proxy).await;
        // With one, however small, it comes whole.
        let (_proxy, mut client) = connect(&a, 1, is_secured).await;
        client.send(&[get(1, "/")]).await;
        let mut had = 0;
        while had < 5 {
            if let Frame { kind: DATA, payload, .. } = client.next().await.expect("the connection goes on") {
                had += payload.len();
                client.send(&[grant(1, 1)]).await;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_stuck_does_not_hide_behind_others_that_move() {
    let a = sender(5).await;
    let (_proxy, mut client) = connect_within(SHORT, &a, 1, false).await;
    client.send(&[get(1, "/")]).await;
    let deadline = Instant::now() + PATIENCE;
    for stream in (3..).step_by(2) {
        assert!(Instant::now() < deadline, "it hides");
        client.send(&[get(stream, "/"), grant(stream, LARGEST - 1)]).await;
        loop {
            match client.next().await {
                None => return,
                Some(next) if next.stream == stream && next.flags & END_STREAM != 0 => break,
                Some(_) => {}
            }
        }
    }
}

/// The next frame of this kind on the first stream; what comes before it is passed over.
async fn next(client: &mut Connection<Box<dyn Stream>>, kind: u8) -> Frame {
    loop {
        let next = client.next().await.expect("the connection goes on");
        if (next.kind, next.stream) == (kind, 1) {
            return next;
        }
    }
}

#[tokio::test]
async fn what_is_left_of_a_tunnel_has_no_longer_than_a_body_to_find_a_window() {
    let a = origin("a").behave(Behaviour::Switch).run().await;
    let (proxy, mut client) = connect_within(SHORT, &a, 1, false).await;
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/"),
        ("sec-websocket-version", "13"),
    ];
    client.send(&[frame(HEADERS, END_HEADERS, 1, block(&fields))]).await;
    assert_eq!(next(&mut client, HEADERS).await.status(), 200);
    // As much of "hello" as there is a window for: the rest of it is there, too.
    assert_eq!(next(&mut client, DATA).await.payload, b"h");
    drop(a);
    is_let_go(&proxy).await;
}
