#![expect(clippy::needless_pass_by_value, reason = "json! makes values, and tests read better without borrowing them")]

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::{Value, json};

use super::fixture::*;
use super::*;
use crate::control::kubernetes::objects::{Kind, Object};
use crate::routing::filters::Access;
use crate::routing::session::{SameSite, Secure};

const NGINX: &str = "nginx.ingress.kubernetes.io/";

#[test]
fn pods_of_a_statefulset_are_endpoints_under_their_names() {
    let mut cluster = cluster();
    cluster.with_web(2).apply(pod("web-0", "10.0.0.1")).apply(pod("web-1", "10.0.0.2"));
    cluster.apply(slice("web", &[ready("web-0", "10.0.0.1"), ready("web-1", "10.0.0.2")])).go();
    assert_eq!(
        cluster.endpoints("web.example"),
        ["web-0 ready Expected 10.0.0.1:8080", "web-1 ready Expected 10.0.0.2:8080"]
    );
    assert_eq!(cluster.said("shop", "web"), [""; 0]);
}

/// Otherwise the first Moorline of a cluster would never be ready.
#[test]
fn a_cluster_without_ingresses_is_served_as_well() {
    let mut cluster = cluster();
    cluster.go();
    assert!(cluster.last.is_some());
}

#[track_caller]
fn condition(replicas: u32, pod_name: &str, conditions: Value, expected: &[&str]) {
    let mut cluster = cluster();
    cluster.with_web(replicas).apply(pod(pod_name, "10.0.0.1"));
    cluster.apply(slice("web", &[entry(pod_name, "10.0.0.1", conditions.clone())])).go();
    assert_eq!(cluster.endpoints("web.example"), expected, "{conditions}");
}

#[test]
fn conditions_say_what_a_pod_can_be_asked_to_do() {
    let ready = &["web-0 ready Expected 10.0.0.1:8080"][..];
    let draining = &["web-0 draining Expected 10.0.0.1:8080"][..];
    let away = &["web-0 away Expected "][..];
    condition(1, "web-0", json!({}), ready);
    condition(1, "web-0", json!({ "ready": true }), ready);
    condition(1, "web-0", json!({ "ready": false, "serving": true, "terminating": true }), draining);
    condition(1, "web-0", json!({ "ready": true, "serving": true, "terminating": true }), draining);
    condition(1, "web-0", json!({ "ready": false, "serving": false, "terminating": true }), away);
    condition(1, "web-0", json!({ "ready": false }), away);
    // The set has been made smaller: this one does not come back.
    condition(
        0,
        "web-0",
        json!({ "ready": false, "serving": true, "terminating": true }),
        &["web-0 draining Never 10.0.0.1:8080"],
    );
    condition(0, "web-0", json!({ "ready": false, "serving": false, "terminating": true }), &[]);
}

#[test]
fn a_service_without_pods_has_those_that_its_statefulset_will_bring_back() {
    let mut cluster = cluster();
    cluster.with_web(2).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected ", "web-1 away Expected "]);
    cluster.apply(set("web", 1)).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected "]);
}

#[track_caller]
fn forged(pod: Object, entry: Value, expected: &str) {
    let mut cluster = cluster();
    cluster.with_web(1).apply(pod).apply(slice("web", &[entry])).go();
    cluster.now = Millis(60_000);
    cluster.go();
    assert_eq!(cluster.endpoints("web.example"), [expected, "web-0 away Expected "]);
}

#[test]
fn whoever_only_says_that_it_is_a_statefulsets_pod_serves_under_another_name() {
    let other = "evil.evil-a ready Never 10.0.0.9:8080";
    let forger = |owner| pod_with("evil", "web-0", owner, "a", &["10.0.0.9"], json!({}));
    forged(forger(None), ready("evil", "10.0.0.9"), other);
    forged(forger(Some("set-web")), ready("evil", "10.0.0.9"), other);
    // The right name, and nobody who controls it.
    let orphan = pod_with("web-0", "web-0", None, "a", &["10.0.0.9"], json!({}));
    let mut cluster = cluster();
    cluster.with_web(1).apply(orphan).apply(slice("web", &[ready("web-0", "10.0.0.9")])).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected ", "web-0.web-0-a ready Never 10.0.0.9:8080"]);
}

