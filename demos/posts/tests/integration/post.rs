use axum::http::StatusCode;

use crate::support::{FORM, JSON, TEXT, ask, instance, log_in, posts_of, write};

#[tokio::test]
async fn posts_need_a_login_and_a_lost_session_is_told_apart() {
    let router = instance("posts-0").router();
    for method in ["GET", "POST"] {
        let never = ask(method, "/post", "").to(&router).await;
        assert_eq!(never.status, StatusCode::FORBIDDEN);
        assert!(never.body.contains("log in first with /login?username=<you>"), "{}", never.body);

        let foreign = log_in(&instance("posts-1").router(), "walker").await;
        let lost = ask(method, "/post", "").cookie(foreign.as_bytes()).to(&router).await;
        assert_eq!(lost.status, StatusCode::FORBIDDEN);
        assert!(lost.body.contains("does not know your session"), "{}", lost.body);
    }
}

#[tokio::test]
async fn a_post_may_be_json_a_form_or_plain_text() {
    let router = instance("posts-0").router();
    let cookie = log_in(&router, "walker").await;
    let first = write(&router, &cookie, JSON, r#"{"text":"one\n\"1\""}"#).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.json(), serde_json::json!({ "id": 1, "text": "one\n\"1\"" }));
    write(&router, &cookie, FORM, "text=two+%C3%BC").await;
    write(&router, &cookie, TEXT, "three").await;
    ask("POST", "/post", "four").cookie(cookie.as_bytes()).to(&router).await;
    assert_eq!(posts_of(&router, &cookie).await, ["one\n\"1\"", "two ü", "three", "four"]);
}

#[tokio::test]
async fn a_post_that_cannot_be_read_is_refused_and_not_kept() {
    let router = instance("posts-0").router();
    let cookie = log_in(&router, "walker").await;
    let check = async |kind, body: &'static [u8], expected| {
        let answer = write(&router, &cookie, kind, body).await;
        assert_eq!(answer.status, expected, "{kind:?} {body:?}: {}", answer.body);
    };
    check(JSON, b"", StatusCode::BAD_REQUEST).await;
    check(JSON, b"{\"text\":", StatusCode::BAD_REQUEST).await;
    check(JSON, b"{\"text\":7}", StatusCode::BAD_REQUEST).await;
    check(JSON, b"{}", StatusCode::BAD_REQUEST).await;
    check(FORM, b"hello", StatusCode::BAD_REQUEST).await;
    check(FORM, b"text=+", StatusCode::BAD_REQUEST).await;
    check(TEXT, b"\xff\xfe", StatusCode::BAD_REQUEST).await;
    check(TEXT, b" \r\n ", StatusCode::BAD_REQUEST).await;
    check(("content-type", "multipart/form-data; boundary=x"), b"--x--", StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert!(posts_of(&router, &cookie).await.is_empty());
}

#[tokio::test]
async fn a_post_is_bounded_whatever_form_it_comes_in() {
    let router = instance("posts-0").router();
    let cookie = log_in(&router, "walker").await;
    let full = "ü".repeat(8 << 10);
    assert_eq!(write(&router, &cookie, TEXT, full.clone()).await.status, StatusCode::CREATED);
    let encoded = format!("text={}", "%C3%BC".repeat(8 << 10));
    assert_eq!(write(&router, &cookie, FORM, encoded.clone()).await.status, StatusCode::CREATED);

    for (kind, body) in [
        (TEXT, full.clone() + "!"),
        (FORM, encoded + "!"),
        (JSON, format!("{{\"text\":\"{full}!\"}}")),
        (TEXT, "x".repeat(1 << 20)),
        (JSON, "x".repeat(1 << 20)),
    ] {
        let answer = write(&router, &cookie, kind, body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{kind:?}");
        assert!(answer.body.contains("at most 16384 bytes"), "{}", answer.body);
    }
    assert_eq!(posts_of(&router, &cookie).await.len(), 2);
}

#[tokio::test]
async fn a_session_keeps_its_newest_hundred_posts() {
    let router = instance("posts-0").router();
    let cookie = log_in(&router, "walker").await;
    for number in 0..103 {
        write(&router, &cookie, TEXT, number.to_string()).await;
    }
    let posts = posts_of(&router, &cookie).await;
    assert_eq!((posts.len(), posts[0].as_str(), posts[99].as_str()), (100, "3", "102"));
}
