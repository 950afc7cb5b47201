//! One connection to an endpoint carries many clients' requests: none of them ends it for the others.

use std::net::SocketAddr;

use tokio::task::JoinHandle;

use super::*;
use crate::support::frames::{Connection, DATA, HEADERS, get, windows};

/// Requests at a time beside the bystander's, which is the first.
const OTHERS: usize = 98;

/// A head whose response goes on. HPACK: `:status: 200` is entry 8 of the static table.
fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, 4, stream, &[0x88])
}

/// Streams one after the other, as both connections have them.
fn streams(first: u32) -> impl Iterator<Item = u32> {
    (first..).step_by(2).take(OTHERS)
}

/// What an endpoint does with the others' requests of one round: it answers with heads.
fn answers(round: usize) -> [Step; 2] {
    [Step::Heads(1 + OTHERS * (round + 1)), Step::Say(theirs(round).flat_map(head).collect())]
}

/// The streams of a round on the connection to the endpoint.
fn theirs(round: usize) -> impl Iterator<Item = u32> {
    streams(3 + 2 * (OTHERS * round) as u32)
}

/// An endpoint that answers the bystander with a head, does this, and then ends that response.
async fn between(steps: Vec<Step>) -> (SocketAddr, JoinHandle<()>) {
    let begin = vec![Step::Heads(1), Step::Say(head(1))];
    let end = vec![Step::Say(frame(DATA, 1, 1, b"whole")), Step::Wait];
    let (address, _, server) = raw_http2(vec![[begin, steps, end].concat()]).await;
    (address, server)
}

/// A client that has had the head of its response.
async fn bystander(proxy: &Proxy) -> Client {
    let mut bystander = proxy.client().await;
    bystander.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    bystander.reads("\r\n\r\n").await;
    bystander
}

/// One client over HTTP/2 that has had the heads of all others' responses, and takes nothing else.
async fn others(proxy: &Proxy) -> Connection {
    let mut others = Connection::open(proxy.address).await;
    others.send(&windows(0)).await;
    others.send(&streams(1).map(|stream| get(stream, "/")).collect::<Vec<_>>()).await;
    let mut heads = 0;
    while heads < OTHERS {
        heads += usize::from(others.next().await.expect("heads").kind == HEADERS);
    }
    others
}

/// What is on its way when clients go is no fault of anybody's. h2 by itself remembers 50 of their streams for a second,
/// and ends the connection when so many frames have come for others, however long that took.
#[tokio::test]
async fn what_comes_late_for_those_who_have_gone() {
    const ROUNDS: usize = 25;
    let round = |round| {
        let late = theirs(round).flat_map(|stream| frame(DATA, 0, stream, b"x")).collect();
        [&answers(round)[..], &[Step::Resets(OTHERS * (round + 1)), Step::Say(late)]].concat()
    };
    let (address, _server) = between((0..ROUNDS).flat_map(round).collect()).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    let mut bystander = bystander(&proxy).await;
    for _ in 0..ROUNDS {
        drop(others(&proxy).await);
    }
    bystander.reads("5\r\nwhole\r\n0\r\n\r\n").await;
}

/// A frame takes 256 bytes here, however little is in it, and h2 ends the connection when such frames take more than half as
/// much as its window has.
#[tokio::test]
async fn small_pieces_that_nobody_takes() {
    let pieces = (0..400).flat_map(|_| theirs(0)).flat_map(|stream| frame(DATA, 0, stream, b"sixteen letters."));
    let steps = [&answers(0)[..], &[Step::Say(pieces.collect())]].concat();
    let (address, _server) = between(steps).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    let mut bystander = bystander(&proxy).await;
    let _others = others(&proxy).await;
    bystander.reads("5\r\nwhole\r\n0\r\n\r\n").await;
}
