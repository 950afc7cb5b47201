//! What rules of an ingress controller do beside routing, as clients and endpoints see it.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use moorline::routing::filters::{Access, Cors, Filters, Location, OriginPattern, Redirect, Timeouts};
use moorline::routing::{PathMatch, Protocol, Rule};

use crate::support::frames::{self, Connection, DATA, END_STREAM, RST_STREAM, frame};
use crate::support::{
    Act, Behaviour, Browser, Client, Origin, Proxy, backend, eventually, http2_origin, origin, proxy, rewrite, rule,
    rules,
};

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

async fn with(filters: Filters) -> (Origin, Proxy) {
    let a = origin("a").run().await;
    let proxy = proxy().tls("").filtered(&a, filters);
    (a, proxy)
}

/// What the last request asked the endpoint for.
fn asked(origin: &Origin) -> String {
    origin.heads().last().and_then(|head| Some(head.split(' ').nth(1)?.to_owned())).unwrap_or_default()
}

#[tokio::test]
async fn what_is_closed_is_closed_to_everybody_and_for_certificate_authorities_too() {
    let app_root = Some(value("/app"));
    let (a, proxy) = with(Filters { access: Access::Closed("auth-url".into()), app_root, ..Filters::default() }).await;
    let mut client = proxy.client().await;
    for path in ["/", "/x", "/.well-known/acme-challenge/x"] {
        let response = client.get(path).await.expect(503);
        assert_eq!(response.field("retry-after"), Some("2"));
        assert!(!response.text().contains("auth-url"), "why is nobody's business");
    }
    assert!(a.heads().is_empty());
}

#[tokio::test]
async fn who_is_not_let_in_gets_403_however_it_asks() {
    let access = || Access::Only(["192.0.2.0/24".parse().unwrap()].into());
    let (a, direct) = with(Filters { access: access(), ..Filters::default() }).await;
    let mut client = direct.client().await;
    client.get_with("/", "X-Forwarded-For: 192.0.2.1\r\n").await.expect(403);
    client.get_with("/", "X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n").await.expect(403);
    let (status, _) = {
        let mut http2 = Connection::open(direct.address).await;
        http2.send(&[frames::get(1, "/")]).await;
        http2.answer(1).await
    };
    assert_eq!(status, 403);
    assert!(a.heads().is_empty());
    let behind = proxy().trusting("127.0.0.1/32").filtered(&a, Filters { access: access(), ..Filters::default() });
    let mut client = behind.client().await;
    client.get_with("/", "X-Forwarded-For: 192.0.2.1\r\n").await.expect(200);
    client.get_with("/", "X-Forwarded-For: 192.0.2.1, 198.51.100.1\r\n").await.expect(403);
    client.get_with("/", "X-Forwarded-For: nonsense\r\n").await.expect(403);
    client.get("/").await.expect(403);
    let announced =
        proxy().announced_by("127.0.0.0/8").filtered(&a, Filters { access: access(), ..Filters::default() });
    for (address, status) in [("192.0.2.7", 200), ("198.51.100.7", 403)] {
        let mut client = announced.client().await;
        client.send(format!("PROXY TCP4 {address} 198.51.100.1 56324 443\r\n").as_bytes()).await;
        client.get("/").await.expect(status);
    }
}

#[tokio::test]
async fn requests_are_sent_elsewhere_and_proofs_for_certificates_are_not() {
    let location = Location::WithTarget(value("https://new.example"));
    let redirect = Some(Redirect { status: StatusCode::FOUND, location });
    let (a, proxy) = with(Filters { redirect, app_root: Some(value("/app")), ..Filters::default() }).await;
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.expect(302).field("location"), Some("/app"));
    let hostile = client.get("/x%0d%0aSet-Cookie:a=b?c").await.expect(302);
    assert_eq!(hostile.field("location"), Some("https://new.example/x%0d%0aSet-Cookie:a=b?c"));
    assert_eq!(hostile.field("set-cookie"), None);
    assert!(a.heads().is_empty());
    client.get("/.well-known/acme-challenge/x").await.expect(200);
}

