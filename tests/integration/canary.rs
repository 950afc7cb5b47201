//! Canaries, and the cookies of ingress-nginx, as clients see them.

use std::collections::{HashMap, HashSet};

use http::HeaderName;
use moorline::routing::filters::{CanaryHeader, CanarySessions, HeaderWant};
use moorline::routing::session::{Legacy, LegacyKey};
use moorline::routing::{BackendId, Canary, EndpointId, PathMatch, Protocol, Rule, SessionPolicy};

use crate::support::{Origin, Proxy, backend, origin, proxy, rule, rules, sessions};

async fn beside(kind: CanarySessions, weights: (u32, u32)) -> (Origin, Origin, Proxy) {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let proxy = proxy().table(|keys| {
        let (primary, canary) =
            (backend("web", &[&a], Protocol::Http, keys), backend("next", &[&b], Protocol::Http, keys));
        let header = CanaryHeader { name: HeaderName::from_static("x-canary"), want: HeaderWant::AlwaysOrNever };
        let canary = Rule {
            canary: Some(Box::new(Canary { header: Some(header), cookie: Some("beta".into()), sessions: kind })),
            session: Some(sessions(SessionPolicy::default())),
            ..rule(&[(weights.0, &primary), (weights.1, &canary)])
        };
        rules(vec![(PathMatch::prefix("/").unwrap(), canary)])
    });
    (a, b, proxy)
}

#[tokio::test]
async fn a_session_stays_on_its_side_whatever_its_requests_say() {
    let (_a, _b, proxy) = beside(CanarySessions::Sticky, (100, 0)).await;
    let mut on_canary = proxy.client().await;
    assert_eq!(on_canary.get_with("/", "X-Canary: always\r\n").await.expect(200).served_by(), "b");
    assert!(on_canary.cookie.is_some());
    for fields in ["", "X-Canary: never\r\n", "X-Canary: always\r\n"] {
        assert_eq!(on_canary.get_with("/", fields).await.served_by(), "b", "weight 0 keeps what it has: {fields}");
    }
    let mut on_primary = proxy.client().await;
    assert_eq!(on_primary.get("/").await.served_by(), "a");
    assert_eq!(on_primary.get_with("/", "X-Canary: always\r\n").await.served_by(), "a");
    let mut by_cookie = proxy.client().await;
    by_cookie.cookie = Some("x=1; beta=always".into());
    assert_eq!(by_cookie.get_with("/", "X-Canary: other\r\n").await.served_by(), "b");
    by_cookie.cookie = Some("beta=always".into());
    assert_eq!(by_cookie.get_with("/", "X-Canary: never\r\n").await.served_by(), "a");
}

#[tokio::test]
async fn a_canary_of_the_old_kind_is_asked_first_and_keeps_nobody() {
    let (_a, _b, proxy) = beside(CanarySessions::Legacy, (100, 0)).await;
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.served_by(), "a");
    let token = client.cookie.clone();
    let away = client.get_with("/", "X-Canary: always\r\n").await.expect(200);
    assert_eq!((away.served_by(), away.field("set-cookie")), ("b", None));
    assert_eq!((client.get("/").await.served_by(), client.cookie.clone()), ("a", token));
}

/// Three servers, whose addresses ingress-nginx knew, and cookies that are honoured until then.
async fn taken_over(until: u64) -> (Vec<Origin>, Proxy) {
    let origins = vec![origin("a").run().await, origin("b").run().await, origin("c").run().await];
    let proxy = proxy().table(|keys| {
        let all: Vec<&Origin> = origins.iter().collect();
        let web = backend("web", &all, Protocol::Http, keys);
        let id = BackendId::new("web");
        let home = |o: &Origin| (LegacyKey::of("shop-web-80", o.address), EndpointId::new(&id, o.name));
        let homes: HashMap<_, _> = origins.iter().map(home).collect();
        let mut persistence = sessions(SessionPolicy::default());
        persistence.legacy = Some(Box::new(Legacy { until, homes: Some(homes.into()) }));
        rules(vec![(PathMatch::prefix("/").unwrap(), Rule { session: Some(persistence), ..rule(&[(1, &web)]) })])
    });
    (origins, proxy)
}

fn cookie_of(origin: &Origin) -> String {
    use md5::{Digest, Md5};
    let hash = Md5::digest(format!("shop-web-80{}", origin.address));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_cookie_of_ingress_nginx_is_honoured_once_and_replaced() {
    let (origins, proxy) = taken_over(u64::MAX).await;
    for origin in &origins {
        for end in ["", "|0123456789abcdef0123456789abcdef"] {
            let mut client = proxy.client().await;
            client.cookie = Some(format!("moorline={}{end}", cookie_of(origin)));
            let first = client.get("/").await.expect(200);
            assert_eq!((first.served_by(), first.seen("moorline-session").as_deref()), (origin.name, Some("kept")));
            let second = client.get("/").await.expect(200);
            assert_eq!((second.served_by(), second.field("set-cookie")), (origin.name, None));
        }
    }
    let line = "moorline_session_decisions_total{backend=\"web\",outcome=\"adopted\"} ";
    assert_eq!(proxy.metric(line).await, Some(6.0));
}

#[tokio::test]
async fn a_cookie_that_names_nobody_or_comes_too_late_begins_a_session() {
    let (origins, late) = taken_over(1).await;
    let (_others, proxy) = taken_over(u64::MAX).await;
    for (proxy, value) in [(&late, cookie_of(&origins[0])), (&proxy, "0".repeat(32)), (&proxy, "x".repeat(32))] {
        let mut client = proxy.client().await;
        client.cookie = Some(format!("moorline={value}"));
        let first = client.get("/").await.expect(200);
        assert_eq!(first.seen("moorline-session").as_deref(), Some("new"));
        assert!(first.field("set-cookie").is_some());
    }
}

/// A page asks for twenty things at once. Only a cookie that nobody else has may be the session's id.
#[tokio::test]
async fn requests_with_the_same_old_cookie_begin_at_the_same_endpoint() {
    let (_origins, proxy) = taken_over(u64::MAX).await;
    let mut places = HashSet::new();
    for (value, is_unique) in [("1700000000.123.42.1", true), ("0123456789abcdef0123456789abcde", false)] {
        for page in 0..8 {
            let cookie = format!("moorline={value}{page}; login={page}");
            let (mut served, mut sessions) = (HashSet::new(), HashSet::new());
            for _ in 0..20 {
                let mut client = proxy.client().await;
                client.cookie = Some(cookie.clone());
                let first = client.get("/").await.expect(200);
                assert_eq!(first.seen("moorline-session").as_deref(), Some("new"));
                served.insert(first.served_by().to_owned());
                sessions.insert(first.seen("moorline-session-id"));
            }
            assert_eq!((served.len(), sessions.len() == 1), (1, is_unique), "{cookie}");
            places.extend(served);
        }
    }
    assert!(places.len() > 1, "not all of them at one");
}
