//! The end of the process, as clients that play by the rules of HTTP/2 see it: every request is answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use http_body_util::{BodyExt, Full};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{get, speak, text};
use crate::support::{PATIENCE, eventually, origin, proxy};

/// Makes one connection after the other, and requests over each, none of which may be repeated, until it is told to come no
/// more; until nobody listens.
async fn hammer(address: SocketAddr, answers: Arc<AtomicUsize>, goodbyes: Arc<AtomicUsize>) {
    loop {
        let stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("who knocks is let in or turned away: {error}"),
        };
        let mut client = speak(stream).await;
        while client.sender.ready().await.is_ok() {
            let request = get("/").method(Method::POST).body(Full::from("once").boxed()).unwrap();
            let answer = timeout(PATIENCE, client.sender.try_send_request(request)).await.expect("an answer in time");
            let response = match answer {
                Ok(response) => response,
                // `ready` knows nothing of a GOAWAY: what comes back unsent may be asked for elsewhere.
                Err(failed) => {
                    assert!(failed.message().is_some(), "it was sent, and not answered: {:?}", failed.error());
                    break;
                }
            };
            assert_eq!(response.status(), 200);
            text(response).await;
            answers.fetch_add(1, Ordering::SeqCst);
        }
        client.ended.await.unwrap().expect("it is told in order");
        goodbyes.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn nobody_who_plays_by_the_rules_sees_an_error_when_it_ends() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let mut program = proxy().endpoint(&a).endpoint(&b).limits("shutdown_grace: 300ms").program();
    let (answers, goodbyes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        clients.spawn(hammer(program.address(), Arc::clone(&answers), Arc::clone(&goodbyes)));
    }
    eventually("they are at it", || answers.load(Ordering::SeqCst) > 200).await;
    assert_eq!(goodbyes.load(Ordering::SeqCst), 0, "while it serves, connections are kept");
    program.signal(Signal::TERM);
    clients.join_all().await;
    assert!(goodbyes.load(Ordering::SeqCst) >= 16);
    assert_eq!(program.ended().await.code(), Some(0));
}
