//! More than there is room for: told so at once, while those inside go on.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::support::{Authority, Behaviour, Client, admin_get, eventually, origin, program_after, proxy};

#[tokio::test]
async fn more_clients_than_allowed_are_told_so_and_those_inside_go_on() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("connections: 4").run();
    let mut inside = Vec::new();
    for _ in 0..4 {
        let mut client = proxy.client().await;
        client.get("/").await.expect(200);
        inside.push(client);
    }
    let mut outside = proxy.client().await;
    let refused = outside.post("/", &"x".repeat(5000)).await.expect(503);
    assert_eq!((refused.field("retry-after"), refused.field("connection")), (Some("2"), Some("close")));
    assert!(refused.complete && outside.is_closed().await);
    assert_eq!(proxy.metric("moorline_client_connections_refused_total ").await, Some(1.0));
    for client in &mut inside {
        client.get("/").await.expect(200);
    }
    drop(inside);
    let mut status = 503;
    while status != 200 {
        status = proxy.client().await.get("/").await.status;
    }
}

#[tokio::test]
async fn a_head_that_is_one_too_many_gets_no_body() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).limits("connections: 1").run();
    let mut inside = proxy.client().await;
    inside.get("/").await.expect(200);
    let mut outside = proxy.client().await;
    outside.stream.set_nodelay(true).unwrap();
    for byte in b"HEAD / HTTP/1.1\r\n".chunks(1) {
        outside.send(byte).await;
    }
    let answer = outside.read_raw(1 << 16).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn whoever_speaks_tls_is_told_so_too() {
    let authority = Authority::new();
    authority.issue("cert", &["a.example"]);
    let a = origin("a").run().await;
    let tls = "certificates: [{ cert: cert.pem, key: cert.key }]";
    let proxy = proxy().endpoint(&a).tls(tls).limits("connections: 1").run_in(authority.folder());
    let browser = authority.browser_with(rustls::ALL_VERSIONS, &["h2", "http/1.1"]);
    let mut inside = authority.browser().connect(proxy.tls(), "a.example").await;
    inside.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
    let mut outside = browser.connect(proxy.tls(), "a.example").await;
    assert_eq!(outside.tls().alpn_protocol(), Some(&b"http/1.1"[..]), "the answer is HTTP/1.1");
    let refused = outside.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(503);
    assert_eq!(refused.field("retry-after"), Some("2"));
    assert!(outside.is_closed().await);
    inside.request("GET / HTTP/1.1\r\nHost: a.example\r\n", "").await.expect(200);
}

#[tokio::test]
async fn whoever_is_one_too_many_and_asks_nothing_is_closed() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).tls("").limits("connections: 1").run();
    let mut inside = proxy.client().await;
    inside.get("/").await.expect(200);
    let mut silent = [proxy.client().await, Client::connect(proxy.tls()).await];
    for silent in &mut silent {
        assert!(silent.is_closed().await);
    }
    assert_eq!(proxy.metric("moorline_client_connections_refused_total ").await, Some(2.0));
    assert_eq!(proxy.metric("moorline_client_connections_reset_total ").await, Some(0.0));
}

#[tokio::test]
async fn more_requests_than_allowed_are_503_at_once_and_their_connections_stay() {
    let a = origin("a").behave(Behaviour::Hang).run().await;
    let proxy = proxy().endpoint(&a).workers(1).limits("requests: 2").run();
    let mut waiting = [proxy.client().await, proxy.client().await];
    for client in &mut waiting {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    eventually("both are under way", || a.heads().len() == 2).await;
    let mut client = proxy.client().await;
    for _ in 0..3 {
        let refused = client.get("/").await.expect(503);
        assert_eq!(refused.field("retry-after"), Some("2"));
    }
    assert_eq!(proxy.metric("moorline_client_requests_refused_total ").await, Some(3.0));
    assert_eq!(a.heads().len(), 2, "nobody has seen them");
    a.behave(Behaviour::Echo);
    drop(waiting);
    proxy.reaches("http_server_active_requests ", 0.0).await;
    client.get("/").await.expect(200);
}

#[tokio::test]
async fn when_descriptors_run_out_the_admin_port_answers_and_clients_are_served_again() {
    let a = origin("a").run().await;
    let program = program_after("ulimit -n 96;", &proxy().endpoint(&a).text());
    assert!(program.first_words.contains("fewer connections than configured"), "{}", program.first_words);
    let mut clients = Vec::new();
    for _ in 0..200 {
        match ask(program.address()).await {
            Some((client, 200)) => clients.push(client),
            other => assert!(other.is_none_or(|(_, status)| status == 503)),
        }
    }
    let served = clients.len();
    assert!((12..96 / 2).contains(&served), "{served}");
    assert_eq!(admin_get(program.admin, "/readyz").await.0, 200);
    let (_, metrics) = admin_get(program.admin, "/metrics").await;
    assert!(metrics.contains(&format!("moorline_client_connections_refused_total {}\n", 200 - served)), "{metrics}");
    for client in &mut clients {
        client.get("/").await.expect(200);
    }
    drop(clients);
    while ask(program.address()).await.is_none_or(|(_, status)| status != 200) {}
}

/// Asks over a connection of its own. `None`: it was reset, be it before it could ask.
async fn ask(address: SocketAddr) -> Option<(Client, u16)> {
    let mut client = Client::over(TcpStream::connect(address).await.ok()?, address);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let status = client.response().await?.status;
    Some((client, status))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_system_without_descriptors_is_waited_for() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let a = origin("a").run().await;
    let program = proxy().endpoint(&a).workers(1).program();
    let pid = Pid::from_raw(i32::try_from(program.id()).expect("a process"));
    let allow = |current| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).expect("our own process").current
    };
    // Fewer than it has open.
    let began = tokio::time::Instant::now();
    let before = allow(Some(8));
    let mut client = Client::connect(program.address()).await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    program.says("connections cannot be accepted");
    allow(before);
    client.response().await.expect("an answer, late").expect(200);
    program.says("connections can be accepted again");
    let (_, metrics) = admin_get(program.admin, "/metrics").await;
    let failures = metrics.lines().find_map(|line| line.strip_prefix("moorline_client_accept_failures_total "));
    let failures: u128 = failures.and_then(|number| number.parse().ok()).expect("a number");
    // It waits for 50 ms each time.
    assert!((1..=began.elapsed().as_millis() / 50 + 1).contains(&failures), "{failures}");
}
