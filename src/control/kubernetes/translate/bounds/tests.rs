use std::fmt::Write;

use serde_json::{Value, json};

use super::*;
use crate::control::kubernetes::translate::fixture::*;

const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// An Ingress for one host, with as many paths.
fn with_paths(number: usize, annotations: Value) -> crate::control::kubernetes::objects::Object {
    let path = |n: usize| rule("evil.example", &format!("/{n}"), "Prefix", "web")["http"]["paths"][0].clone();
    let paths: Vec<Value> = (0..number).map(path).collect();
    let spec = json!({ "rules": [{ "host": "evil.example", "http": { "paths": paths } }] });
    ingress_with("shop", "evil", 9, annotations, spec)
}

#[test]
fn an_ingress_has_no_more_rules_than_its_bound() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(with_paths(RULES + 5, json!({}))).go();
    assert!(cluster.rule("evil.example", &format!("/{}", RULES - 1)).is_some());
    assert!(cluster.rule("evil.example", &format!("/{RULES}")).is_none());
    assert_eq!(
        cluster.said("shop", "evil"),
        [
            r#"Rejected: an Ingress has at most 10000 rules, each counted once for every name of its host: evil.example "/10000" and what follows is not served"#
        ]
    );
    assert!(cluster.rule("web.example", "/").is_some(), "nobody else has lost anything");
}

#[test]
fn all_hosts_together_have_no_more_expressions_than_their_bound() {
    let at = |n: usize| rule(&format!("h{}.example", n / 200), &format!("/{n}/(.*)"), "ImplementationSpecific", "web");
    let rules: Vec<Value> = (0..ALL_EXPRESSIONS + 5).map(at).collect();
    let annotations = json!({ format!("{NGINX}rewrite-target"): "/$1" });
    let mut cluster = cluster();
    cluster.with_web(1).apply(ingress_with("shop", "evil", 9, annotations, json!({ "rules": rules }))).go();
    assert!(cluster.rule("h12.example", "/2559/x").is_some() && cluster.rule("h12.example", "/2560/x").is_none());
    let said = cluster.said("shop", "evil");
    assert_eq!(said.len(), 5);
    assert!(said[0].contains("at most 256 expressions for a host, and 2560 in all"), "{said:?}");
}

#[test]
fn every_alias_of_a_host_counts() {
    let aliases: Vec<String> = (0..99).map(|n| format!("{n}.example")).collect();
    let mut cluster = cluster();
    let annotations = json!({ format!("{NGINX}server-alias"): aliases.join(",") });
    cluster.with_web(1).apply(with_paths(1000, annotations)).go();
    assert_eq!(
        cluster.last.as_ref().unwrap().table.len(),
        RULES + 1,
        "100 paths under 100 names, and that of web.example"
    );
    assert!(cluster.rule("98.example", "/99").is_some() && cluster.rule("98.example", "/100").is_none());
}

#[test]
fn what_is_said_of_an_ingress_has_an_end() {
    let paths: Vec<Value> =
        (0..500).map(|n| rule("evil.example", &format!("{n}"), "Prefix", "web")["http"]["paths"][0].clone()).collect();
    let spec = json!({ "rules": [{ "host": "evil.example", "http": { "paths": paths } }] });
    let mut cluster = cluster();
    cluster.with_web(1).apply(ingress_with("shop", "evil", 9, json!({}), spec)).go();
    let said = cluster.said("shop", "evil");
    assert_eq!((said.len(), said.last().unwrap().as_str()), (PROBLEMS + 1, "Rejected: and 400 more like these"));
}

#[test]
fn a_quarrel_over_many_paths_is_said_in_part() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(with_paths(500, json!({})));
    let path = |n: usize| rule("evil.example", &format!("/{n}"), "Prefix", "web")["http"]["paths"][0].clone();
    let paths: Vec<Value> = (0..500).map(path).collect();
    let spec = json!({ "rules": [{ "host": "evil.example", "http": { "paths": paths } }] });
    cluster.apply(ingress_with("shop", "older", 2, json!({}), spec)).go();
    assert_eq!(cluster.said("shop", "evil").len(), PROBLEMS);
}

#[test]
fn the_statefulsets_of_a_service_share_what_it_expects() {
    let mut cluster = cluster();
    cluster.with_web(1_000_000);
    for n in 0..100 {
        cluster.apply(set_of("web", &format!("also-{n}"), 1_000_000));
    }
    cluster.go();
    assert_eq!(cluster.endpoints("web.example").len(), EXPECTED);
}

