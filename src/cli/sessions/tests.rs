use std::net::SocketAddr;
use std::num::NonZeroU32;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::cli::AdminError;
use crate::config::args::AdminArgs;

const ANSWER: &str = r#"{"counts":[{"backend":"posts","endpoint":"posts-0","sessions":12},{"backend":"posts","endpoint":"127.0.0.1:9002","sessions":3}],
"total":15,"complete":true,"sessions":[{"id":"3f2a91c0","backend":"posts","endpoint":"posts-0","first_seen":"2026-01-01T00:00:00Z","last_seen":"2026-01-01T01:02:03.5Z","requests":17}],"more":true,"later":1}"#;

fn args(admin: String, output: Output) -> SessionsArgs {
    SessionsArgs {
        admin: AdminArgs { admin, output },
        endpoint: Some("[::1]:80".to_owned()),
        limit: NonZeroU32::new(5).unwrap(),
    }
}

/// Answers one request with these bytes, and returns what it was asked.
async fn server(answer: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut req = vec![0; 4096];
        let length = stream.read(&mut req).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&req[..length]).into_owned()
    });
    (url, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn ask(answer: String) -> Result<String, Error> {
    let (url, asked) = server(answer).await;
    let mut out = Vec::new();
    let result = run(&args(url, Output::Json), &mut out).await;
    assert!(asked.await.unwrap().starts_with("GET /api/v1/sessions?limit=5&endpoint=%5B%3A%3A1%5D%3A80 HTTP/1.1\r\n"));
    result.map(|_| String::from_utf8(out).unwrap())
}

#[test]
fn sessions_are_counted_and_listed() {
    let mut sessions: api::Sessions = serde_json::from_str(ANSWER).unwrap();
    let mut out = Vec::new();
    print(&sessions, "2026-01-02T00:00:00Z".parse().unwrap(), &mut out).unwrap();
    sessions.complete = false;
    sessions.sessions.clear();
    writeln!(out, "---").unwrap();
    print(&sessions, Timestamp::UNIX_EPOCH, &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[tokio::test]
async fn json_is_passed_on() {
    assert_eq!(ask(ok(ANSWER)).await.unwrap(), format!("{ANSWER}\n"));
}

#[tokio::test]
async fn what_is_no_admin_api_is_reported() {
    assert!(matches!(
        ask("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into()).await,
        Err(Error::Admin(AdminError::Refused { .. }))
    ));
    assert!(matches!(ask("SSH-2.0-OpenSSH_9.9\r\n".into()).await, Err(Error::Admin(AdminError::Broken { .. }))));
    assert!(matches!(
        ask("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort".into()).await,
        Err(Error::Admin(AdminError::Broken { .. }))
    ));
    let (url, _asked) = server(ok("{}")).await;
    let error = run(&args(url, Output::Text), &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, Error::Admin(AdminError::Broken { .. })), "{error}");
}

#[tokio::test]
async fn an_admin_api_that_is_not_there_is_said_with_the_next_step() {
    // It has the port, so that nobody else gets it, and takes no connections.
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let closed = held.local_addr().unwrap().as_socket().unwrap();
    let error = run(&args(format!("http://{closed}"), Output::Text), &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("at http://{closed}")), "{error}");
    assert!(error.to_string().contains("MOORLINE_ADMIN"), "{error}");
    for bad in ["https://127.0.0.1", "nonsense", ""] {
        let error = run(&args(bad.to_owned(), Output::Text), &mut Vec::new()).await.unwrap_err();
        assert!(matches!(error, Error::Admin(AdminError::Url(_))), "{bad:?}: {error}");
    }
}
