use axum::http::StatusCode;

use crate::support::{Cookie, TEXT, get, instance, log_in, posts_of, write};

#[tokio::test]
async fn a_login_sets_a_cookie_that_opens_your_posts() {
    let posts = instance("posts-0");
    let router = posts.router();
    let login = get("/login?username=walker").to(&router).await;
    assert_eq!((login.status, login.body.as_str()), (StatusCode::OK, "logged in as walker on posts-0\n"));
    let (id, attributes) = login.header("set-cookie").split_once("; ").expect("attributes");
    assert_eq!(id.len(), "posts_session=".len() + 32);
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/");
    assert_eq!(posts.sessions(), 1);

    let list = get("/post").cookie(login.cookie().as_bytes()).to(&router).await;
    assert_eq!(list.status, StatusCode::OK);
    assert_eq!(list.json(), serde_json::json!({ "user": "walker", "instance": "posts-0", "posts": [] }));
}

#[tokio::test]
async fn every_login_gets_another_id() {
    let router = instance("posts-0").router();
    assert_ne!(log_in(&router, "walker").await, log_in(&router, "walker").await);
}

#[tokio::test]
async fn a_missing_or_absurd_username_is_refused_with_what_is_expected() {
    let posts = instance("posts-0");
    let router = posts.router();
    let long = format!("/login?username={}", "a".repeat(65));
    for target in [
        "/login",
        "/login?user=walker",
        "/login?username=",
        "/login?username=%20%09",
        "/login?username=a%0Ab",
        "/login?username=%00",
        "/login?username=%ff%fe",
        "/login?username=a&username=b",
        long.as_str(),
    ] {
        let answer = get(target).to(&router).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{target}");
        assert!(answer.body.contains("expected /login?username=<1 to 64 characters>"), "{}", answer.body);
        assert_eq!(answer.header("set-cookie"), "", "{target}");
    }
    assert_eq!(posts.sessions(), 0);
}

#[tokio::test]
async fn logging_in_again_replaces_the_session() {
    let posts = instance("posts-0");
    let router = posts.router();
    let first = log_in(&router, "walker").await;
    write(&router, &first, TEXT, "mine").await;
    let again = get("/login?username=walker").cookie(first.as_bytes()).to(&router).await.cookie();
    assert_eq!(posts.sessions(), 1);
    assert_eq!(get("/post").cookie(first.as_bytes()).to(&router).await.status, StatusCode::FORBIDDEN);
    assert_eq!(posts_of(&router, &again).await, ["mine"]);

    let other = get("/login?username=ada").cookie(again.as_bytes()).to(&router).await.cookie();
    assert_eq!(posts.sessions(), 1);
    assert!(posts_of(&router, &other).await.is_empty());
}

#[tokio::test]
async fn a_logout_ends_the_session_here_and_in_the_proxy() {
    let posts = instance("posts-0");
    let router = posts.router();
    let cookie = log_in(&router, "walker").await;
    let logout = get("/logout").cookie(cookie.as_bytes()).to(&router).await;
    assert_eq!(logout.status, StatusCode::OK);
    assert_eq!(logout.header("moorline-session"), "end");
    assert!(logout.header("set-cookie").starts_with("posts_session=; "));
    assert!(logout.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(posts.sessions(), 0);
    assert_eq!(get("/post").cookie(cookie.as_bytes()).to(&router).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_logout_without_a_session_is_harmless() {
    let posts = instance("posts-0");
    let router = posts.router();
    log_in(&router, "ada").await;
    let logout = get("/logout").to(&router).await;
    assert_eq!((logout.status, logout.header("moorline-session")), (StatusCode::OK, "end"));
    assert_eq!(posts.sessions(), 1);
}

#[tokio::test]
async fn hostile_cookies_are_no_session_and_hide_no_good_one() {
    let router = instance("posts-0").router();
    let good = log_in(&router, "walker").await;
    let many = "a=b; ".repeat(5_000) + "posts_session=x";
    for bad in [
        b"posts_session".as_slice(),
        b"posts_session=",
        b"posts_session=\xff\xfe",
        b";;;=;==",
        many.as_bytes(),
        b"posts_session=00000000000000000000000000000000",
        b"other=\xff; posts_session=+",
    ] {
        assert_eq!(get("/post").cookie(bad).to(&router).await.status, StatusCode::FORBIDDEN);
        for pair in [[bad, good.as_bytes()], [good.as_bytes(), bad]] {
            let both = pair.join(b"; ".as_slice());
            assert_eq!(get("/post").cookie(&both).to(&router).await.status, StatusCode::OK);
        }
        let two_headers = get("/post").cookie(bad).cookie(good.as_bytes());
        assert_eq!(two_headers.to(&router).await.status, StatusCode::OK);
    }
}
