//! A session comes back to its endpoint: always, and when that cannot be, as the policy says.

use crate::support::{Behaviour, Origin, Response, eventually, origin, proxy};

/// The one of two servers that answered first, and the other one.
fn at_home(first: &Response, a: Origin, b: Origin) -> (Origin, Origin) {
    if first.served_by() == a.name { (a, b) } else { (b, a) }
}

#[tokio::test]
async fn a_session_comes_back_to_its_endpoint_a_thousand_times() {
    let (a, b, c) = (origin("posts-0").run().await, origin("posts-1").run().await, origin("posts-2").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).endpoint(&c).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    assert_eq!(first.seen("moorline-session").as_deref(), Some("new"));
    for at in 0..1000 {
        if at % 100 == 0 {
            client.reconnect().await;
        }
        let next = client.get("/").await.expect(200);
        assert_eq!(next.served_by(), first.served_by());
        assert_eq!(next.seen("moorline-session").as_deref(), Some("kept"));
        assert_eq!(next.seen("moorline-session-id"), first.seen("moorline-session-id"));
        assert!(next.field("set-cookie").is_none(), "nothing has changed");
    }
}

#[tokio::test]
async fn sessions_spread_over_the_endpoints() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut counts = [0, 0];
    for _ in 0..40 {
        let mut client = proxy.client().await;
        client.get("/").await.expect(200);
        // A session counts once its cookie has come back.
        let served = client.get("/").await.expect(200);
        counts[usize::from(served.served_by() == "posts-1")] += 1;
    }
    // Each to the one that has fewer.
    assert_eq!(counts, [20, 20]);
}

#[tokio::test]
async fn a_session_whose_named_endpoint_is_down_waits_until_it_is_back() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, other) = at_home(&first, a, b);
    let (name, address) = (home.name, home.address);
    drop(home);

    let request = tokio::spawn(async move { client.get("/later").await });
    proxy.reaches("moorline_held_requests ", 1.0).await;
    let _back = origin(name).at(address).run().await;

    let response = request.await.unwrap().expect(200);
    assert_eq!(response.served_by(), name);
    let logged = || proxy.log().into_iter().find(|line| line["target"] == "/later");
    eventually("it is logged", || logged().is_some()).await;
    let line = logged().unwrap();
    assert!(line["held_ms"].as_f64().unwrap() <= line["duration_ms"].as_f64().unwrap(), "{line}");
    assert!(!other.heads().iter().any(|head| head.contains("/later")));
    assert_eq!(proxy.metric("moorline_session_decisions_total{backend=\"posts\",outcome=\"held\"}").await, Some(1.0));
    assert_eq!(proxy.metric("moorline_held_requests ").await, Some(0.0));
}

#[tokio::test]
async fn a_session_whose_endpoint_stays_away_moves_once_and_for_all_requests_to_the_same_place() {
    let origins = [origin("posts-0").run().await, origin("posts-1").run().await, origin("posts-2").run().await];
    let builder = origins.iter().fold(proxy().session("hold: 100ms"), |proxy, origin| proxy.endpoint(origin));
    let proxy = builder.run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let left: Vec<_> = origins.into_iter().filter(|origin| origin.name != first.served_by()).collect();

    // As a browser: many requests at once, all with the old cookie.
    let mut requests = Vec::new();
    for _ in 0..5 {
        let mut another = proxy.client().await;
        another.cookie.clone_from(&client.cookie);
        requests.push(tokio::spawn(async move {
            let response = another.get("/").await.expect(200);
            (response.served_by().to_owned(), response.seen("moorline-session"), another)
        }));
    }
    let mut places = Vec::new();
    for request in requests {
        let (place, told, mut another) = request.await.unwrap();
        assert_eq!(told.as_deref(), Some("reassigned"));
        let again = another.get("/").await.expect(200);
        assert_eq!((again.served_by(), again.seen("moorline-session").as_deref()), (&*place, Some("kept")));
        assert_eq!(
            again.seen("moorline-session-id"),
            first.seen("moorline-session-id"),
            "it is still the same session"
        );
        places.push(place);
    }
    places.dedup();
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(left.iter().any(|origin| origin.name == places[0]));
}

