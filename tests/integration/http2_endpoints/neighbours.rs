//! One connection to an endpoint carries many clients' requests: none of them ends it for the others.

use super::*;
use crate::support::frames::{Connection, DATA, HEADERS, PING, get, windows};

/// Requests beside the bystander's, which is the first.
const OTHERS: usize = 98;

/// A head whose response goes on. HPACK: `:status: 200` is entry 8 of the static table.
fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, 4, stream, &[0x88])
}

/// The others' streams, of which the first has this number.
fn streams(first: u32) -> impl Iterator<Item = u32> {
    (first..).step_by(2).take(OTHERS)
}

/// The same frame for each of the others.
fn each(payload: &[u8]) -> Vec<u8> {
    streams(3).flat_map(|stream| frame(DATA, 0, stream, payload)).collect()
}

/// An endpoint that answers everybody with a head, does this, and then ends the bystander's response.
fn between(steps: &[Step]) -> Vec<Step> {
    let begin =
        [Step::Heads(1), Step::Say(head(1)), Step::Heads(1 + OTHERS), Step::Say(streams(3).flat_map(head).collect())];
    [&begin, steps, &[Step::Say(frame(DATA, 1, 1, b"whole")), Step::Wait]].concat()
}

/// A client that has had the head of its response.
async fn bystander(proxy: &Proxy) -> Client {
    let mut bystander = proxy.client().await;
    bystander.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
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

/// h2 by itself remembers 50 streams that were reset, and ends the connection when a thousand times something has come for
/// others.
#[tokio::test]
async fn what_is_on_its_way_for_those_who_have_gone() {
    let late = |number| [Step::Say([each(b"x"), frame(PING, 0, 0, &[0; 8])].concat()), Step::Pings(number)];
    let steps = [&[Step::Resets(OTHERS)], &(1..=25).flat_map(late).collect::<Vec<_>>()[..]].concat();
    let (address, _, _server) = raw_http2(vec![between(&steps)]).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    let mut bystander = bystander(&proxy).await;
    drop(others(&proxy).await);
    bystander.reads("5\r\nwhole\r\n0\r\n\r\n").await;
}

/// Servers end connections on which many streams are reset.
#[tokio::test]
async fn a_connection_is_left_to_those_who_stay_when_many_have_gone() {
    let a = http2_origin("a").await;
    a.act(Act::EchoBody);
    let proxy = before(&[&a]).run();
    let mut bystander = bystander(&proxy).await;
    a.act(Act::Flood);
    for _ in 0..20 {
        drop(others(&proxy).await);
    }
    bystander.send(b"4\r\nping\r\n").await;
    bystander.reads("4\r\nping\r\n").await;
    // As many as there may be at a time, and those that are there then.
    assert!(a.resets() <= 200, "{}", a.resets());
}

/// A frame takes 256 bytes here, however little is in it, and h2 ends the connection when such frames take more than half as
/// much as its window has.
#[tokio::test]
async fn small_pieces_that_nobody_takes() {
    let (address, _, _server) = raw_http2(vec![between(&[Step::Say(each(b"sixteen letters.").repeat(4000))])]).await;
    let proxy = proxy().speaking(H2C).workers(1).address(address).run();
    let mut bystander = bystander(&proxy).await;
    let _others = others(&proxy).await;
    bystander.reads("5\r\nwhole\r\n0\r\n\r\n").await;
}