#[test]
fn an_address_that_is_not_the_pods_is_not_its_identity() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(pod("web-0", "10.0.0.1")).apply(slice("web", &[ready("web-0", "10.6.6.6")])).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected "], "it may be seen in a moment");
    cluster.now = cluster.last.as_ref().unwrap().due.expect("a moment that is over");
    cluster.go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected ", "web-0.web-0-a ready Never 10.6.6.6:8080"]);
}

#[test]
fn a_slice_that_is_ahead_of_its_pod_is_waited_for() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(slice("web", &[ready("web-0", "10.0.0.1")])).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected "]);
    cluster.apply(pod("web-0", "10.0.0.1")).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 ready Expected 10.0.0.1:8080"]);
    assert_eq!(cluster.last.as_ref().unwrap().due, None);
}

#[test]
fn the_moment_a_pod_went_is_kept_until_it_is_back() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(pod("web-0", "10.0.0.1")).apply(slice("web", &[ready("web-0", "10.0.0.1")])).go();
    let since =
        |cluster: &Cluster| cluster.rule("web.example", "/").unwrap().backends[0].backend.endpoints()[0].condition;
    cluster.now = Millis(5_000);
    cluster.apply(slice("web", &[])).go();
    assert_eq!(since(&cluster), crate::routing::Condition::Away { since: Millis(5_000) });
    cluster.now = Millis(9_000);
    cluster.delete(Kind::Pod, "shop", "web-0").go();
    assert_eq!(since(&cluster), crate::routing::Condition::Away { since: Millis(5_000) });
}

#[test]
fn both_addresses_of_a_pod_are_one_endpoint() {
    let mut cluster = cluster();
    let both = pod_with("web-0", "web-0", Some("set-web"), "a", &["10.0.0.1", "fd00::1"], json!({}));
    cluster.with_web(1).apply(both).apply(slice("web", &[ready("web-0", "10.0.0.1")]));
    cluster.apply(slice_called("web-6", "web", "IPv6", &[ready("web-0", "fd00::1")])).go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 ready Expected 10.0.0.1:8080+[fd00::1]:8080"]);
}

#[test]
fn a_pod_that_was_told_to_drain_keeps_its_sessions_only() {
    let mut cluster = cluster();
    let told = pod_with("web-0", "web-0", Some("set-web"), "a", &["10.0.0.1"], json!({ "moorline.dev/drain": "true" }));
    cluster.with_web(1).apply(told).apply(slice("web", &[ready("web-0", "10.0.0.1")]));
    cluster.now = Millis(3_000);
    cluster.go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 draining Expected 10.0.0.1:8080"]);
}

#[test]
fn pods_of_a_deployment_and_bare_addresses_serve_and_do_not_come_back() {
    let mut cluster = cluster();
    cluster.apply(service("web")).apply(ingress("web", "web.example", json!({})));
    let bare = json!({ "addresses": ["10.0.0.8"], "conditions": {} });
    cluster.apply(slice("web", &[ready("web-7d9f-abcde", "10.0.0.7"), bare])).go();
    assert_eq!(
        cluster.endpoints("web.example"),
        ["10.0.0.8:8080 ready Never 10.0.0.8:8080", "web-7d9f-abcde.web-7d9f-abcde-a ready Never 10.0.0.7:8080"]
    );
}

