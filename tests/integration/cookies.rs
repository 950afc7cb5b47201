//! The session cookie on its way out and back.

use crate::support::{Behaviour, origin, proxy};

#[tokio::test]
async fn a_new_session_gets_one_cookie_with_the_default_attributes() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let response = proxy.client().await.get("/").await.expect(200);
    let set = response.fields("set-cookie");
    let [set] = set[..] else { panic!("{set:?}") };
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert_eq!(pair.split_once('=').map(|(name, value)| (name, value.len())), Some(("moorline", 55)));
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/");
}

#[tokio::test]
async fn every_attribute_of_the_policy_is_in_the_cookie() {
    let a = origin("a").run().await;
    let cookie = "cookie: { name: sid, path: /shop, domain: example.com, secure: always, http_only: false, \
                  same_site: none, partitioned: true, max_age: 1h }";
    let proxy = proxy().endpoint(&a).session(cookie).run();
    let response = proxy.client().await.get("/shop").await.expect(200);
    let set = response.field("set-cookie").unwrap();
    assert!(set.starts_with("sid="), "{set}");
    for attribute in ["Path=/shop", "Domain=example.com", "Secure", "SameSite=None", "Partitioned", "Max-Age=3600"] {
        assert!(set.split("; ").any(|part| part == attribute), "{attribute}: {set}");
    }
    assert!(!set.contains("HttpOnly"));
}

#[tokio::test]
async fn the_cookie_is_secure_when_a_trusted_proxy_says_https() {
    let a = origin("a").run().await;
    let secure = |response: crate::support::Response| response.field("set-cookie").unwrap().contains("Secure");
    let trusting = proxy().endpoint(&a).trusting("127.0.0.0/8").run();
    assert!(secure(trusting.client().await.get_with("/", "X-Forwarded-Proto: https\r\n").await));
    assert!(!secure(trusting.client().await.get("/").await));
    let doubting = proxy().endpoint(&a).run();
    assert!(!secure(doubting.client().await.get_with("/", "X-Forwarded-Proto: https\r\n").await));
}

#[tokio::test]
async fn the_application_sees_its_own_cookies_and_not_ours() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    let ours = client.cookie.clone().unwrap();
    assert_eq!(client.get("/").await.seen("cookie"), None, "nothing else was in it");
    client.cookie = Some(format!("theme=dark; {ours}; lang=de"));
    for _ in 0..2 {
        assert_eq!(client.get("/").await.seen("cookie").as_deref(), Some("theme=dark; lang=de"));
    }
    client.cookie = Some("moorline=forged; theme=dark".into());
    assert_eq!(client.get("/").await.seen("cookie").as_deref(), Some("theme=dark"));
}

#[tokio::test]
async fn with_strip_cookie_off_the_application_sees_everything() {
    let a = origin("a").run().await;
    let proxy = proxy().endpoint(&a).session("strip_cookie: false").run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    let cookie = client.cookie.clone();
    assert_eq!(client.get("/").await.seen("cookie"), cookie);
}

#[tokio::test]
async fn a_response_that_sets_the_cookie_is_kept_from_shared_caches() {
    let a = origin("a").run().await;
    let answer =
        "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nSet-Cookie: app=1\r\nContent-Length: 0\r\n\r\n";
    a.behave(Behaviour::Answer(answer.into()));
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    let first = client.request("GET / HTTP/1.1\r\nHost: a\r\n", "").await;
    assert_eq!(first.field("cache-control"), Some("private, max-age=60"));
    assert_eq!(first.fields("set-cookie").len(), 2, "the application's own cookie is untouched");
    client.cookie = first
        .fields("set-cookie")
        .iter()
        .find_map(|set| Some(set.split(';').next()?.to_owned()).filter(|set| set.starts_with("moorline")));
    let second = client.get("/").await;
    assert_eq!(second.field("cache-control"), Some("public, max-age=60"), "nothing of ours in it");
    assert_eq!(second.fields("set-cookie"), ["app=1"]);
}

#[tokio::test]
async fn tokens_of_another_process_without_shared_keys_begin_a_new_session() {
    let a = origin("a").run().await;
    let (one, two) = (proxy().endpoint(&a).run(), proxy().endpoint(&a).run());
    let mut client = one.client().await;
    client.get("/").await.expect(200);
    let mut elsewhere = two.client().await;
    elsewhere.cookie = client.cookie;
    assert_eq!(elsewhere.get("/").await.seen("moorline-session").as_deref(), Some("new"));
}

#[tokio::test]
async fn among_several_cookies_of_our_name_the_one_that_is_right_wins() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let right = client.cookie.clone().unwrap();
    client.cookie = Some(format!("moorline=stale; {right}; moorline=x"));
    for _ in 0..10 {
        let next = client.get("/").await.expect(200);
        assert_eq!((next.served_by(), next.seen("moorline-session").as_deref()), (first.served_by(), Some("kept")));
        assert_eq!(next.seen("cookie"), None);
    }
    // HTTP/1.1 clients should not send two Cookie fields; some do.
    let two = client.get_with("/", &format!("Cookie: x=1\r\nCookie: {right}\r\n")).await;
    assert_eq!(two.served_by(), first.served_by());
}

#[tokio::test]
async fn a_token_of_another_backend_is_worth_nothing() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let (one, two) = (proxy().endpoint(&a).session("cookie: { name: one }"), proxy().endpoint(&b));
    let proxy = one.run();
    let mut client = proxy.client().await;
    let set = client.get("/").await.expect(200).field("set-cookie").unwrap().to_owned();
    let value = set.split(';').next().unwrap().strip_prefix("one=").unwrap().to_owned();
    proxy.publish(&two);
    client.cookie = Some(format!("moorline={value}"));
    let response = client.get("/").await.expect(200);
    assert_eq!(response.seen("moorline-session").as_deref(), Some("new"), "another cookie name, another scope");
}