#[test]
fn pods_that_are_there_do_not_count_among_those_that_are_expected() {
    let mut cluster = cluster();
    cluster.with_web(2_000).apply(pod("web-0", "10.0.0.1")).apply(slice("web", &[ready("web-0", "10.0.0.1")])).go();
    let endpoints = cluster.endpoints("web.example");
    assert_eq!(endpoints.len(), 1 + EXPECTED);
    assert!(endpoints.contains(&"web-1000 away Expected ".to_owned()));
}

#[test]
fn a_backend_has_no_more_endpoints_than_its_bound() {
    let bare = |n: usize| json!({ "addresses": [format!("10.1.{}.{}", n / 250, n % 250)], "conditions": {} });
    let entries: Vec<Value> = (0..ENDPOINTS + 5).map(bare).collect();
    let mut cluster = cluster();
    cluster.with_web(1).apply(slice("web", &entries)).go();
    assert_eq!(cluster.endpoints("web.example").len(), ENDPOINTS);
    assert_eq!(
        cluster.said("shop", "web"),
        ["Rejected: Service shop/web has 10000 endpoints or more: no more than these are used"]
    );
}

#[test]
fn an_ingress_names_no_more_secrets_than_its_bound() {
    let tls: Vec<Value> = (0..SECRETS + 5)
        .map(|n| json!({ "hosts": [format!("{n}.example")], "secretName": format!("s{n:03}") }))
        .collect();
    let spec = json!({ "tls": tls, "rules": [rule("260.example", "/", "Prefix", "web")] });
    let mut cluster = cluster();
    cluster
        .with_web(1)
        .apply(ingress_with("shop", "evil", 9, json!({ format!("{NGINX}ssl-redirect"): "true" }), spec))
        .go();
    assert_eq!(cluster.translator.secrets().len(), SECRETS);
    assert_eq!(
        cluster.said("shop", "evil"),
        [
            "Rejected: an Ingress has certificates from at most 256 Secrets for at most 1000 hosts: from Secret shop/s256 on, the default one is shown"
        ]
    );
    assert_eq!(cluster.rule("260.example", "/").unwrap().redirect_to_https, Some(443), "it has TLS nevertheless");
}

#[test]
fn a_canary_has_no_more_paths_than_its_bound() {
    let path = |n: usize| rule("evil.example", &format!("/{n}"), "Prefix", "next")["http"]["paths"][0].clone();
    let paths: Vec<Value> = (0..CANARY_PATHS + 5).map(path).collect();
    let spec = json!({ "rules": [{ "host": "evil.example", "http": { "paths": paths } }] });
    let annotations = json!({ format!("{NGINX}canary"): "true", format!("{NGINX}canary-weight"): "30" });
    let mut cluster = cluster();
    cluster.with_web(1).apply(service("next")).apply(with_paths(CANARY_PATHS + 5, json!({})));
    cluster.apply(ingress_with("shop", "next", 9, annotations, spec)).go();
    let backends = |path: &str| cluster.rule("evil.example", path).unwrap().backends.len();
    assert_eq!((backends("/999"), backends("/1000")), (2, 1));
    assert_eq!(
        cluster.said("shop", "next"),
        [r#"Rejected: a canary has at most 1000 paths: evil.example "/1000" and what follows is none"#]
    );
}

#[test]
fn the_bounds_that_are_documented_are_these() {
    let rows = [
        ("rules of an Ingress, each counted once for its host and for every alias of it", RULES, "is not served"),
        ("expressions among them for one host, aliases apart", EXPRESSIONS, "is not served"),
        ("expressions in all", ALL_EXPRESSIONS, "is not served"),
        ("paths of a canary", CANARY_PATHS, "is no canary"),
        ("Secrets that an Ingress names", SECRETS, "the default certificate is shown"),
        ("hosts that an Ingress gives certificates to", TLS_HOSTS, "the default certificate is shown"),
        ("endpoints of a port of a Service", ENDPOINTS, "gets nothing"),
        ("those of them that StatefulSets promise and nobody has seen", EXPECTED, "is not waited for"),
        ("sentences about an Ingress, in its Events and in the log", PROBLEMS, "is counted only"),
    ];
    let mut table = String::from("| what | at most | what comes on top |\n|---|---:|---|\n");
    for (what, bound, beyond) in rows {
        writeln!(table, "| {what} | {bound} | {beyond} |").expect("a string takes everything");
    }
    crate::documented::has_part("kubernetes.md", "bounds", &table);
}
