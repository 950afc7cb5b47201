#![expect(clippy::needless_pass_by_value, reason = "json! makes values, and tests read better without borrowing them")]

mod canary;
mod declared;
mod endpoints;
mod tls;

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

/// Otherwise the first Moorline of a cluster would never be ready.
#[test]
fn a_cluster_without_ingresses_is_served_as_well() {
    let mut cluster = cluster();
    cluster.go();
    assert!(cluster.last.is_some());
}

#[test]
fn a_default_backend_that_comes_after_the_start_is_served() {
    let default_backend = Some(Name::new("shop", "web"));
    let mut cluster = cluster_with(Settings { default_backend, ..settings() });
    cluster.go();
    let backend = |cluster: &Cluster| cluster.rule("nobody", "/").unwrap().backends[0].backend.id().to_string();
    assert_eq!(backend(&cluster), "shop/web:");
    cluster.apply(service("web")).go();
    assert_eq!(backend(&cluster), "shop/web:80");
    cluster.apply(slice("web", &[ready("web-7d9f-abcde", "10.0.0.7")])).go();
    assert_eq!(cluster.endpoints("nobody"), ["web-7d9f-abcde.web-7d9f-abcde-a ready Never 10.0.0.7:8080"]);
    cluster.apply(slice("web", &[])).apply(service_at("web", 8080, None)).go();
    assert_eq!(backend(&cluster), "shop/web:8080", "its port has changed while it had no endpoints");
}

#[test]
fn a_service_whose_protocol_has_changed_is_spoken_to_in_the_new_one() {
    let mut cluster = cluster();
    cluster.apply(service("web")).apply(ingress("web", "web.example", json!({}))).go();
    cluster.apply(service_at("web", 80, Some("kubernetes.io/h2c"))).go();
    let backend = &cluster.rule("web.example", "/").unwrap().backends[0].backend;
    assert_eq!(backend.protocol(), crate::routing::Protocol::H2c);
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
fn a_host_has_so_many_expressions_of_an_ingress_and_not_all_its_hosts_together() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let at = |host: &str, n: usize| rule(host, &format!("/{n}/(.*)"), "ImplementationSpecific", "web");
    let rules: Vec<Value> = (0..60).flat_map(|host| (0..5).map(move |n| at(&format!("h{host}.example"), n))).collect();
    let annotations =
        json!({ format!("{NGINX}rewrite-target"): "/$1", format!("{NGINX}server-alias"): "alias.example" });
    cluster.apply(ingress_with("shop", "web", 1, annotations, json!({ "rules": rules }))).go();
    assert!((0..60).all(|host| cluster.rule(&format!("h{host}.example"), "/4/x").is_some()));
    assert!(cluster.rule("alias.example", "/4/x").is_some());
    assert_eq!(cluster.said("shop", "web"), [""; 0]);
}

#[test]
fn an_alias_is_another_name_for_all_that_its_namespace_serves_under_a_host() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next")).apply(service_in("other", "next"));
    let add = |cluster: &mut Cluster, namespace: &str, path: &str, annotations: Value| {
        let spec = json!({ "rules": [rule("web.example", path, "Prefix", "next")] });
        cluster.apply(ingress_with(namespace, "next", 2, annotations, spec)).go();
    };
    let of = |cluster: &Cluster, path: &str| {
        cluster.rule("www.example", path).map(|rule| rule.backends[0].backend.id().to_string())
    };
    add(&mut cluster, "shop", "/next", json!({ format!("{NGINX}server-alias"): "www.example" }));
    add(&mut cluster, "other", "/other", json!({}));
    assert_eq!(of(&cluster, "/next").as_deref(), Some("shop/next:80"));
    assert_eq!(of(&cluster, "/").as_deref(), Some("shop/web:80"), "of the Ingress beside it");
    assert_eq!(of(&cluster, "/other").as_deref(), Some("shop/web:80"), "and of no other namespace");
    add(&mut cluster, "shop", "/next", json!({}));
    assert_eq!(of(&cluster, "/"), None);
}

#[test]
fn of_two_default_backends_of_a_host_the_older_one_is_its_and_the_other_one_is_told() {
    let mut cluster = cluster();
    cluster.apply(service("web")).apply(service("next"));
    let with_default = |path: &str, name: &str| {
        let default = json!({ "service": { "name": name, "port": { "number": 80 } } });
        json!({ "rules": [rule("web.example", path, "Prefix", name)], "defaultBackend": default })
    };
    cluster.apply(ingress_with("shop", "a", 2, json!({}), with_default("/a", "next")));
    cluster.apply(ingress_with("shop", "b", 1, json!({}), with_default("/b", "web"))).go();
    let of = |cluster: &Cluster| cluster.rule("web.example", "/x").unwrap().backends[0].backend.id().to_string();
    assert_eq!(of(&cluster), "shop/web:80");
    let said = cluster.said("shop", "a");
    assert!(said.len() == 1 && said[0].ends_with("is served by shop/b, which is older"), "{said:?}");
    assert_eq!(cluster.said("shop", "b"), [""; 0]);
    // Whoever asks for the whole host has it: that is nothing to quarrel about.
    cluster.apply(ingress("next", "web.example", json!({}))).go();
    assert_eq!(of(&cluster), "shop/next:80");
    assert_eq!((cluster.said("shop", "b").len(), cluster.said("shop", "a").len()), (0, 0));
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
fn the_cookie_of_an_expression_comes_back() {
    let mut cluster = cluster();
    cluster.with_web(1);
    for (regex, path, expected) in
        [("true", "/api(/|$)(.*)", "/"), ("true", "/a/[^/]+/x", "/a/"), ("true", "/a/b", "/a/b"), ("false", "/a", "/a")]
    {
        let spec = json!({ "rules": [rule("web.example", path, "ImplementationSpecific", "web")] });
        let annotations = json!({ format!("{NGINX}use-regex"): regex, format!("{NGINX}affinity"): "cookie" });
        cluster.apply(ingress_with("shop", "web", 9, annotations, spec)).go();
        let found = cluster.rule("web.example", "/api/x").or_else(|| cluster.rule("web.example", "/a/b/x"));
        let found = found.or_else(|| cluster.rule("web.example", "/a")).expect("a rule");
        let session = found.session.as_ref().expect("sessions");
        assert_eq!(session.policy.cookie.path, expected, "{path}");
    }
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
        ingress_with("shop", "d", 4, json!({ format!("{NGINX}server-alias"): "www.example" }), web("a.example")),
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
