//! What holds whatever the users are kept in. Each test binary that has this module plays the laws on its own kind of store.

use std::{collections::HashSet, net::SocketAddr};

use axum::http::StatusCode;
use moorline_service::testing::{Answer, Connection, soon};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How people who want JSON say so.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) async fn client(addr: SocketAddr) -> Connection {
    Connection::open(addr).await.expect("to connect")
}

/// Asks for a new user, perhaps under a key.
pub(crate) async fn create(client: &mut Connection, username: &str, key: Option<&str>) -> Answer {
    let body = json!({ "username": username }).to_string();
    let mut headers = vec![JSON];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    client.ask("POST", "/user", &headers, &body).await
}

/// All users, page by page.
pub(crate) async fn all(client: &mut Connection, limit: u16) -> Vec<Value> {
    let mut users = Vec::new();
    let mut next = Some(format!("/user?limit={limit}"));
    while let Some(target) = next {
        let page = client.get(&target).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let page_users = page.json().as_array().expect("an array").clone();
        assert!(page_users.len() <= limit.into());
        users.extend(page_users);
        let link = page.header("link");
        next = link.strip_prefix('<').and_then(|link| link.split_once(">; rel=\"next\"")).map(|(to, _)| to.to_owned());
        assert_eq!(link.is_empty(), next.is_none(), "{link}");
    }
    users
}

pub(crate) fn names(users: &[Value]) -> Vec<&str> {
    users.iter().map(|user| user["username"].as_str().expect("a name")).collect()
}

pub(crate) async fn a_user_is_made_and_found_again(addr: SocketAddr) {
    let mut client = client(addr).await;
    assert_eq!(client.get("/user").await.body, "[]\n");
    let made = create(&mut client, "walker", None).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.header("content-type"), "application/json");
    let user = made.json();
    assert_eq!(made.header("location"), format!("/user/{}", user["id"].as_str().expect("an id")));
    assert_eq!(user["username"], "walker");
    assert!(user["createdAt"].as_str().is_some_and(|time| time.ends_with('Z')), "{user}");
    assert_eq!(user.as_object().map(serde_json::Map::len), Some(3), "{user}");
    assert_eq!(client.get(made.header("location")).await.json(), user);
    assert_eq!(client.get("/user").await.json(), json!([user]));
    assert_eq!(client.get("/user/0192f3a4-5b6c-7d8e-9f01-23456789abcd").await.status, StatusCode::NOT_FOUND);
}

pub(crate) async fn a_name_is_given_once_however_many_ask_at_a_time(addr: SocketAddr) {
    let mut askers = JoinSet::new();
    for _ in 0..30 {
        askers.spawn(async move { create(&mut client(addr).await, "walker", None).await.status.as_u16() });
    }
    let mut statuses = soon(askers.join_all()).await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 29][..]));
    assert_eq!(names(&all(&mut client(addr).await, 10).await), ["walker"]);
}

pub(crate) async fn a_repeated_request_gets_the_answer_of_the_first(addr: SocketAddr) {
    let mut client = client(addr).await;
    let first = create(&mut client, "walker", Some("key-1")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    let again = create(&mut client, "walker", Some("key-1")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    assert_eq!((again.body.as_str(), again.header("location")), (first.body.as_str(), first.header("location")));

    let other_body = create(&mut client, "ada", Some("key-1")).await;
    assert_eq!(other_body.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", other_body.body);
    let other_key = create(&mut client, "walker", Some("key-2")).await;
    assert_eq!(other_key.status, StatusCode::CONFLICT, "{}", other_key.body);
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CONFLICT);
    // A key whose request was refused is free.
    assert_eq!(create(&mut client, "ada", Some("key-2")).await.status, StatusCode::CREATED);
    assert_eq!(names(&all(&mut client, 10).await), ["walker", "ada"]);
}

pub(crate) async fn repeated_at_the_same_time_there_is_still_one_user(addr: SocketAddr) {
    let mut askers = JoinSet::new();
    for _ in 0..20 {
        askers.spawn(async move { create(&mut client(addr).await, "walker", Some("one")).await });
    }
    let answers = soon(askers.join_all()).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED), "{answers:?}");
    assert_eq!(answers.iter().map(|answer| &answer.body).collect::<HashSet<_>>().len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).count(), 1);
}

pub(crate) async fn pages_hold_each_user_once_the_newest_last(addr: SocketAddr) {
    let mut client = client(addr).await;
    let expected: Vec<_> = (0..23).map(|number| format!("user-{number}")).collect();
    for name in &expected {
        assert_eq!(create(&mut client, name, None).await.status, StatusCode::CREATED);
    }
    for limit in [1, 7, 22, 23, 24, 1000] {
        assert_eq!(names(&all(&mut client, limit).await), expected, "in pages of {limit}");
    }
    // Whoever has read everything finds what is new after it.
    let last = all(&mut client, 1000).await.pop().expect("a user");
    create(&mut client, "late", None).await;
    let news = client.get(&format!("/user?after={}", last["id"].as_str().expect("an id"))).await.json();
    assert_eq!(names(news.as_array().expect("an array")), ["late"]);
}

pub(crate) async fn names_that_mean_something_to_a_database_are_just_names(addr: SocketAddr) {
    let mut client = client(addr).await;
    let odd = ["$ne", "a.b", "{\"$gt\":\"\"}", "'; DROP TABLE users; --", "walker\u{301}", "𝓌"];
    for name in odd {
        assert_eq!(create(&mut client, name, None).await.status, StatusCode::CREATED, "{name}");
    }
    assert_eq!(names(&all(&mut client, 10).await), odd);
    for body in [r#"{"username":{"$ne":1}}"#, r#"{"username":["a"]}"#, r#"{"username":null}"#, r#"{"username":1}"#] {
        let answer = client.ask("POST", "/user", &[JSON], body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/username", "{body}");
    }
}

/// The laws as tests. `$start` starts a service over an empty store; it is dropped after the test.
macro_rules! laws {
    ($start:path: $($law:ident)*) => {
        $(#[tokio::test]
        async fn $law() {
            let service = $start().await;
            crate::laws::$law(service.addr).await;
        })*
    };
    ($start:path) => {
        crate::laws::laws! { $start:
            a_user_is_made_and_found_again
            a_name_is_given_once_however_many_ask_at_a_time
            a_repeated_request_gets_the_answer_of_the_first
            repeated_at_the_same_time_there_is_still_one_user
            pages_hold_each_user_once_the_newest_last
            names_that_mean_something_to_a_database_are_just_names
        }
    };
}
pub(crate) use laws;
