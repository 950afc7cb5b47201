//! HTTP/2 floods: each ends within a thousand frames, and whoever sits beside it is served.

use crate::support::frames::{self, Connection, End, Frame, frame};
use crate::support::{Behaviour, Client, Origin, Proxy, eventually, origin, program, proxy};

/// After so many frames a flood is over.
const ENOUGH: usize = 1000;

/// The proxy that is flooded, and those who want something of it meanwhile: one over HTTP/1 and one over HTTP/2.
struct Scene {
    proxy: Proxy,
    first: Client,
    second: Connection,
    asked: u32,
    _origin: Origin,
}

impl Scene {
    async fn new() -> Self {
        let a = origin("a").run().await;
        let proxy = proxy().endpoint(&a).run();
        let (first, second) = (proxy.client().await, Connection::open(proxy.address).await);
        Self { proxy, first, second, asked: 0, _origin: a }
    }

    /// Both ask for something, on the connections that they have, and get it.
    async fn bystanders_are_served(&mut self) {
        self.first.get("/").await.expect(200);
        let stream = 2 * self.asked + 1;
        self.asked += 1;
        self.second.send(&[frames::get(stream, "/")]).await;
        assert_eq!(self.second.answer(stream).await.0, 200);
    }

    /// Sends a thousand frames, in pieces of so many; returns how the connection ended. It does not wait for longer
    /// than [`crate::support::PATIENCE`].
    async fn flood(&mut self, piece: usize, flood: &[Frame]) -> End {
        let mut connection = Connection::open(self.proxy.address).await;
        for piece in flood[..ENOUGH.min(flood.len())].chunks(piece) {
            connection.send(piece).await;
        }
        self.bystanders_are_served().await;
        connection.end().await
    }

    /// It ends, and is told why.
    async fn ends(&mut self, name: &str, flood: &[Frame]) {
        for piece in [flood.len(), 7] {
            match self.flood(piece, flood).await {
                End::GoAway(reason, _) => assert_eq!(reason, frames::ENHANCE_YOUR_CALM, "{name}"),
                // The last word is lost if frames are on their way when the proxy closes.
                End::Closed => {}
            }
        }
    }
}

fn numbers() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// The same turn of frames again and again, with another stream each time.
fn turns(turn: impl Fn(u32) -> Vec<Frame>) -> Vec<Frame> {
    numbers().flat_map(turn).take(ENOUGH).collect()
}

/// One frame, and then another one again and again.
fn after(first: Frame, then: Frame) -> Vec<Frame> {
    [vec![first], vec![then; ENOUGH - 1]].concat()
}

fn reset(stream: u32) -> Frame {
    frame(frames::RST_STREAM, 0, stream, [0, 0, 0, 8])
}

fn update(stream: u32) -> Frame {
    frame(frames::WINDOW_UPDATE, 0, stream, [0, 0, 0, 1])
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once() {
    let mut scene = Scene::new().await;
    let flood = turns(|stream| vec![frames::get(stream, "/"), reset(stream)]);
    scene.ends("rapid reset", &flood).await;
}

#[tokio::test]
async fn requests_that_have_begun_when_they_are_taken_back() {
    // h2 itself counts only those that nobody has looked at. These reach the endpoint, which says nothing.
    let silent = origin("silent").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&silent).without_sessions().run();
    let mut connection = Connection::open(proxy.address).await;
    for stream in numbers().take(ENOUGH / 2) {
        connection.send(&[frames::get(stream, "/"), frame(frames::PING, 0, 0, [7; 8])]).await;
        // Its answer says that the request has been read.
        while let Some(next) = connection.next().await
            && (next.kind, next.flags) != (frames::PING, frames::ACK)
        {}
        connection.send(&[reset(stream)]).await;
    }
    assert!(matches!(connection.end().await, End::Closed | End::GoAway(frames::ENHANCE_YOUR_CALM, _)));
    assert!(silent.heads().len() <= ENOUGH / 2);
}

#[tokio::test]
async fn streams_that_the_proxy_is_made_to_reset() {
    let mut scene = Scene::new().await;
    let too_much = |stream| frame(frames::WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff]);
    let flood = turns(|stream| vec![frames::post(stream, "/"), too_much(stream)]);
    scene.ends("windows that are too large", &flood).await;
    let on_itself = |stream: u32| {
        let get = frames::get(stream, "/");
        vec![Frame {
            flags: get.flags | 0x20,
            payload: [&stream.to_be_bytes()[..], &[0], &get.payload].concat(),
            ..get
        }]
    };
    scene.ends("streams that depend on themselves", &turns(on_itself)).await;
}

#[tokio::test]
async fn streams_that_had_to_be_reset_are_forgiven_to_whoever_works() {
    // h2 by itself ends a connection after 1,024 of them.
    let scene = Scene::new().await;
    let mut connection = Connection::open(scene.proxy.address).await;
    connection.send(&frames::windows(65_535)).await;
    for stream in numbers().step_by(2).take(1200) {
        let too_much = frame(frames::WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff]);
        connection.send(&[frames::post(stream, "/"), too_much, frames::get(stream + 2, "/")]).await;
        assert_eq!(connection.answer(stream + 2).await.0, 200);
    }
}

