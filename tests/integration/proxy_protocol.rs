//! Load balancers that say whose a connection is, and everything that is not exactly that.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Browser, Client, Origin, Proxy, origin, proxy};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const BROKEN: &str = "moorline_proxy_protocol_broken_total ";

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length.to_be_bytes(), block].concat()
}

/// 192.0.2.7, with two extensions.
fn v2_over_ipv4() -> Vec<u8> {
    v2(0x21, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb, 4, 0, 2, 0, 0, 5, 0, 1, 9])
}

/// 2001:db8::7.
fn v2_over_ipv6() -> Vec<u8> {
    let address = |last| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    v2(0x21, 0x21, &[&address(7)[..], &address(1), &[0xdc, 4, 1, 0xbb]].concat())
}

/// A proxy that takes headers from here.
async fn announced() -> (Origin, Proxy) {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").announced_by("127.0.0.0/8").run();
    (a, proxy)
}

#[tokio::test]
async fn the_client_that_is_named_is_the_client() {
    let (_a, proxy) = announced().await;
    let v6 = "PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n";
    for (header, expected) in [
        (V1, "192.0.2.7"),
        (v6.as_bytes(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7"),
        (&v2_over_ipv4(), "192.0.2.7"),
        (&v2_over_ipv6(), "2001:db8::7"),
    ] {
        let lines = proxy.log().len();
        let mut client = proxy.client().await;
        // In one piece with the request, of which nothing is lost.
        client.send(&[header, GET].concat()).await;
        let response = client.response().await.expect("an answer").expect(200);
        assert_eq!(response.seen("x-forwarded-for").as_deref(), Some(expected));
        assert_eq!(response.seen("x-real-ip").as_deref(), Some(expected));
        assert!(response.seen("forwarded").unwrap().contains(expected));
        let again = client.get("/").await.expect(200);
        assert_eq!(again.seen("x-forwarded-for").as_deref(), Some(expected), "on the whole connection");
        crate::support::eventually("it is logged", || proxy.log().len() == lines + 2).await;
        assert_eq!(proxy.log()[lines]["client"], expected);
    }
    assert_eq!(proxy.metric(BROKEN).await, Some(0.0));
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let (_a, proxy) = announced().await;
    for header in [V1, &v2_over_ipv4(), &v2_over_ipv6()] {
        let mut client = proxy.client().await;
        client.stream.set_nodelay(true).unwrap();
        for byte in [header, GET].concat() {
            client.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        let response = client.response().await.expect("an answer").expect(200);
        assert!(response.seen("x-forwarded-for").unwrap().ends_with('7'));
    }
}

#[tokio::test]
async fn a_header_comes_before_tls() {
    let (_a, proxy) = announced().await;
    for header in [V1, &v2_over_ipv4()] {
        let mut stream = TcpStream::connect(proxy.tls()).await.unwrap();
        stream.write_all(header).await.unwrap();
        let mut client = Browser::careless().over(stream, "a.example").await.unwrap();
        let response = client.get("/").await.expect(200);
        assert_eq!(response.seen("x-forwarded-for").as_deref(), Some("192.0.2.7"));
        assert_eq!(response.seen("x-forwarded-proto").as_deref(), Some("https"));
    }
    assert!(Browser::careless().try_connect(proxy.tls(), "a.example").await.is_err(), "TLS without a header");
    proxy.reaches(BROKEN, 1.0).await;
}

#[tokio::test]
async fn a_header_that_names_nobody_leaves_the_peer_the_client() {
    let (_a, proxy) = announced().await;
    let local = v2(0x20, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb]);
    for header in [b"PROXY UNKNOWN 192.0.2.7\r\n", &local[..], &v2(0x20, 0, &[]), &v2(0x21, 0, &[1, 2, 3])] {
        let mut client = proxy.client().await;
        client.send(header).await;
        let response = client.get("/").await.expect(200);
        assert_eq!(response.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn whose_headers_are_believed_depends_on_the_client_that_is_named() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).announced_by("127.0.0.1/32").trusting("192.0.2.0/24").run();
    for (header, expected) in [(V1, "203.0.113.9, 192.0.2.7"), (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", "127.0.0.1")]
    {
        let mut client = proxy.client().await;
        client.send(header).await;
        let response = client.get_with("/", "X-Forwarded-For: 203.0.113.9\r\n").await.expect(200);
        assert_eq!(response.seen("x-forwarded-for").as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_connection_without_a_sound_header_is_closed_and_counted() {
    let (a, proxy) = announced().await;
    let mut bystander = proxy.client().await;
    bystander.send(V1).await;
    bystander.get("/").await.expect(200);
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
    let too_long = v2(0x21, 0x11, &[0; 4097]);
    let cases: &[&[u8]] = &[
        b"",
        b"\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 evil\r\nX-Forwarded-For: 1 1 1 1\r\n",
        long.as_bytes(),
        &too_long,
        &v2(0x11, 0x11, &[0; 12]),
        &v2(0x22, 0x11, &[0; 12]),
        &v2(0x21, 0x11, &[0; 11]),
        &v2(0x21, 0x44, &[0; 12]),
        &v2(0x21, 0x11, &[0; 13]),
    ];
    let before = a.heads().len();
    for case in cases {
        for address in [proxy.address, proxy.tls()] {
            let mut client = Client::connect(address).await;
            client.send(&[case, GET].concat()).await;
            assert!(client.is_closed().await, "{}", case.escape_ascii());
        }
    }
    assert_eq!(proxy.metric(BROKEN).await, Some(2.0 * cases.len() as f64));
    assert_eq!(a.heads().len(), before, "nobody has seen any of it");
    bystander.get("/").await.expect(200);
    proxy.reaches("moorline_client_connections_open ", 1.0).await;
}

#[tokio::test]
async fn a_header_has_little_time() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).announced_by("127.0.0.1").limits("first_byte: 100ms, head: 100ms").run();
    for begin in [&b""[..], b"PROXY TCP4 192.", &v2_over_ipv6()[..20]] {
        let mut client = proxy.client().await;
        client.send(begin).await;
        assert!(client.is_closed().await);
    }
    proxy.reaches(BROKEN, 3.0).await;
    // One that is cut off is broken; one that never was is a check whether the port is open.
    let mut client = proxy.client().await;
    client.send(b"PROXY TCP4").await;
    client.stream.shutdown().await.unwrap();
    assert!(client.is_closed().await);
    let mut client = proxy.client().await;
    client.stream.shutdown().await.unwrap();
    assert!(client.is_closed().await);
    assert_eq!(proxy.metric(BROKEN).await, Some(4.0));
}

#[tokio::test]
async fn nobody_else_may_connect() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).announced_by("192.0.2.0/24, '2001:db8::/32'").run();
    for begin in [V1, GET, &v2_over_ipv4()] {
        let mut client = proxy.client().await;
        client.send(&[begin, GET].concat()).await;
        assert!(client.is_closed().await);
    }
    assert_eq!(proxy.metric("moorline_proxy_protocol_untrusted_total ").await, Some(3.0));
    assert_eq!(proxy.metric(BROKEN).await, Some(0.0));
    assert!(a.heads().is_empty());
}

#[tokio::test]
async fn whoever_is_one_too_many_is_told_so_behind_a_header_too() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").announced_by("127.0.0.1").limits("connections: 1").run();
    let mut inside = proxy.client().await;
    inside.send(V1).await;
    inside.get("/").await.expect(200);
    let mut plain = proxy.client().await;
    plain.send(V1).await;
    plain.get("/").await.expect(503);
    let mut stream = TcpStream::connect(proxy.tls()).await.unwrap();
    stream.write_all(&v2_over_ipv4()).await.unwrap();
    Browser::careless().over(stream, "a.example").await.unwrap().get("/").await.expect(503);
}
