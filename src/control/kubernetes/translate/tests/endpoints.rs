//! Pods and slices → endpoints: who is who, and what may be asked of them.

use super::*;

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
    cluster.now = cluster.translator.due().expect("a moment that is over");
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
    assert_eq!(cluster.translator.due(), None);
}

/// Otherwise whoever writes slices has everything looked at every five seconds, for ever.
#[test]
fn what_is_said_beside_the_truth_is_given_one_moment_and_no_second() {
    let mut cluster = cluster();
    let forged = slice_called("forged", "web", "IPv4", &[ready("web-0", "10.6.6.6")]);
    cluster.with_web(1).apply(pod("web-0", "10.0.0.1")).apply(forged);
    cluster.apply(slice("web", &[ready("web-0", "10.0.0.1")])).go();
    cluster.now = cluster.translator.due().expect("a moment that is over");
    cluster.go();
    assert_eq!(cluster.translator.due(), None);
    cluster.index.mark_pods(&"shop".into());
    cluster.go();
    assert_eq!(cluster.translator.due(), None, "not even when it is looked at again");
    assert_eq!(
        cluster.endpoints("web.example"),
        ["web-0 ready Expected 10.0.0.1:8080", "web-0.web-0-a ready Never 10.6.6.6:8080"]
    );
}

#[test]
fn one_moment_that_ends_in_nothing_does_not_end_another() {
    let mut cluster = cluster();
    cluster.with_web(1).apply(pod("web-0", "10.0.0.1")).apply(slice("web", &[ready("web-0", "10.6.6.6")])).go();
    cluster.now = Millis(1_000);
    cluster.apply(slice("web", &[ready("web-0", "10.7.7.7")])).go();
    assert_eq!(cluster.translator.due(), Some(Millis(5_000)), "nobody has looked who still says the first");
    cluster.now = Millis(5_000);
    cluster.last = None;
    cluster.go();
    assert!(cluster.last.is_none(), "nothing has become of it");
    assert_eq!(cluster.translator.due(), Some(Millis(6_000)));
    cluster.now = Millis(6_000);
    cluster.go();
    assert_eq!(cluster.endpoints("web.example"), ["web-0 away Expected ", "web-0.web-0-a ready Never 10.7.7.7:8080"]);
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