/// h2 goes on reading while it cannot write, and remembers what it has still to reset.
#[tokio::test]
async fn streams_whose_reset_the_client_does_not_let_be_written() {
    const LAST: u32 = 100_001;
    let a = origin("a").behave(Behaviour::Flood).run().await;
    // What is not read any more is owed.
    let proxy = proxy().endpoint(&a).without_sessions().limits("head: 300ms").run();
    let mut connection = Connection::open(proxy.address).await;
    connection.send(&frames::windows(frames::LARGEST)).await;
    connection.send(&[frames::get(1, "/")]).await;
    let (mut last, mut same) = (0, 0);
    eventually("all that there is room for is on its way", || {
        let now = a.written();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        same > 20
    })
    .await;
    connection.send(&[frames::get(LAST, "/")]).await;
    let never_opened: Vec<Frame> = numbers()
        .skip(1)
        .take_while(|stream| *stream < LAST)
        .map(|stream| frame(frames::DATA, 0, stream, *b"x"))
        .collect();
    connection.send(&never_opened).await;
    proxy.reaches("moorline_client_connections_open ", 0.0).await;
}

#[tokio::test]
async fn header_blocks_that_do_not_end() {
    let mut scene = Scene::new().await;
    let begun = frame(frames::HEADERS, frames::END_STREAM, 1, frames::block(&[(":method", "GET")]));
    scene.ends("continuation", &after(begun.clone(), frame(frames::CONTINUATION, 0, 1, []))).await;
    let large = frames::block(&[("x", &"y".repeat(16_000))]);
    scene.ends("large continuation", &after(begun, frame(frames::CONTINUATION, 0, 1, large))).await;
}

#[tokio::test]
async fn bodies_in_pieces_of_nothing() {
    let mut scene = Scene::new().await;
    scene.ends("empty data", &after(frames::post(1, "/"), frame(frames::DATA, 0, 1, []))).await;
    let padding = [&[200][..], &[0; 200]].concat();
    scene.ends("padding", &after(frames::post(1, "/"), frame(frames::DATA, 8, 1, padding))).await;
}

#[tokio::test]
async fn frames_about_the_connection() {
    let mut scene = Scene::new().await;
    scene.ends("ping", &vec![frame(frames::PING, 0, 0, [0; 8]); ENOUGH]).await;
    scene.ends("settings", &vec![frame(frames::SETTINGS, 0, 0, [0, 4, 0, 1, 0, 0]); ENOUGH]).await;
    scene.ends("empty settings", &vec![frame(frames::SETTINGS, 0, 0, []); ENOUGH]).await;
    scene.ends("window update", &vec![update(0); ENOUGH]).await;
    scene.ends("window update of a stream", &after(frames::post(1, "/"), update(1))).await;
    scene.ends("priority", &turns(|stream| vec![frame(frames::PRIORITY, 0, stream + 2, [0, 0, 0, 0, 9])])).await;
    scene.proxy.reaches("moorline_http2_floods_total{flood=\"ping\"} ", 2.0).await;
    scene.ends("unknown", &vec![frame(0xbe, 0, 0, *b"anything"); ENOUGH]).await;
}

/// A few bytes for each field of four KiB: what comes out would be 48 MiB.
fn bomb() -> Vec<u8> {
    const FIELD: usize = 4000;
    // The value goes into the table, which it fills, and is then named again and again.
    let mut block = [frames::block(&[("x", &"y".repeat(FIELD))]), vec![0x80 | 62; 12_000]].concat();
    block[0] = 0x40;
    block
}

#[tokio::test]
async fn header_bombs_take_a_bounded_amount_of_memory() {
    const CONNECTIONS: usize = 10;
    let a = origin("a").run().await;
    let endpoint = a.address.to_string();
    let program = program(&["proxy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", &endpoint]);
    let mut bystander = Client::connect(program.address()).await;
    bystander.get("/").await.expect(200);
    let before = program.resident();
    let flags = frames::END_STREAM | frames::END_HEADERS;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(program.address()).await;
        connection.send(&[frame(frames::HEADERS, flags, 1, bomb())]).await;
        connections.push(connection);
    }
    for mut connection in connections {
        assert!(matches!(connection.end().await, End::GoAway(frames::ENHANCE_YOUR_CALM, _)));
    }
    bystander.get("/").await.expect(200);
    let grown = program.resident().saturating_sub(before);
    assert!(grown <= CONNECTIONS * 4 * 1024 * 1024, "{grown} bytes");
    assert_eq!(a.heads().len(), 2);
}

#[tokio::test]
async fn a_head_that_is_a_little_too_large_is_431_and_no_flood() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut connection = Connection::open(proxy.address).await;
    for stream in [1, 3] {
        let block = [frames::get(stream, "/").payload, frames::block(&[("x", &"y".repeat(66_000))])].concat();
        let mut parts = block.chunks(16 * 1024).map(<[u8]>::to_vec);
        let mut all = vec![frame(frames::HEADERS, frames::END_STREAM, stream, parts.next().unwrap())];
        all.extend(parts.map(|part| frame(frames::CONTINUATION, 0, stream, part)));
        all.last_mut().unwrap().flags |= frames::END_HEADERS;
        connection.send(&all).await;
        assert_eq!(connection.answer(stream).await.0, 431);
    }
    connection.send(&[frames::get(5, "/")]).await;
    assert_eq!(connection.answer(5).await.0, 200);
    assert_eq!(a.heads().len(), 1);
}

/// Three beginnings that do not go on: in the head of a frame, in a head, and between two parts of one.
#[tokio::test]
async fn what_a_client_has_begun_to_say_has_the_time_limit_of_heads() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).limits("head: 300ms").run();
    let begun = frame(frames::HEADERS, frames::END_STREAM, 3, frames::get(3, "/").payload).bytes();
    let head = frames::get(3, "/").bytes();
    for beginning in [&head[..5], &head[..20], &begun] {
        let mut connection = Connection::open(proxy.address).await;
        // A request that is under way does not make it longer.
        connection.send(&[frames::get(1, "/")]).await;
        connection.send_bytes(beginning).await;
        connection.end().await;
    }
}
