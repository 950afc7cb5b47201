//! Which hosts have TLS, and with which certificate.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};

use super::NGINX;
use crate::control::kubernetes::objects::{Name, Object};
use crate::control::kubernetes::translate::SecretState;
use crate::control::kubernetes::translate::fixture::*;
use crate::snapshot::Certificate;

fn covering(name: &str, hosts: &[&str]) -> SecretState {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
    SecretState::Good(Arc::new(Certificate::new(name.into(), Arc::new(key)).unwrap()))
}

/// An Ingress of ingress-nginx's for these hosts, with this `tls`.
fn site(namespace: &str, name: &str, second: u32, hosts: &[&str], tls: Value) -> Object {
    let rules: Vec<Value> = hosts.iter().map(|host| rule(host, "/", "Prefix", "web")).collect();
    let annotations = json!({ format!("{NGINX}affinity"): "cookie" });
    ingress_with(namespace, name, second, annotations, json!({ "rules": rules, "tls": tls }))
}

fn shown(cluster: &Cluster) -> Vec<String> {
    let all = &cluster.last.as_ref().unwrap().certificates;
    all.iter().map(|(host, certificate)| format!("{host} {}", certificate.name)).collect()
}

fn is_forced(cluster: &Cluster, host: &str) -> bool {
    let rule = cluster.rule(host, "/").expect("a rule");
    let has_hsts = rule.filters.as_ref().is_some_and(|filters| filters.strict_transport.is_some());
    assert_eq!(rule.redirect_to_https.is_some(), has_hsts, "{host}");
    has_hsts
}

#[test]
fn hosts_with_certificates_are_asked_for_over_https_where_ingress_nginx_would() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let spec = json!({
        "tls": [{ "hosts": ["web.example"], "secretName": "web" }],
        "rules": [rule("web.example", "/", "Prefix", "web"), rule("plain.example", "/", "Prefix", "web"), rule("", "/", "Prefix", "web")],
    });
    cluster.apply(ingress_with("shop", "web", 1, json!({ format!("{NGINX}affinity"): "cookie" }), spec)).go();
    assert_eq!(cluster.rule("web.example", "/").unwrap().redirect_to_https, Some(443));
    assert_eq!(
        cluster.rule("plain.example", "/").unwrap().redirect_to_https,
        Some(443),
        "with the default certificate"
    );
    assert_eq!(cluster.rule("any.example", "/").unwrap().redirect_to_https, None);
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
fn hosts_that_tls_does_not_list_have_the_certificate_that_covers_them() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    let hosts = ["a.example", "b.shop.example", "c.example"];
    cluster.apply(site("shop", "web", 1, &hosts, json!([{ "secretName": "one" }, { "secretName": "two" }]))).go();
    let named: Vec<_> = cluster.translator.secrets().into_keys().map(|name| name.to_string()).collect();
    assert_eq!(named, ["shop/one", "shop/two"], "they are to be read");
    assert_eq!(cluster.said("shop", "web"), [""; 0], "nothing has been read yet");
    cluster.secrets.insert(Name::new("shop", "one"), covering("one", &["a.example", "elsewhere.example"]));
    cluster.secrets.insert(Name::new("shop", "two"), covering("two", &["a.example", "*.shop.example"]));
    cluster.index.mark(&Name::new("shop", "web"));
    cluster.go();
    assert_eq!(shown(&cluster), ["a.example one", "b.shop.example two"], "and no host that is no rule's");
    assert!(hosts.iter().all(|host| is_forced(&cluster, host)), "with the default certificate, if there is no other");
    assert_eq!(
        cluster.said("shop", "web"),
        ["Rejected: no certificate of this Ingress covers c.example: the default one is shown"]
    );
}

#[test]
fn an_alias_has_the_certificate_of_its_host_whichever_ingress_names_either() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    cluster.secrets.insert(Name::new("shop", "one"), covering("one", &["a.example", "www.example"]));
    cluster.apply(site("shop", "web", 1, &["a.example"], json!([{ "secretName": "one" }])));
    let spec = json!({ "rules": [rule("a.example", "/b", "Prefix", "web")] });
    let alias = json!({ format!("{NGINX}server-alias"): "www.example" });
    cluster.apply(ingress_with("shop", "b", 2, alias, spec)).go();
    assert_eq!(shown(&cluster), ["a.example one", "www.example one"]);
    assert!(is_forced(&cluster, "www.example"));
}

#[test]
fn a_wildcard_that_is_listed_is_for_the_hosts_below_it_that_the_certificate_names() {
    let mut cluster = cluster();
    cluster.apply(service("web"));
    cluster.secrets.insert(Name::new("shop", "one"), covering("one", &["a.example"]));
    let tls = json!([{ "hosts": ["*.example"], "secretName": "one" }]);
    cluster.apply(site("shop", "web", 1, &["a.example"], tls.clone())).go();
    assert_eq!(shown(&cluster), ["a.example one"]);
    assert_eq!(cluster.said("shop", "web"), [""; 0]);
    cluster.apply(site("shop", "web", 1, &["*.example"], tls)).go();
    assert_eq!(shown(&cluster), [""; 0]);
    assert!(is_forced(&cluster, "a.example"));
    let said = ["Rejected: the certificate in Secret shop/one does not cover *.example: the default one is shown"];
    assert_eq!(cluster.said("shop", "web"), said);
}

#[test]
fn a_certificate_is_for_the_hosts_of_its_own_ingress_only() {
    let mut cluster = cluster();
    cluster.apply(service("web")).apply(service_in("other", "web"));
    let all = ["a.example", "b.example"];
    cluster.secrets.insert(Name::new("other", "thief"), covering("thief", &all));
    cluster.secrets.insert(Name::new("shop", "own"), covering("own", &all));
    cluster.apply(site("shop", "web", 1, &["a.example"], json!([{ "secretName": "own" }])));
    cluster.apply(site("other", "web", 2, &["a.example"], json!([{ "secretName": "thief" }])));
    cluster.apply(site("shop", "plain", 3, &["b.example"], json!([]))).go();
    assert_eq!(shown(&cluster), ["a.example own"]);
    assert!(!is_forced(&cluster, "b.example"), "nobody has said anything about TLS");
}

#[test]
fn what_a_canary_says_about_tls_does_not_count() {
    let mut cluster = cluster();
    cluster.apply(service("web")).apply(site("shop", "web", 1, &["a.example"], json!([])));
    let spec = json!({ "rules": [rule("a.example", "/", "Prefix", "web")], "tls": [{ "secretName": "x" }] });
    cluster.apply(ingress_with("shop", "next", 2, json!({ format!("{NGINX}canary"): "true" }), spec)).go();
    assert!(!is_forced(&cluster, "a.example"));
    assert!(cluster.translator.secrets().is_empty());
}