#[test]
fn of_two_that_want_the_same_the_older_one_has_it_and_the_other_is_told() {
    let mut cluster = cluster();
    let spec = || json!({ "rules": [rule("web.example", "/", "Prefix", "web")] });
    cluster.apply(service("web")).apply(service_in("other", "web"));
    cluster
        .apply(ingress_with("other", "thief", 9, json!({}), spec()))
        .apply(ingress_with("shop", "web", 3, json!({}), spec()))
        .go();
    assert_eq!(cluster.rule("web.example", "/").unwrap().backends[0].backend.id().as_str(), "shop/web:80");
    assert_eq!(cluster.said("other", "thief"), ["Conflict: web.example / is served by shop/web, which is older"]);
    cluster.delete(Kind::Ingress, "shop", "web").go();
    assert_eq!(cluster.rule("web.example", "/").unwrap().backends[0].backend.id().as_str(), "other/web:80");
    assert_eq!(cluster.said("other", "thief"), [""; 0]);
}

#[test]
fn what_cannot_be_led_anywhere_is_said_and_answered_with_503() {
    let mut cluster = cluster();
    cluster.apply(external("away")).apply(ingress("away", "away.example", json!({})));
    cluster.apply(ingress("none", "none.example", json!({})));
    cluster.go();
    assert_eq!(cluster.said("shop", "away"), ["Rejected: Service shop/away is an ExternalName, which is not followed"]);
    assert_eq!(cluster.said("shop", "none"), ["BackendNotFound: Service shop/none is not there"]);
    assert!(cluster.endpoints("away.example").is_empty() && cluster.endpoints("none.example").is_empty());
    cluster.apply(service("none")).go();
    assert_eq!(cluster.said("shop", "none"), [""; 0], "it is there now");
}

#[test]
fn only_ingresses_of_our_class_are_ours() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let spec = json!({ "rules": [rule("web.example", "/", "Prefix", "web")] });
    let Object::Ingress(ours) = ingress_with("shop", "web", 1, json!({}), spec) else { unreachable!() };
    let mut other = (*ours).clone();
    other.spec.ingress_class_name = Some("traefik".to_owned());
    cluster.apply(Object::Ingress(Arc::new(other.clone()))).go();
    assert!(cluster.rule("web.example", "/").is_none());
    other.legacy_class = Some("moorline".into());
    cluster.apply(Object::Ingress(Arc::new(other))).go();
    assert!(cluster.rule("web.example", "/").is_some());
}

#[test]
fn affinity_is_ingress_nginxs_with_its_defaults() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let annotations =
        json!({ format!("{NGINX}affinity"): "cookie", format!("{NGINX}session-cookie-samesite"): "NONE" });
    let spec = json!({ "rules": [rule("web.example", "/shop", "Prefix", "web")] });
    cluster.apply(ingress_with("shop", "web", 1, annotations, spec)).go();
    let rule = cluster.rule("web.example", "/shop/x").unwrap();
    let policy = &rule.session.as_ref().unwrap().policy;
    let cookie = &policy.cookie;
    assert_eq!((cookie.name.as_str(), &*cookie.path, cookie.secure), ("INGRESSCOOKIE", "/shop", Secure::Here));
    assert_eq!((cookie.same_site, cookie.max_age, cookie.http_only), (Some(SameSite::None), None, true));
    assert!(!policy.strip_cookie);
    assert_eq!(rule.filters.as_ref().unwrap().body_size, Some(1 << 20), "bodies of 1 MB, as there");
}

