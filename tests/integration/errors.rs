//! What a client gets when nobody can answer it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Behaviour, eventually, origin, proxy};

#[tokio::test]
async fn errors_come_as_html_json_or_text_with_the_request_id() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    drop(a);
    let mut client = proxy.client().await;
    let html = client.get_with("/", "Accept: text/html,*/*;q=0.8\r\nX-Request-ID: id-1\r\n").await.expect(503);
    assert_eq!(html.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(html.text().contains("<h1>503 Service Unavailable</h1>") && html.text().contains("id-1"));
    let json = client.get_with("/", "Accept: application/json\r\nX-Request-ID: id-2\r\n").await.expect(503);
    assert_eq!(json.field("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!((&problem["status"], &problem["request_id"]), (&503.into(), &"id-2".into()));
    let text = client.get("/").await.expect(503);
    assert_eq!(text.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text.field("retry-after"), Some("2"));
    for response in [html, json, text] {
        let shown = response.text();
        assert!(!shown.contains("127.0.0.1") && !shown.contains("posts") && !shown.contains("refused"), "{shown}");
        assert_eq!(response.field("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn an_unknown_host_or_path_is_404() {
    let a = origin("a").run().await;
    let only = "  - { hosts: [known.example], rules: [{ path: { prefix: /known }, backend: posts }] }\n";
    let proxy = proxy().endpoint(&a).routes(only).run();
    let mut client = proxy.client().await;
    let mut status = async |host: &str, path: &str| {
        client.request(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), "").await.status
    };
    assert_eq!(status("known.example", "/known/x").await, 200);
    assert_eq!(status("KNOWN.example.:80", "/known").await, 200);
    assert_eq!(status("known.example", "/unknown").await, 404);
    assert_eq!(status("other.example", "/unknown").await, 200, "the rule for every host");
}

#[tokio::test]
async fn requests_that_are_none_are_400_and_close() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: b\r\n",
        "GET /a/../b HTTP/1.1\r\nHost: a\r\n",
        "GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n",
        "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n",
        "GET / HTTP/3.7\r\nHost: a\r\n",
        "nonsense\r\n",
    ] {
        let mut client = proxy.client().await;
        let response = client.request(head, "").await;
        assert_eq!(response.status, 400, "{head:?}");
        assert!(client.is_closed().await, "{head:?}");
    }
    assert_eq!(a.heads().len(), 0);
}

#[tokio::test]
async fn a_refusing_upstream_without_a_name_is_503_and_recovers_by_itself() {
    let a = origin("a").run().await;
    let address = a.address;
    let proxy = proxy().address(address).without_sessions().run();
    drop(a);
    let mut client = proxy.client().await;
    client.get("/").await.expect(503);
    let _a = origin("a").at(address).run().await;
    let mut status = 503;
    while status != 200 {
        status = client.get("/").await.status;
    }
}

#[tokio::test]
async fn garbage_instead_of_a_response_is_502() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 999999 What\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 777 What\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "\0\0\0\0",
    ] {
        a.behave(Behaviour::AnswerAndClose(garbage.into()));
        let response = proxy.client().await.get("/").await;
        assert_eq!(response.status, 502, "{garbage:?}");
    }
    a.behave(Behaviour::Echo);
    proxy.client().await.get("/").await.expect(200);
    eventually("its connections are closed", || a.open() <= 1).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_502_and_is_asked_twice_only_for_what_may_be_repeated() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for behaviour in [Behaviour::Close, Behaviour::Reset] {
        a.behave(behaviour);
        let before = a.heads().len();
        proxy.client().await.get("/").await.expect(502);
        assert_eq!(a.heads().len() - before, 2, "GET");
        proxy.client().await.post("/", "body").await.expect(502);
        assert_eq!(a.heads().len() - before, 3, "POST");
        let mut client = proxy.client().await;
        client.request("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n", "x").await.expect(502);
        assert_eq!(a.heads().len() - before, 4, "PUT with a body, which is gone");
    }
}

#[tokio::test]
async fn a_response_that_had_begun_is_never_asked_for_again() {
    let a = origin("a").behave(Behaviour::AnswerAndClose("HTTP/1.1 200 OK\r\nContent-Le".into())).run().await;
    let proxy = proxy().endpoint(&a).run();
    proxy.client().await.get("/").await.expect(502);
    assert_eq!(a.heads().len(), 1);
}

#[tokio::test]
async fn a_truncated_body_reaches_the_client_as_truncated() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ] {
        a.behave(Behaviour::AnswerAndClose(answer.into()));
        let mut client = proxy.client().await;
        let response = client.get("/").await.expect(200);
        assert!(!response.complete, "{answer:?}");
        assert_eq!(response.text(), "only this");
        assert!(client.is_closed().await);
    }
    assert_eq!(proxy.metric("moorline_upstream_truncated_responses_total").await, Some(3.0));
}

/// To whom the end of the connection may be the end of the body.
#[tokio::test]
async fn a_truncated_body_is_no_whole_one_over_http10_either() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    for (answer, is_whole) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n\r\n", true),
    ] {
        a.behave(Behaviour::AnswerAndClose(answer.into()));
        let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await.unwrap();
        let read = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(read.is_ok(), is_whole, "{answer:?}: {read:?}");
    }
}

/// hyper's server has no way to send them.
#[tokio::test]
async fn interim_responses_of_an_endpoint_are_read_and_dropped() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly this";
    let a = origin("a").behave(Behaviour::Answer(format!("{hints}{last}"))).run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    for _ in 0..3 {
        let response = client.get("/").await.expect(200);
        assert_eq!((response.text(), response.field("link")), ("only this".to_owned(), None));
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_in_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).unwrap_err();
    assert_eq!(error, format!("cannot listen on {address}: another program listens there already"));
    // Even if the other one would share it: a second proxy of ours does.
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    assert!(bind(proxy.address).is_err());
}

fn bind(address: std::net::SocketAddr) -> Result<(), String> {
    let text = format!(
        "listeners: [{{ address: '{address}' }}]\nadmin: {{ address: '127.0.0.1:0' }}\nbackends: {{ a: {{ endpoints: ['127.0.0.1:1'] }} }}\nroutes: [{{ rules: [{{ backend: a }}] }}]\n"
    );
    let (file, _) = moorline::file::File::parse(&text).expect("a sound file");
    moorline::app::bind((&file).into()).map(drop).map_err(|error| error.to_string())
}