#[tokio::test]
async fn responses_over_tls_say_that_it_shall_be_tls_whoever_made_them() {
    let filters = || Filters { strict_transport: Some(value("max-age=9")), ..Filters::default() };
    let (a, proxy) = with(filters()).await;
    let mut secured = Browser::careless().connect(proxy.tls(), "localhost").await;
    assert_eq!(secured.get("/").await.expect(200).field("strict-transport-security"), Some("max-age=9"));
    assert_eq!(proxy.client().await.get("/").await.field("strict-transport-security"), None);
    drop(a);
    assert_eq!(secured.get("/").await.expect(503).field("strict-transport-security"), Some("max-age=9"));
}

fn cors() -> Option<Box<Cors>> {
    Some(Box::new(Cors {
        origins: [OriginPattern::Exact("https://a.example".into())].into(),
        methods: value("GET, PUT"),
        headers: value("X-Token"),
        expose: None,
        credentials: true,
        max_age: Duration::from_secs(60),
    }))
}

#[tokio::test]
async fn preflights_are_answered_here_and_responses_say_who_may_read_them() {
    let (a, proxy) = with(Filters { cors: cors(), ..Filters::default() }).await;
    let mut client = proxy.client().await;
    let ask = |origin: &str| {
        format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n")
    };
    let answer = client.request(&ask("https://a.example"), "").await.expect(204);
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(answer.field("vary"), Some("Origin"));
    assert!(a.heads().is_empty());
    let read = client.get_with("/", "Origin: https://a.example\r\n").await.expect(200);
    assert_eq!(read.field("access-control-allow-credentials"), Some("true"));
    for odd in ["https://a.example.evil", "null", "https://a.example, https://a.example", "*", "\u{fc}", "a\tb"] {
        let answer = client.request(&ask(odd), "").await.expect(200);
        assert_eq!(
            (answer.field("access-control-allow-origin"), answer.field("vary")),
            (None, Some("Origin")),
            "{odd}"
        );
    }
    let twice = client.get_with("/", "Origin: https://a.example\r\nOrigin: https://a.example\r\n").await.expect(200);
    assert_eq!(twice.field("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_endpoint_gets_the_path_the_host_and_the_prefix_of_the_rule() {
    let (a, proxy) = with(Filters {
        rewrite: rewrite("/app(/|$)(.*)", "/$2"),
        upstream_host: Some(value("inner.example")),
        forwarded_prefix: Some(value("/app")),
        ..Filters::default()
    })
    .await;
    let mut client = proxy.client().await;
    let response = client.get_with("/app/x/y?a=b", "X-Forwarded-Prefix: /evil\r\n").await.expect(200);
    assert_eq!(asked(&a), "/x/y?a=b");
    assert_eq!(response.seen("host").as_deref(), Some("inner.example"));
    assert_eq!(response.seen("x-forwarded-host").as_deref(), Some("localhost"));
    assert_eq!(response.seen("x-forwarded-prefix").as_deref(), Some("/app"));
    client.get("/app/%0d%0aX-Evil:%201").await.expect(200);
    assert_eq!(asked(&a), "/%0d%0aX-Evil:%201");
    let huge = format!("/app/{}", "a/".repeat(7_000));
    client.get(&huge).await.expect(200);
    assert_eq!(asked(&a).len(), huge.len() - 4);
}

#[tokio::test]
async fn a_rewrite_that_would_climb_out_is_400_and_reaches_nobody() {
    let (a, proxy) = with(Filters { rewrite: rewrite("/app/([^/]*)/(.*)", "/$1$2/x"), ..Filters::default() }).await;
    proxy.client().await.get("/app/./secret").await.expect(400);
    let joined = proxy.client().await.get("/app/%2/e").await;
    assert_eq!(joined.status, 400, "two halves that become a dot");
    proxy.client().await.get("/app/a/b").await.expect(200);
    assert_eq!((asked(&a).as_str(), a.heads().len()), ("/ab/x", 1));
}

/// Rules are found by what was asked for, again and again, though the head says something else.
#[tokio::test]
async fn a_request_that_is_sent_again_keeps_its_rule() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().workers(1).table(|keys| {
        let (web, other) = (backend("web", &[&a], Protocol::Http, keys), backend("other", &[&b], Protocol::Http, keys));
        let filters = Some(Box::new(Filters { rewrite: rewrite("/app(.*)", "/other$1"), ..Filters::default() }));
        rules(vec![
            (PathMatch::prefix("/app").unwrap(), Rule { filters, ..rule(&[(1, &web)]) }),
            (PathMatch::prefix("/other").unwrap(), rule(&[(1, &other)])),
        ])
    });
    a.behave(Behaviour::CloseQuietly);
    let mut client = proxy.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/app/x").await.expect(200).served_by(), "a");
        assert_eq!(asked(&a), "/other/x");
    }
    assert!(b.heads().is_empty());
}