#[tokio::test]
async fn nobody_waits_for_an_endpoint_without_a_name() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().address(a.address).address(b.address).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, other) = at_home(&first, a, b);
    drop(home);
    let moved = client.get("/").await.expect(200);
    assert_eq!((moved.served_by(), moved.seen("moorline-session").as_deref()), (other.name, Some("reassigned")));
    assert!(moved.field("set-cookie").is_some());
}

#[tokio::test]
async fn on_lost_temporary_serves_elsewhere_until_the_endpoint_is_back() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).session("hold: 0s, on_lost: temporary").run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, other) = at_home(&first, a, b);
    let (name, address) = (home.name, home.address);
    drop(home);
    let away = client.get("/").await.expect(200);
    assert_eq!((away.served_by(), away.seen("moorline-session").as_deref()), (other.name, Some("temporary")));
    assert!(away.field("set-cookie").is_none(), "the cookie still names its home");
    let _back = origin(name).at(address).run().await;
    let mut served = String::new();
    while served != name {
        served = client.get("/").await.expect(200).served_by().to_owned();
    }
}

#[tokio::test]
async fn on_lost_reject_says_when_to_come_back() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).session("hold: 0s, on_lost: reject").run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, other) = at_home(&first, a, b);
    drop(home);
    let rejected = client.get("/").await.expect(503);
    assert_eq!(rejected.field("retry-after"), Some("2"));
    assert_eq!(other.heads().len(), 0);
    assert_eq!(
        proxy.metric("moorline_session_decisions_total{backend=\"posts\",outcome=\"rejected\"}").await,
        Some(1.0)
    );
}

#[tokio::test]
async fn a_draining_endpoint_keeps_its_sessions_and_gets_no_new_ones() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy_of = proxy().endpoint(&a).endpoint(&b);
    let proxy = proxy_of.run();
    let mut client = proxy.client().await;
    client.moor_at(&a).await;
    proxy.publish(&crate::support::proxy().draining(&a).endpoint(&b));
    for _ in 0..20 {
        let kept = client.get("/").await.expect(200);
        assert_eq!((kept.served_by(), kept.seen("moorline-session").as_deref()), (a.name, Some("kept")));
        let mut newcomer = proxy.client().await;
        assert_eq!(newcomer.get("/").await.expect(200).served_by(), b.name);
    }
    let drained = "moorline_session_decisions_total{backend=\"posts\",outcome=\"kept_draining\"}";
    assert_eq!(proxy.metric(drained).await, Some(20.0));
    assert_eq!(
        proxy.metric("moorline_endpoint_state{backend=\"posts\",endpoint=\"posts-0\",state=\"draining\"}").await,
        Some(1.0)
    );
}

#[tokio::test]
async fn past_the_drain_deadline_sessions_move() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    client.moor_at(&a).await;
    proxy.publish(&crate::support::proxy().draining(&a).endpoint(&b).session("drain_deadline: 0s"));
    let moved = client.get("/").await.expect(200);
    assert_eq!((moved.served_by(), moved.seen("moorline-session").as_deref()), (b.name, Some("reassigned")));
    assert_eq!(client.get("/").await.expect(200).served_by(), b.name);
}

#[tokio::test]
async fn an_endpoint_that_moves_to_another_address_keeps_its_sessions() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    client.moor_at(&a).await;
    let moved = origin("posts-0").run().await;
    proxy.publish(&crate::support::proxy().endpoint(&moved).endpoint(&b));
    drop(a);
    let kept = client.get("/").await.expect(200);
    assert_eq!((kept.served_by(), kept.seen("moorline-session").as_deref()), ("posts-0", Some("kept")));
    assert_eq!(moved.heads().len(), 1);
}

