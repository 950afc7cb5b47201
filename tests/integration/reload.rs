//! A new configuration while requests are served, and the end of everything.

use crate::support::{Behaviour, eventually, origin, proxy};

#[tokio::test]
async fn requests_under_way_end_on_the_configuration_that_they_began_with() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).run();
    a.behave(Behaviour::Flood);
    let mut client = proxy.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the response has begun", || a.written() > 0).await;
    proxy.publish(&crate::support::proxy().endpoint(&b));
    assert_eq!(proxy.client().await.get("/").await.expect(200).served_by(), "b");
    let mut block = vec![0; 1 << 20];
    for _ in 0..16 {
        tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut block).await.unwrap();
    }
}

#[tokio::test]
async fn a_drain_lets_requests_under_way_end_and_closes_idle_connections() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut idle = proxy.client().await;
    idle.get("/").await.expect(200);
    let mut busy = proxy.client().await;
    busy.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha").await;
    proxy.reaches("http_server_active_requests ", 1.0).await;
    proxy.drain();
    assert!(idle.is_closed().await);
    busy.send(b"lf").await;
    let response = busy.response().await.unwrap().expect(200);
    assert_eq!(response.field("connection"), Some("close"));
    assert!(busy.is_closed().await);
    proxy.ended().await;
}