async fn bounded() -> (Origin, Proxy) {
    with(Filters { body_size: Some(10), ..Filters::default() }).await
}

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_413_before_it_has_come() {
    let (a, proxy) = bounded().await;
    let mut client = proxy.client().await;
    client.post("/", "0123456789").await.expect(200);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n").await;
    let response = client.response().await.unwrap().expect(413);
    assert_eq!(response.field("connection"), Some("close"));
    assert_eq!(a.heads().len(), 1);
    let mut http2 = Connection::open(proxy.address).await;
    http2.send(&[frames::post(1, "/"), frame(DATA, END_STREAM, 1, vec![b'x'; 11])]).await;
    assert_eq!(http2.answer(1).await.0, 413);
}

#[tokio::test]
async fn chunks_are_no_way_around_the_bound() {
    let (a, proxy) = bounded().await;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    proxy.client().await.request(chunked, "a\r\n0123456789\r\n0\r\n\r\n").await.expect(200);
    a.behave(Behaviour::Hang);
    let mut client = proxy.client().await;
    let response = client.request(chunked, "6\r\n012345\r\n5\r\n67890\r\n").await.expect(413);
    assert_eq!(response.field("connection"), Some("close"));
    assert!(client.is_closed().await);
    eventually("the endpoint is not kept waiting", || a.open() == 0).await;
    let lie = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n";
    proxy.client().await.request(lie, "b\r\n01234567890\r\n0\r\n\r\n").await.expect(400);
}

#[tokio::test]
async fn a_body_over_http_2_is_bounded_on_both_sides() {
    let a = http2_origin("a").await;
    a.act(Act::Hang);
    let proxy = proxy().table(|keys| {
        let id = moorline::routing::BackendId::new("web");
        let endpoint = moorline::routing::Endpoint::new(&id, "a", [a.address]);
        let web = moorline::routing::Backend::new(id, vec![endpoint], keys).unwrap().speaking(Protocol::H2c);
        let filters = Some(Box::new(Filters { body_size: Some(10), ..Filters::default() }));
        rules(vec![(PathMatch::prefix("/").unwrap(), Rule { filters, ..rule(&[(1, &web.into())]) })])
    });
    let mut http2 = Connection::open(proxy.address).await;
    http2.send(&[frames::post(1, "/"), frame(DATA, 0, 1, *b"012345"), frame(DATA, 0, 1, *b"67890")]).await;
    assert_eq!(http2.answer(1).await.0, 413);
    eventually("the endpoint's stream is reset", || a.open() == 0 || a.resets() == 1).await;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    proxy.client().await.request(chunked, "b\r\n01234567890\r\n").await.expect(413);
}

async fn impatient(timeouts: Timeouts, behaviour: Behaviour) -> (Origin, Proxy) {
    let (a, proxy) = with(Filters { timeouts, ..Filters::default() }).await;
    a.behave(behaviour);
    (a, proxy)
}

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

#[tokio::test]
async fn an_endpoint_that_is_silent_for_longer_than_its_rule_allows_is_504() {
    let (_a, proxy) = impatient(Timeouts { read: SHORT, ..Timeouts::default() }, Behaviour::Hang).await;
    proxy.client().await.get("/").await.expect(504);
    proxy.client().await.post("/", "body").await.expect(504);
}

#[tokio::test]
async fn an_endpoint_that_stops_within_the_body_is_cut_off() {
    let half = Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".into());
    let (_a, proxy) = impatient(Timeouts { read: SHORT, ..Timeouts::default() }, half).await;
    let response = proxy.client().await.get("/").await.expect(200);
    assert!(!response.complete);
}

