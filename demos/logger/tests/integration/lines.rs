use axum::http::StatusCode;
use moorline_logger::FileSettings;
use moorline_service::testing::soon;
use tokio::task::JoinSet;

use crate::support::{Service, say};

#[tokio::test]
async fn a_message_is_a_line_and_so_is_each_request() {
    let service = Service::start().await;
    let mut client = service.client().await;
    let from = client.local_addr();
    let said = say(&mut client, "hello, wörld").await;
    assert_eq!(said.status, StatusCode::CREATED, "{}", said.body);
    let line = said.json()["line"].as_str().expect("a line").to_owned();
    assert!(line.ends_with(&format!("Z message client={from} text=\"hello, wörld\"")), "{line}");
    assert_eq!(said.json()["instance"], "logger-0");
    assert_eq!(client.get("/nowhere").await.status, StatusCode::NOT_FOUND);

    let log = client.get("/log").await;
    assert_eq!((log.status, log.header("content-type")), (StatusCode::OK, "text/plain; charset=utf-8"));
    let lines: Vec<_> = log.body.lines().collect();
    let [started, message, posted, lost] = lines[..] else { panic!("four lines:\n{}", log.body) };
    assert!(started.ends_with(" started instance=logger-0"), "{started}");
    assert_eq!(message, line);
    assert!(posted.ends_with(&format!(" request client={from} method=\"POST\" path=\"/log\" status=201")), "{posted}");
    assert!(lost.ends_with(" method=\"GET\" path=\"/nowhere\" status=404"), "{lost}");
    assert_eq!(service.file().lines().count(), 5, "the request for the log is a line as well, the next one");
    assert!(service.file().starts_with(&log.body));
}

#[tokio::test]
async fn as_many_lines_as_wanted_come_back_the_newest_last() {
    let service = Service::start().await;
    let mut client = service.client().await;
    for number in 0..5 {
        say(&mut client, &format!("message {number}")).await;
    }
    let log = client.get("/log?lines=3").await.body;
    assert_eq!(log.lines().count(), 3);
    assert!(log.lines().nth(1).is_some_and(|line| line.ends_with("text=\"message 4\"")), "{log}");
    // Not 11 messages and requests, but 12 lines: the request for three lines is one.
    assert_eq!(client.get("/log?lines=1000").await.body.lines().count(), 12);
}

#[tokio::test]
async fn probes_leave_no_lines() {
    let service = Service::start().await;
    let mut client = service.client().await;
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(client.get(probe).await.status, StatusCode::OK);
    }
    assert_eq!(client.get("/log").await.body.lines().count(), 1, "the start");
}

#[tokio::test]
async fn many_who_talk_at_once_get_whole_lines_in_the_order_of_their_times() {
    // Rotated all the time, and everything is kept.
    let service = Service::with(|path| FileSettings { path: path.join("app.log"), max_bytes: 2000, keep: 100 }).await;
    let addr = service.addr;
    let mut talkers = JoinSet::new();
    for talker in 0..20 {
        talkers.spawn(async move {
            let mut client = moorline_service::testing::Connection::open(addr).await.expect("to connect");
            for number in 0..10 {
                assert_eq!(say(&mut client, &format!("{talker}/{number}")).await.status, StatusCode::CREATED);
            }
        });
    }
    soon(talkers.join_all()).await;
    let log = service.client().await.get("/log?lines=1000").await.body;
    let times: Vec<_> = log.lines().map(|line| line.split(' ').next().expect("a time")).collect();
    assert!(times.is_sorted());
    for talker in 0..20 {
        for number in 0..10 {
            let text = format!("text=\"{talker}/{number}\"");
            assert_eq!(log.lines().filter(|line| line.ends_with(&text)).count(), 1, "{text}");
        }
    }
    assert_eq!(log.lines().count(), 1 + 2 * 200);
}