#[test]
fn ours_are_for_the_whole_policy_and_a_typo_is_said() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let annotations = json!({ "moorline.dev/hold": "5s", "moorline.dev/on-lots": "reject" });
    cluster.apply(ingress("web", "web.example", annotations)).go();
    let policy = &cluster.rule("web.example", "/").unwrap().session.as_ref().unwrap().policy;
    assert_eq!((policy.hold.as_secs(), policy.cookie.name.as_str()), (5, "moorline"));
    let said = cluster.said("shop", "web");
    assert_eq!(said, [r#"UnknownAnnotation: moorline.dev/"on-lots" is unknown: is it moorline.dev/on-lost?"#]);
}

#[test]
fn what_may_protect_a_site_and_is_not_supported_closes_it() {
    for (key, value) in [
        ("auth-url", "https://auth.example"),
        ("denylist-source-range", "10.0.0.0/8"),
        ("whitelist-source-range", "10.0.0.0/99"),
        ("configuration-snippet", "deny all;"),
    ] {
        let mut cluster = cluster();
        cluster
            .apply(service("web"))
            .apply(ingress("web", "web.example", json!({ format!("{NGINX}{key}"): value })))
            .go();
        let filters = cluster.rule("web.example", "/").unwrap().filters.as_ref().unwrap();
        assert!(matches!(filters.access, Access::Closed(_)), "{key}");
        assert!(cluster.said("shop", "web")[0].starts_with("Rejected: answered with 503"), "{key}");
    }
}

#[test]
fn annotations_that_mean_nothing_are_named_once() {
    let mut cluster = cluster();
    let annotations = json!({ format!("{NGINX}mirror-target"): "x", format!("{NGINX}custom-http-errors"): "404", format!("{NGINX}proxy-buffering"): "on" });
    cluster.apply(service("web")).apply(ingress("web", "web.example", annotations)).go();
    assert_eq!(
        cluster.said("shop", "web"),
        ["UnknownAnnotation: not supported and without effect: custom-http-errors, mirror-target"]
    );
}

#[test]
fn a_canary_stands_beside_the_rule_of_its_namespace() {
    let canary = json!({ format!("{NGINX}canary"): "true", format!("{NGINX}canary-weight"): "30" });
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next"));
    let spec = json!({ "rules": [rule("web.example", "/", "Prefix", "next")] });
    cluster.apply(ingress_with("shop", "next", 2, canary.clone(), spec.clone())).go();
    let weights = |cluster: &Cluster| -> Vec<_> {
        let rule = cluster.rule("web.example", "/").unwrap();
        rule.backends.iter().map(|weighted| (weighted.backend.id().as_str().to_owned(), weighted.weight)).collect()
    };
    assert_eq!(weights(&cluster), [("shop/web:80".to_owned(), 70), ("shop/next:80".to_owned(), 30)]);
    cluster.delete(Kind::Ingress, "shop", "next").go();
    assert_eq!(weights(&cluster), [("shop/web:80".to_owned(), 1)]);
    cluster.apply(ingress_with("other", "next", 2, canary, spec)).go();
    assert_eq!(weights(&cluster), [("shop/web:80".to_owned(), 1)], "another namespace has no say");
    assert_eq!(cluster.said("other", "next").len(), 2, "{:?}", cluster.said("other", "next"));
}

#[test]
fn hosts_with_certificates_are_asked_for_over_https_where_ingress_nginx_would() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let spec = json!({
        "tls": [{ "hosts": ["web.example"], "secretName": "web" }],
        "rules": [rule("web.example", "/", "Prefix", "web"), rule("plain.example", "/", "Prefix", "web")],
    });
    cluster.apply(ingress_with("shop", "web", 1, json!({ format!("{NGINX}affinity"): "cookie" }), spec)).go();
    assert_eq!(cluster.rule("web.example", "/").unwrap().redirect_to_https, Some(443));
    assert_eq!(cluster.rule("plain.example", "/").unwrap().redirect_to_https, None);
    let secrets: Vec<_> = cluster.translator.secrets().into_keys().map(|name| name.to_string()).collect();
    assert_eq!(secrets, ["shop/web"]);
    cluster.secrets.insert(Name::new("shop", "web"), SecretState::Missing);
    cluster.index.mark_all();
    cluster.go();
    assert_eq!(
        cluster.said("shop", "web"),
        ["SecretNotFound: Secret shop/web is not there: the default certificate is shown"]
    );
}

#[test]
fn what_was_said_of_a_translation_that_is_not_used_is_said_again() {
    let mut cluster = cluster();
    cluster.apply(ingress("none", "none.example", json!({}))).go();
    assert_eq!(cluster.last.as_ref().unwrap().verdicts.len(), 1);
    cluster.index.mark_all();
    cluster.go();
    assert_eq!(cluster.last.as_ref().unwrap().verdicts.len(), 0, "once is enough");
    cluster.translator.discard(&mut cluster.index);
    cluster.go();
    assert_eq!(cluster.last.as_ref().unwrap().verdicts.len(), 1);
}