#[tokio::test]
async fn a_request_that_waits_wakes_when_its_endpoint_is_published_elsewhere() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    client.moor_at(&a).await;
    drop(a);
    let request = tokio::spawn(async move { client.get("/").await });
    proxy.reaches("moorline_held_requests ", 1.0).await;
    let moved = origin("posts-0").run().await;
    proxy.publish(&crate::support::proxy().endpoint(&moved).endpoint(&b));
    assert_eq!(request.await.unwrap().expect(200).served_by(), "posts-0");
}

#[tokio::test]
async fn a_request_that_waits_begins_anew_when_its_rule_is_given_other_sessions() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    client.moor_at(&a).await;
    let before = client.get("/").await.expect(200).seen("moorline-session-id");
    drop(a);
    let request = tokio::spawn(async move { client.get("/").await });
    proxy.reaches("moorline_held_requests ", 1.0).await;
    proxy.publish(&crate::support::proxy().endpoint(&b).session("cookie: { name: other }"));
    let anew = request.await.unwrap().expect(200);
    assert_eq!((anew.served_by(), anew.seen("moorline-session").as_deref()), ("posts-1", Some("new")));
    assert_ne!(anew.seen("moorline-session-id"), before);
    assert!(anew.field("set-cookie").is_some_and(|cookie| cookie.starts_with("other=")), "{anew:?}");
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_the_queue_at_once() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, _other) = at_home(&first, a, b);
    drop(home);
    let cookie = client.cookie.clone().unwrap();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n").as_bytes()).await;
    proxy.reaches("moorline_held_requests ", 1.0).await;
    drop(client);
    proxy.reaches("moorline_held_requests ", 0.0).await;
}

#[tokio::test]
async fn at_most_six_requests_of_a_session_wait() {
    let (a, b) = (origin("posts-0").run().await, origin("posts-1").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).run();
    let mut client = proxy.client().await;
    let first = client.get("/").await.expect(200);
    let (home, _other) = at_home(&first, a, b);
    drop(home);
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let mut another = proxy.client().await;
        let cookie = client.cookie.clone().unwrap();
        another.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n").as_bytes()).await;
        waiting.push(another);
    }
    proxy.reaches("moorline_held_requests ", 6.0).await;
    client.reconnect().await;
    assert_eq!(client.get("/").await.expect(503).field("retry-after"), Some("2"));
}

#[tokio::test]
async fn a_logout_ends_the_session_everywhere() {
    let a = origin("posts-0").run().await;
    let proxy = proxy().endpoint(&a).run();
    let mut client = proxy.client().await;
    client.get("/").await.expect(200);
    client.get("/").await.expect(200);
    assert_eq!(proxy.sessions(), 1);
    a.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nMoorline-Session: end\r\nContent-Length: 0\r\n\r\n".into()));
    let bye = client.get("/logout").await.expect(200);
    let set = bye.field("set-cookie").expect("a cookie that is over");
    assert!(set.starts_with("moorline=;") && set.contains("Max-Age=0") && set.contains("Path=/"), "{set}");
    assert!(bye.field("moorline-session").is_none(), "the header goes no further");
    assert_eq!(proxy.sessions(), 0);
}

#[tokio::test]
async fn a_logout_of_somebody_without_a_session_sets_no_cookie() {
    let a = origin("posts-0").run().await;
    a.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nMoorline-Session: end\r\nContent-Length: 0\r\n\r\n".into()));
    let proxy = proxy().endpoint(&a).run();
    let bye = proxy.client().await.get("/logout").await.expect(200);
    assert_eq!(bye.fields("set-cookie"), Vec::<&str>::new());
}

#[tokio::test]
async fn a_rule_without_sessions_has_no_cookie_and_tells_nothing() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().endpoint(&a).endpoint(&b).without_sessions().run();
    let mut client = proxy.client().await;
    let response = client.get("/").await.expect(200);
    assert!(response.field("set-cookie").is_none());
    assert!(!response.text().contains("moorline-session"));
    drop(a);
    for _ in 0..20 {
        assert_eq!(client.get("/").await.expect(200).served_by(), "b", "what refuses is not asked");
    }
}
