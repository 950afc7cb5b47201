//! The socket with a guard: what passes, and how it ends.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::super::{Follower, Guarded, Warden};
use super::*;

/// Tells the time, and remembers what it is told.
#[derive(Clone, Debug, Default)]
struct Keeper(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: Cell<u64>,
    floods: RefCell<Vec<Flood>>,
    is_blocked: Cell<bool>,
}

impl Warden for Keeper {
    fn now(&self) -> Millis {
        Millis(self.0.now.get())
    }

    fn flooded(&self, flood: Flood) {
        self.0.floods.borrow_mut().push(flood);
    }

    fn written(&self, _: usize) {
        self.0.is_blocked.set(false);
    }

    fn blocked(&self) {
        self.0.is_blocked.set(true);
    }

    fn flushed(&self) {
        self.0.is_blocked.set(false);
    }
}

/// Takes everything that is written, as TLS does, and may have no room for it on its way.
struct Greedy(Rc<Cell<bool>>);

impl AsyncRead for Greedy {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Greedy {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn pair(room: usize) -> (DuplexStream, Guarded<DuplexStream, Keeper>, Follower, Keeper) {
    let (client, server) = duplex(room);
    let keeper = Keeper::default();
    let guarded = Guarded::new(server, BOUNDS, keeper.clone());
    let follower = guarded.follower();
    (client, guarded, follower, keeper)
}

async fn read_all(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an end");
    bytes
}

const CALM: [u8; 4] = [0, 0, 0, 11];

/// h2 reads until there is nothing left, and only then does hyper see what has come.
#[tokio::test]
async fn large_heads_are_read_a_few_at_a_time() {
    let (mut client, mut server, follower, _) = pair(1024 * 1024);
    let large = |stream| frame(head::HEADERS, END_HEADERS | END_STREAM, stream, &[0; 16 * 1024]);
    let heads: Vec<u8> = numbers().take(20).flat_map(large).collect();
    client.write_all(&[PREFACE, &heads].concat()).await.unwrap();
    let mut buffer = [0; 8 * 1024];
    let mut read_all = || {
        let mut cx = Context::from_waker(Waker::noop());
        let mut size = 0;
        loop {
            let mut into = ReadBuf::new(&mut buffer);
            match Pin::new(&mut server).poll_read(&mut cx, &mut into) {
                Poll::Ready(read) => read.unwrap(),
                Poll::Pending => return size,
            }
            size += into.filled().len();
        }
    };
    let first = read_all();
    // A block counts as soon as its length is known.
    assert!((112 * 1024..136 * 1024).contains(&first), "{first}");
    assert_eq!(read_all(), 0, "until hyper has seen them");
    follower.allow_heads();
    let second = read_all();
    follower.allow_heads();
    assert_eq!(first + second + read_all(), PREFACE.len() + heads.len());
}

#[tokio::test]
async fn what_is_no_flood_passes_both_ways_and_is_followed() {
    let (mut client, mut server, follower, keeper) = pair(1024);
    let hello = [PREFACE, &settings(), &last_headers(1)].concat();
    client.write_all(&hello).await.unwrap();
    let mut read = vec![0; hello.len()];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(read, hello);
    assert_eq!((follower.open(), follower.idle_since()), (1, None));
    keeper.0.now.set(7);
    let answer = [headers(1), last_data(1, 20)].concat();
    server.write_all(&answer).await.unwrap();
    let mut read = vec![0; answer.len()];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(read, answer);
    assert_eq!((follower.open(), follower.idle_since(), follower.unfinished_since()), (0, Some(Millis(7)), None));
    assert_eq!(follower.flood(), None);
}

#[tokio::test]
async fn a_flood_ends_with_a_goaway_and_its_name() {
    let (mut client, mut server, follower, keeper) = pair(64 * 1024);
    let pings: Vec<u8> = (0..BOUNDS.frames + 1).flat_map(|_| ping()).collect();
    client.write_all(&[PREFACE, &settings(), &last_headers(5), &pings].concat()).await.unwrap();
    let mut passed = Vec::new();
    let error = server.read_to_end(&mut passed).await.expect_err("a flood");
    assert_eq!(error.get_ref().and_then(|error| error.downcast_ref::<Flood>()), Some(&Flood::Ping));
    assert!(passed.len() < PREFACE.len() + pings.len());
    let debug = [&[0, 0, 0, 5][..], &CALM, b"ping"].concat();
    assert_eq!(read_all(&mut client).await, frame(head::GOAWAY, 0, 0, &debug));
    // It is told once, however often it is asked.
    assert!(server.write_all(b"x").await.is_err() && server.flush().await.is_err());
    assert_eq!((&*keeper.0.floods.borrow(), follower.flood()), (&vec![Flood::Ping], Some(Flood::Ping)));
}

#[tokio::test]
async fn between_frames_is_where_a_goaway_goes_or_nowhere() {
    let (mut client, mut server, ..) = pair(64 * 1024);
    let half = &data(1, 100)[..50];
    server.write_all(half).await.unwrap();
    let bomb = [2, 0, 1, head::HEADERS, 0, 0, 0, 0, 1];
    client.write_all(&[PREFACE, &bomb].concat()).await.unwrap();
    server.read_to_end(&mut Vec::new()).await.expect_err("a flood");
    assert_eq!(read_all(&mut client).await, half);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let (mut client, mut server, ..) = pair(64);
    // As much as there is room for.
    server.write_all(&data(1, 64 - 9)).await.unwrap();
    client.write_all(PREFACE).await.unwrap();
    let mut preface = [0; PREFACE.len()];
    server.read_exact(&mut preface).await.unwrap();
    client.write_all(&[2, 0, 1, head::HEADERS, 0, 0, 0, 0, 1]).await.unwrap();
    server.read_to_end(&mut Vec::new()).await.expect_err("a flood");
}

#[tokio::test]
async fn a_client_that_makes_us_reset_its_streams_is_seen_when_we_write() {
    let (mut client, mut server, ..) = pair(64 * 1024);
    client.write_all(PREFACE).await.unwrap();
    let mut preface = [0; PREFACE.len()];
    server.read_exact(&mut preface).await.unwrap();
    let resets: Vec<u8> = numbers().take(BOUNDS.frames + 1).flat_map(|n| reset(n, STREAM_CLOSED)).collect();
    server.write_all(&resets).await.unwrap();
    // The next one to touch it learns of it.
    server.flush().await.expect_err("a flood");
    let read = read_all(&mut client).await;
    assert!(read.starts_with(&resets) && read.ends_with(b"provoked-reset"));
}

#[test]
fn a_socket_that_has_taken_all_at_last_has_room_again_though_nothing_more_is_written() {
    let (has_room, keeper) = (Rc::new(Cell::new(false)), Keeper::default());
    let mut server = Guarded::new(Greedy(Rc::clone(&has_room)), BOUNDS, keeper.clone());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut server).poll_write(&mut cx, &data(1, 10)).is_ready());
    assert!(Pin::new(&mut server).poll_flush(&mut cx).is_pending());
    assert!(keeper.0.is_blocked.get());
    has_room.set(true);
    assert!(Pin::new(&mut server).poll_flush(&mut cx).is_ready());
    assert!(!keeper.0.is_blocked.get());
}