#[test]
fn a_hostile_object_hurts_nobody_but_itself() {
    let mut cluster = cluster();
    cluster.with_web(1);
    let paths: Vec<Value> = (0..2_000)
        .map(|n| {
            rule("evil.example", &format!("/{n}(a|b)*c"), "ImplementationSpecific", "web")["http"]["paths"][0].clone()
        })
        .collect();
    let spec = json!({ "rules": [{ "host": "evil.example", "http": { "paths": paths } }, rule("e vil", "/", "Prefix", "web")] });
    let annotations = json!({
        format!("{NGINX}use-regex"): "true", format!("{NGINX}affinity"): "cookie",
        format!("{NGINX}session-cookie-name"): "a;Domain=x", format!("{NGINX}server-alias"): "web.example",
        "moorline.dev/cookie-path": "x".repeat(1 << 20),
    });
    cluster.apply(ingress_with("shop", "evil", 9, annotations, spec)).go();
    assert!(cluster.rule("web.example", "/").unwrap().session.is_none(), "the older one's host stays its own");
    let said = cluster.said("shop", "evil");
    assert!(said.iter().any(|text| text.contains("at most 256 expressions")));
    assert!(said.iter().all(|text| text.len() < 1_000), "nobody's megabyte is repeated");
}

/// A small world, in which everything can be in one of several states.
fn world() -> Vec<Object> {
    let web = |host: &str| json!({ "rules": [rule(host, "/", "Prefix", "web")], "tls": [{ "hosts": [host], "secretName": "s" }] });
    let canary = json!({ format!("{NGINX}canary"): "true", format!("{NGINX}canary-by-header"): "x" });
    vec![
        service("web"),
        external("web"),
        service("next"),
        set("web", 1),
        set("web", 3),
        pod("web-0", "10.0.0.1"),
        pod("web-0", "10.0.0.2"),
        pod("web-1", "10.0.0.3"),
        slice("web", &[ready("web-0", "10.0.0.1")]),
        slice("web", &[ready("web-0", "10.0.0.2"), ready("web-1", "10.0.0.3")]),
        slice_called("web-2", "web", "IPv4", &[ready("web-1", "10.0.0.3")]),
        ingress_with("shop", "a", 1, json!({}), web("a.example")),
        ingress_with("shop", "a", 1, json!({ format!("{NGINX}affinity"): "cookie" }), web("b.example")),
        ingress_with("shop", "b", 2, json!({ "moorline.dev/hold": "1s" }), web("a.example")),
        ingress_with("shop", "c", 3, canary, json!({ "rules": [rule("a.example", "/", "Prefix", "next")] })),
        ingress_with("other", "a", 1, json!({}), web("a.example")),
    ]
}

proptest! {
    /// What is remembered from one translation to the next is nothing that the objects do not say themselves.
    #[test]
    fn the_order_of_events_makes_no_difference(
        events in prop::collection::vec((any::<Pick>(), prop::bool::weighted(0.3), any::<bool>()), 0..40),
    ) {
        let world = world();
        let mut lived = cluster();
        let mut there: std::collections::BTreeMap<(Kind, Name), Object> = Default::default();
        for (pick, is_gone, translate) in events {
            let object = world[pick.index(world.len())].clone();
            let key = (object.kind(), object.name().clone());
            if is_gone {
                lived.index.delete(key.0, &key.1);
                there.remove(&key);
            } else {
                there.insert(key, object.clone());
                lived.apply(object);
            }
            if translate {
                lived.go();
            }
        }
        lived.go();
        let mut fresh = cluster();
        for object in there.into_values() {
            fresh.apply(object);
        }
        fresh.go();
        prop_assert_eq!(lived.fingerprint(), fresh.fingerprint());
    }
}
