//! Canaries: which one stands beside which rule, and with which share.

use serde_json::json;

use super::NGINX;
use crate::control::kubernetes::objects::Kind;
use crate::control::kubernetes::translate::fixture::*;

fn weights(cluster: &Cluster, host: &str) -> Vec<String> {
    let rule = cluster.rule(host, "/").expect("a rule");
    rule.backends.iter().map(|weighted| format!("{} {}", weighted.backend.id(), weighted.weight)).collect()
}

/// The Service `next` beside `web`, by an Ingress with these annotations.
fn beside_web(annotations: &[(&str, &str)]) -> Cluster {
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next"));
    add(&mut cluster, "next", 2, annotations);
    cluster
}

fn add(cluster: &mut Cluster, name: &str, second: u32, annotations: &[(&str, &str)]) {
    let prefixed = |key: &str| if key.contains('/') { key.to_owned() } else { format!("{NGINX}{key}") };
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(key, value)| (prefixed(key), json!(value))).collect();
    let spec = json!({ "rules": [rule("web.example", "/", "Prefix", "next")] });
    cluster.apply(ingress_with("shop", name, second, annotations.into(), spec)).go();
}

#[test]
fn a_canary_stands_beside_the_rule_of_its_namespace() {
    let canary = json!({ format!("{NGINX}canary"): "true", format!("{NGINX}canary-weight"): "30" });
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next"));
    let spec = json!({ "rules": [rule("web.example", "/", "Prefix", "next")] });
    cluster.apply(ingress_with("shop", "next", 2, canary.clone(), spec.clone())).go();
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 70", "shop/next:80 30"]);
    cluster.delete(Kind::Ingress, "shop", "next").go();
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 1"]);
    cluster.apply(ingress_with("other", "next", 2, canary, spec)).go();
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 1"], "another namespace has no say");
    assert_eq!(cluster.said("other", "next").len(), 2, "{:?}", cluster.said("other", "next"));
}

#[test]
fn shares_are_of_a_hundred_or_more() {
    for (weight, total, expected) in [
        ("5", None, ["shop/web:80 95", "shop/next:80 5"]),
        ("5", Some("10"), ["shop/web:80 95", "shop/next:80 5"]),
        ("5", Some("100"), ["shop/web:80 95", "shop/next:80 5"]),
        ("5", Some("1000"), ["shop/web:80 995", "shop/next:80 5"]),
        ("120", Some("200"), ["shop/web:80 80", "shop/next:80 120"]),
        ("120", Some("10"), ["shop/web:80 0", "shop/next:80 100"]),
        ("5", Some("0"), ["shop/web:80 95", "shop/next:80 5"]),
    ] {
        let mut annotations = vec![("canary", "true"), ("canary-weight", weight)];
        annotations.extend(total.map(|total| ("canary-weight-total", total)));
        assert_eq!(weights(&beside_web(&annotations), "web.example"), expected, "{weight} of {total:?}");
    }
}

#[test]
fn a_canary_of_somebody_else_is_none_of_ours_and_hides_none() {
    let mut cluster = beside_web(&[("other.io/canary", "true")]);
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 1"]);
    assert_eq!(cluster.said("shop", "next"), ["Conflict: web.example / is served by shop/web, which is older"]);
    cluster.apply(ingress("web", "web.example", json!({ "other.io/canary": "true" })));
    add(&mut cluster, "newer", 3, &[("canary", "true"), ("canary-weight", "30")]);
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 70", "shop/next:80 30"]);
    assert_eq!(cluster.said("shop", "newer"), [""; 0], "it has somebody to stand beside");
}

#[test]
fn a_canary_that_something_protects_is_not_served_and_hides_none() {
    let protected = [("canary", "true"), ("canary-weight", "50"), ("auth-url", "https://auth.example")];
    let mut cluster = beside_web(&protected);
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 1"]);
    assert!(cluster.rule("web.example", "/").unwrap().filters.is_none(), "the primary goes on");
    assert_eq!(
        cluster.said("shop", "next"),
        [
            "Rejected: the canary is not served, the Ingress beside it is: auth-url is not supported, and may be what protects it"
        ]
    );
    add(&mut cluster, "newer", 3, &[("canary", "true"), ("canary-weight", "30")]);
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 70", "shop/next:80 30"]);
}

#[test]
fn a_canary_with_a_default_backend_stands_beside_what_is_for_any_host() {
    let canary = json!({ format!("{NGINX}canary"): "true", format!("{NGINX}canary-weight"): "30" });
    let default = |name: &str| json!({ "defaultBackend": { "service": { "name": name, "port": { "number": 80 } } } });
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next"));
    cluster.apply(ingress_with("shop", "next", 3, canary, default("next"))).go();
    assert_eq!(
        cluster.said("shop", "next"),
        ["Rejected: a canary of nobody: no Ingress of this namespace serves any host"]
    );
    assert_eq!(weights(&cluster, "web.example"), ["shop/web:80 1"], "a host has its own");
    cluster.apply(ingress_with("shop", "all", 2, json!({}), default("web"))).go();
    assert_eq!(weights(&cluster, "any.example"), ["shop/web:80 70", "shop/next:80 30"]);
    assert_eq!(cluster.said("shop", "next"), [""; 0]);
}
