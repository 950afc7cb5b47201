//! What objects say of themselves in a word: what is spoken at a port, and which class is for everybody.

use std::sync::Arc;

use serde_json::json;

use super::NGINX;
use crate::control::kubernetes::objects::Object;
use crate::control::kubernetes::review::ring;
use crate::control::kubernetes::translate::fixture::*;
use crate::routing::session::{Claims, SessionId};

fn spoken(service: &str, annotation: Option<&str>) -> String {
    let mut cluster = cluster();
    let annotations = annotation.map_or(json!({}), |text| json!({ format!("{NGINX}backend-protocol"): text }));
    cluster.apply(service_at("web", 80, Some(service))).apply(ingress("web", "web.example", annotations)).go();
    cluster.rule("web.example", "/").unwrap().backends[0].backend.protocol().as_str().to_owned()
}

#[test]
fn a_service_says_what_is_spoken_unless_the_ingress_does() {
    for (service, expected) in [
        ("kubernetes.io/h2c", "h2c"),
        ("grpc", "h2c"),
        ("GRPC", "h2c"),
        ("https", "https"),
        ("HTTPS", "https"),
        ("kubernetes.io/wss", "https"),
        ("wss", "https"),
        ("kubernetes.io/ws", "http"),
        ("http", "http"),
        ("example.com/anything", "http"),
    ] {
        assert_eq!(spoken(service, None), expected, "{service}");
    }
    for (annotation, expected) in [("HTTP", "http"), ("HTTPS", "https"), ("GRPC", "h2c"), ("GRPCS", "h2")] {
        assert_eq!(spoken("https", Some(annotation)), expected, "{annotation}");
        assert_eq!(spoken("grpc", Some(annotation)), expected, "{annotation}");
    }
}

#[test]
fn another_protocol_moves_no_session() {
    let token = |annotations| {
        let mut cluster = cluster();
        cluster.apply(service("web")).apply(set("web", 1)).apply(ingress("web", "web.example", annotations));
        cluster.apply(pod("web-0", "10.0.0.1")).apply(slice("web", &[ready("web-0", "10.0.0.1")])).go();
        let rule = cluster.rule("web.example", "/").unwrap();
        let scope = rule.session.as_ref().unwrap().scope;
        ring().unwrap().seal(&scope, Claims::new(SessionId(1), 1), &rule.backends[0].backend.endpoints()[0], 1)
    };
    let plain = json!({ format!("{NGINX}affinity"): "cookie" });
    let secure = json!({ format!("{NGINX}affinity"): "cookie", format!("{NGINX}backend-protocol"): "HTTPS" });
    assert_eq!(token(plain), token(secure));
}

#[test]
fn an_ingress_without_a_class_is_ours_if_ours_is_the_default_class() {
    const OURS: &str = "moorline.dev/ingress-controller";
    for (name, controller, is_default, expected) in [
        ("moorline", OURS, "true", true),
        ("other-name", OURS, "true", true),
        ("moorline", OURS, "false", false),
        ("traefik", "traefik.io/ingress-controller", "true", false),
    ] {
        let mut cluster = cluster();
        let Object::Ingress(named) = ingress("web", "web.example", json!({})) else { unreachable!() };
        let mut nameless = (*named).clone();
        nameless.spec.ingress_class_name = None;
        cluster.apply(service("web")).apply(Object::Ingress(Arc::new(nameless)));
        cluster.apply(class(name, controller, is_default)).go();
        assert_eq!(cluster.rule("web.example", "/").is_some(), expected, "{name} {controller} {is_default}");
    }
}