#[tokio::test]
async fn a_rule_may_be_more_patient_than_the_limits() {
    let a = origin("a").run().await;
    let next = std::sync::Arc::new(tokio::sync::Notify::new());
    a.behave(Behaviour::Pieces(std::sync::Arc::clone(&next)));
    let long = Timeouts { read: Some(Duration::from_secs(3600)), ..Timeouts::default() };
    let impatient = proxy().limits("body: 100ms, response_head: 100ms").workers(1);
    let proxy = impatient.filtered(&a, Filters { timeouts: long, ..Filters::default() });
    let mut patient = proxy.client().await;
    patient.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    patient.reads("data: piece").await;
    // Another connection outstays the same limits, and is cut off: so much time has passed for this one, too.
    let b = origin("b").behave(Behaviour::Hang).run().await;
    let other = impatient.filtered(&b, Filters::default());
    other.client().await.get("/").await.expect(504);
    other.client().await.get("/").await.expect(504);
    next.notify_one();
    patient.reads("data: piece").await;
}

/// What nobody takes from it is not its silence.
#[tokio::test]
async fn an_endpoint_is_not_silent_while_what_it_says_waits_behind_what_the_client_does_not_read() {
    let next = std::sync::Arc::new(tokio::sync::Notify::new());
    let events = origin("a").behave(Behaviour::Pieces(std::sync::Arc::clone(&next))).run().await;
    let (big, hangs) =
        (origin("b").behave(Behaviour::Flood).run().await, origin("c").behave(Behaviour::Hang).run().await);
    let timeouts = Timeouts { read: Some(Duration::from_secs(2)), ..Timeouts::default() };
    let proxy = proxy().workers(1).table(|keys| {
        let paths = [("/", &events), ("/big", &big), ("/hangs", &hangs)].map(|(path, origin)| {
            let filters = Some(Box::new(Filters { timeouts, ..Filters::default() }));
            let backend = backend(origin.name, &[origin], Protocol::Http, keys);
            (PathMatch::prefix(path).unwrap(), Rule { filters, ..rule(&[(1, &backend)]) })
        });
        rules(paths.into())
    });
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let says = async {
        loop {
            ticks.tick().await;
            next.notify_one();
        }
    };
    let reads = async {
        let mut client = Connection::open(proxy.address).await;
        client.send(&frames::windows(frames::LARGEST)).await;
        client.send(&[frames::get(1, "/"), frames::get(3, "/big")]).await;
        eventually("both are under way", || events.open() + big.open() == 2).await;
        // Others outstay the limit: so much time has passed for these, too.
        for _ in 0..2 {
            proxy.client().await.get("/hangs").await.expect(504);
        }
        let mut pieces = 0;
        while pieces < 100 {
            let next = client.next().await.expect("the connection goes on");
            assert_ne!(next.kind, RST_STREAM, "stream {} is broken off", next.stream);
            pieces += usize::from((next.kind, next.stream) == (DATA, 1));
        }
    };
    tokio::select! {
        () = says => {}
        () = reads => {}
    }
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_ends_by_the_time_of_its_rule() {
    let (a, proxy) = impatient(Timeouts { read: SHORT, ..Timeouts::default() }, Behaviour::Switch).await;
    let mut client: Client = proxy.client().await;
    let ask = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    client.request(ask, "").await.expect(101);
    assert_eq!(client.read_raw(5).await, b"hello");
    assert!(client.is_closed().await);
    eventually("its endpoint is let go", || a.open() == 0).await;
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_of_the_body_is_504() {
    let a = Deaf::run().await;
    let timeouts = Timeouts { send: SHORT, ..Timeouts::default() };
    let proxy = proxy().table(|keys| {
        let id = moorline::routing::BackendId::new("web");
        let endpoint = moorline::routing::Endpoint::new(&id, "deaf", [a.0.local_addr().unwrap()]);
        let web = moorline::routing::Backend::new(id, vec![endpoint], keys).unwrap();
        let filters = Some(Box::new(Filters { timeouts, ..Filters::default() }));
        rules(vec![(PathMatch::prefix("/").unwrap(), Rule { filters, ..rule(&[(1, &web.into())]) })])
    });
    let mut client = proxy.client().await;
    let (mut read, mut write) = client.stream.split();
    let endless = async {
        use tokio::io::AsyncWriteExt;
        let _ = write.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
        while write.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let answer = async {
        use tokio::io::AsyncReadExt;
        let mut start = [0; 12];
        read.read_exact(&mut start).await.unwrap();
        start
    };
    tokio::select! {
        () = endless => unreachable!("it does not end"),
        start = answer => assert_eq!(&start, b"HTTP/1.1 504"),
    }
}

/// A server that lets connections be made, and reads nothing.
struct Deaf(std::net::TcpListener);

impl Deaf {
    async fn run() -> Self {
        Self(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
    }
}
