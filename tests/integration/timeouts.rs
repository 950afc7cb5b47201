//! Nothing lasts for ever.

use crate::support::{Behaviour, eventually, origin, proxy};

#[tokio::test]
async fn an_upstream_that_hangs_is_504() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).limits("response_head: 100ms").run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(504);
    eventually("its connection is closed", || a.open() == 0).await;
    assert_eq!(a.heads().len(), 1, "it is not asked again");
    a.behave(Behaviour::Echo);
    client.get("/").await.expect(200);
}

#[tokio::test]
async fn an_upstream_that_hangs_when_it_has_all_of_the_body_is_504_as_soon() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).limits("response_head: 100ms, body: 1h").run();
    proxy.client().await.post("/", "all of it").await.expect(504);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    proxy.client().await.request(chunked, "4\r\nbody\r\n0\r\n\r\n").await.expect(504);
}

#[tokio::test]
async fn an_upstream_that_stops_in_the_middle_is_cut_off() {
    let a =
        origin("a").behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".into())).run().await;
    let proxy = proxy().endpoint(&a).limits("body: 100ms").run();
    let response = proxy.client().await.get("/").await.expect(200);
    assert!(!response.complete);
}

#[tokio::test]
async fn a_client_that_stops_sending_its_body_is_408() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("body: 100ms").run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    client.response().await.unwrap().expect(408);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("first_byte: 100ms").run();
    assert!(proxy.client().await.is_closed().await);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("head: 100ms").run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost").await;
    assert!(client.is_closed().await);
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    client.send(b"GET / HTTP/1.1\r\nHost").await;
    assert!(client.is_closed().await, "on a used connection too");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("idle: 100ms").run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let a = origin("a").behave(Behaviour::Flood).run().await;
    let proxy = proxy().endpoint(&a).limits("body: 200ms").run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the response begins", || a.open() == 1).await;
    eventually("the server's connection is closed", || a.open() == 0).await;
}

#[tokio::test]
async fn an_upstream_that_stops_reading_is_504_and_not_the_clients_fault() {
    let a = origin("a").behave(Behaviour::Late(std::time::Duration::from_secs(3600))).run().await;
    let proxy = proxy().endpoint(&a).limits("body: 300ms").run();
    let mut client = proxy.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
    let block = vec![b'x'; 1 << 20];
    let response = loop {
        tokio::select! {
            biased;
            response = client.response() => break response,
            () = async { tokio::task::yield_now().await } => {}
        }
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), client.send(&block)).await;
    };
    response.unwrap().expect(504);
}

#[tokio::test]
async fn a_slow_reader_that_makes_progress_gets_everything() {
    let body = "x".repeat(4 << 20);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let a = origin("a").behave(Behaviour::Answer(answer)).run().await;
    let proxy = proxy().endpoint(&a).limits("idle: 300ms").run();
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // For longer than an idle connection may last: the last piece leaves the proxy long after the server has sent it.
    let mut read = 0;
    let mut block = vec![0; 128 * 1024];
    while read < body.len() {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        let piece = tokio::io::AsyncReadExt::read(&mut client.stream, &mut block).await.unwrap();
        assert!(piece > 0, "cut off after {read} bytes");
        read += piece;
    }
}
