use std::{net::SocketAddr, time::Duration};

use axum::http::StatusCode;
use moorline_service::testing::{Connection, soon};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{Cookie, PostsUser, Running, instance, run};

#[tokio::test]
async fn every_answer_names_the_instance_even_a_refusal() {
    let Running { addr, stop: _stop, .. } = run(instance("posts-0")).await;
    let mut client = Connection::open(addr).await.expect("to connect");
    for (line, expected) in [
        ("GET / HTTP/1.1", 200),
        ("GET /login?username=walker HTTP/1.1", 200),
        ("GET /login HTTP/1.1", 400),
        ("GET /logout HTTP/1.1", 200),
        ("GET /post HTTP/1.1", 403),
        ("GET /healthz HTTP/1.1", 200),
        ("GET /readyz HTTP/1.1", 200),
        ("GET /%ff/../x HTTP/1.1", 404),
        ("GET //post HTTP/1.1", 404),
        ("OPTIONS * HTTP/1.1", 404),
        ("BREW /post HTTP/1.1", 405),
        ("DELETE / HTTP/1.1", 405),
    ] {
        client.send(&format!("{line}\r\nhost: x\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-served-by")), (expected, "posts-0"), "{line}");
        assert_eq!(answer.header("cache-control"), "no-store", "{line}");
    }
}

#[tokio::test]
async fn many_users_at_once_see_their_own_posts_only() {
    let posts = instance("posts-0");
    let Running { addr, stop: _stop, .. } = run(posts.clone()).await;
    let mut users = JoinSet::new();
    for number in 0..50 {
        users.spawn(async move {
            let mut client = Connection::open(addr).await.expect("to connect");
            let cookie = client.get(&format!("/login?username=user-{number}")).await.cookie();
            for _ in 0..10 {
                let written = client.post_as(&cookie, &format!("by {number}")).await;
                assert_eq!(written.status, StatusCode::CREATED);
            }
            let list = client.get_as(&cookie, "/post").await.json();
            assert_eq!(list["user"], format!("user-{number}"));
            let texts = list["posts"].as_array().expect("posts").iter().map(|post| &post["text"]);
            assert_eq!(texts.filter(|text| **text == format!("by {number}")).count(), 10);
            (client, cookie)
        });
    }
    let users = soon(users.join_all()).await;
    assert_eq!(posts.sessions(), 50);
    for (mut client, cookie) in users {
        client.get_as(&cookie, "/logout").await;
    }
    soon(posts.without_sessions()).await;
    assert_eq!(posts.sessions(), 0);
}

#[tokio::test]
async fn shutdown_closes_idle_and_silent_connections() {
    let Running { addr, stop, task } = run(instance("posts-0")).await;
    let mut silent = Connection::open(addr).await.expect("to connect");
    let mut idle = Connection::open(addr).await.expect("to connect");
    assert_eq!(idle.get("/healthz").await.status, StatusCode::OK);
    stop.send(()).expect("it runs");
    // Sooner than the time after which requests in progress are cut off: nobody waits for these two.
    let ended = timeout(Duration::from_secs(4), task).await.expect("it waits for idle connections");
    ended.expect("it ends in peace");
    idle.closed().await;
    silent.closed().await;
    assert!(Connection::open(addr).await.is_err());
}

#[tokio::test]
async fn shutdown_lets_a_request_in_progress_finish() {
    let posts = instance("posts-0");
    let Running { addr, stop, task } = run(posts.clone()).await;
    let mut client = Connection::open(addr).await.expect("to connect");
    let cookie = client.get("/login?username=walker").await.cookie();
    let mut client = begin_post(addr, &cookie).await;
    stop.send(()).expect("it runs");
    client.send("hello").await;
    assert_eq!(client.answer().await.status, StatusCode::CREATED);
    client.closed().await;
    soon(task).await.expect("it ends in peace");
}

/// A connection with a request in progress: five bytes of a post are still to come.
async fn begin_post(addr: SocketAddr, cookie: &str) -> Connection {
    let mut client = Connection::open(addr).await.expect("to connect");
    let head = format!("POST /post HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\ncontent-length: 5\r\n");
    client.send(&format!("{head}expect: 100-continue\r\n\r\n")).await;
    // Sent when the handler asks for the body.
    assert_eq!(client.answer().await.status, StatusCode::CONTINUE);
    client
}

#[tokio::test]
async fn a_dropped_instance_cuts_every_connection() {
    let Running { addr, stop: _stop, task } = run(instance("posts-0")).await;
    let mut idle = Connection::open(addr).await.expect("to connect");
    let cookie = idle.get("/login?username=walker").await.cookie();
    let mut busy = begin_post(addr, &cookie).await;
    task.abort();
    assert!(soon(task).await.expect_err("it was aborted").is_cancelled());
    idle.closed().await;
    busy.closed().await;
    assert!(Connection::open(addr).await.is_err());
}

#[tokio::test]
async fn a_restarted_instance_remembers_nothing() {
    let before = run(instance("posts-0")).await;
    let mut client = Connection::open(before.addr).await.expect("to connect");
    let cookie = client.get("/login?username=walker").await.cookie();
    assert_eq!(client.get_as(&cookie, "/post").await.status, StatusCode::OK);
    drop(before.stop);
    soon(before.task).await.expect("it ends in peace");

    let after = run(instance("posts-0")).await;
    let mut client = Connection::open(after.addr).await.expect("to connect");
    assert_eq!(client.get_as(&cookie, "/post").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_client_that_vanishes_half_way_leaves_nothing_behind() {
    let posts = instance("posts-0");
    let Running { addr, stop: _stop, .. } = run(posts.clone()).await;
    let mut client = Connection::open(addr).await.expect("to connect");
    let cookie = client.get("/login?username=walker").await.cookie();
    for part in ["GET /po", "garbage\r\n\r\n", "POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\nhalf"] {
        Connection::open(addr).await.expect("to connect").send(part).await;
    }
    let list = client.get_as(&cookie, "/post").await;
    assert_eq!(list.json()["posts"].as_array().map(Vec::len), Some(0));
    assert_eq!(posts.sessions(), 1);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_and_costs_the_client_its_connection() {
    let Running { addr, stop: _stop, .. } = run(instance("posts-0")).await;
    let mut client = Connection::open(addr).await.expect("to connect");
    let long = format!("x-long: {}\r\n", "a".repeat(15 << 10));
    client.send(&format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{long}\r\n")).await;
    assert_eq!(client.answer().await.status, StatusCode::OK);
    client.send(&format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{long}{long}")).await;
    assert_eq!(client.answer().await.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    client.closed().await;
}
