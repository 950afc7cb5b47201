use std::collections::BTreeSet;

use serde_json::json;

use super::facts::Owner;
use super::permissions::{Answer, Permission, Place, needed};
use super::*;
use crate::control::kubernetes::objects::{Class, Kind, Name, Object};
use crate::control::kubernetes::translate::SecretState;
use crate::control::kubernetes::translate::fixture::{
    entry, ingress, ingress_with, pod, pod_with, ready, rule, service, set, settings, slice,
};

/// A cluster with our class in which nothing else is.
fn facts(objects: impl IntoIterator<Item = Object>) -> Facts {
    let mut facts = Facts {
        server: "v1.36.1".to_owned(),
        version: Some((1, 36)),
        user: Some("system:serviceaccount:moorline:moorline".to_owned()),
        namespace: "moorline".to_owned(),
        ..Facts::default()
    };
    facts.index.apply(class("moorline", "moorline.dev/ingress-controller"));
    objects.into_iter().for_each(|object| facts.index.apply(object));
    facts
}

fn class(name: &str, controller: &str) -> Object {
    Object::Class(Class { name: Name::new("", name), controller: controller.into(), is_default: false })
}

/// What is said, but for the first two lines of a good cluster.
fn said(mut facts: Facts) -> Vec<String> {
    said_with(&mut facts, &strict())
}

fn said_with(facts: &mut Facts, settings: &Settings) -> Vec<String> {
    let lines = judge::lines(facts, settings);
    let shown = lines.iter().map(|line| format!("{} {}", line.mark.sign(), line.text));
    shown.filter(|line| !line.starts_with("√ API server") && line != "√ IngressClass moorline is ours").collect()
}

fn strict() -> Settings {
    let mut settings = settings();
    settings.ownership.by_name = false;
    settings
}

/// `web` with sessions, and pods that are ready.
fn sticky(replicas: u32) -> Vec<Object> {
    let names: Vec<_> = (0..replicas).map(|number| (format!("web-{number}"), format!("192.0.2.{number}"))).collect();
    let entries: Vec<_> = names.iter().map(|(name, address)| ready(name, address)).collect();
    let pods = names.iter().map(|(name, address)| pod(name, address));
    let mut all = vec![service("web"), set("web", replicas), slice("web", &entries)];
    all.push(ingress("web", "web.example", json!({ "moorline.dev/session": "true" })));
    all.extend(pods);
    all
}

#[test]
fn a_cluster_in_which_all_is_well() {
    assert_eq!(said(facts(sticky(2))), ["√ Ingress shop/web: 1 rule", "√ Service shop/web: sessions stay on 2 pods"]);
}

#[test]
fn the_server_and_the_class() {
    let told = |change: &dyn Fn(&mut Facts, &mut Settings), expected: &str| {
        let (mut facts, mut settings) = (facts(sticky(2)), strict());
        change(&mut facts, &mut settings);
        let lines = judge::lines(&mut facts, &settings);
        let lines: Vec<_> = lines.iter().map(|line| format!("{} {}", line.mark.sign(), line.text)).collect();
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    };
    told(&|_, _| {}, "√ API server v1.36.1, as system:serviceaccount:moorline:moorline");
    told(&|facts, _| facts.version = Some((1, 28)), "‼ API server v1.36.1, as system:serviceaccount:moorline:moorline");
    told(&|facts, _| facts.user = Some("admin".to_owned()), "· the permissions below are those of admin, not of a pod");
    told(&|_, _| {}, "√ IngressClass moorline is ours");
    told(
        &|facts, _| facts.index.apply(class("moorline", "other")),
        "× IngressClass moorline is for the controller other, not for moorline.dev/ingress-controller",
    );
    told(
        &|facts, settings| {
            facts.index.apply(class("moorline", "other"));
            settings.ownership.by_name = true;
        },
        "√ IngressClass moorline is ours by its name",
    );
    told(
        &|_, settings| settings.ownership.class = "sticky".into(),
        "× there is no IngressClass sticky: no Ingress can be ours",
    );
    told(
        &|facts, _| facts.unlisted.push((Kind::Pod, "forbidden".to_owned())),
        "× what there is of Pod is not known: forbidden",
    );
}

#[test]
fn permissions_are_said_with_what_is_missing_without_them() {
    let all = || needed("lease", "keys", true, false).into_iter();
    let of = |resource: &str, name: bool| {
        all().find(|permission| permission.resource == resource && permission.name.is_some() == name).unwrap()
    };
    for (permission, denied, unknown, expected) in [
        (of("ingresses", false), &[][..], None, "√ may list, watch ingresses (networking.k8s.io)"),
        (
            of("ingresses", false),
            &["watch"],
            None,
            "× may not watch ingresses (networking.k8s.io): nothing is served without it",
        ),
        (
            of("events", false),
            &["create", "patch"],
            None,
            "‼ may not create, patch events (core, events.k8s.io): nothing is said at an Ingress that is wrong",
        ),
        (
            of("secrets", true),
            &["get"],
            None,
            "× may not get secrets keys (core) in moorline: nothing is served without it",
        ),
        (
            of("services", false),
            &[],
            Some("no answer"),
            "‼ whether we may list, watch services (core) is not known: no answer",
        ),
    ] {
        let mut facts = facts(sticky(2));
        let denied = denied.iter().map(|verb| (*verb).to_owned()).collect();
        facts.permissions = vec![Answer { permission, denied, unknown: unknown.map(str::to_owned) }];
        assert_eq!(said(facts)[0], expected);
    }
}

/// The rows of the table in `docs/kubernetes.md`: where, groups, resource, name, verbs.
fn documented() -> BTreeSet<[String; 5]> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
    let (_, rest) = page.split_once("<!-- permissions -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /permissions -->").unwrap();
    let cells = |row: &str| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        [&cells[1], &cells[2], &cells[3], &cells[4], &cells[5]].map(String::clone)
    };
    table.lines().skip(2).map(cells).collect()
}

#[test]
fn the_permissions_that_are_asked_for_are_those_of_the_documentation() {
    let row = |permission: &Permission| {
        let place = if permission.place == Place::Own { "own namespace" } else { "cluster" };
        let groups: Vec<_> =
            permission.groups.iter().map(|group| if group.is_empty() { "core" } else { group }).collect();
        [
            place.to_owned(),
            groups.join(", "),
            permission.resource.to_owned(),
            permission.name.clone().unwrap_or_default(),
            permission.verbs.join(", "),
        ]
    };
    let needed = needed("moorline-ingress-leader", "moorline-session-keys", true, false);
    assert_eq!(needed.iter().map(row).collect::<BTreeSet<_>>(), documented());
}

#[test]
fn what_is_wrong_with_an_ingress_is_said_by_its_name() {
    let mut missing = sticky(2);
    missing.remove(0);
    assert_eq!(said(facts(missing)), ["× Ingress shop/web: Service shop/web is not there"]);
    assert_eq!(said(facts([])), ["‼ no Ingress is ours"]);
    let unknown = ingress("web", "web.example", json!({ "moorline.dev/hodl": "1s" }));
    let lines = said(facts(sticky(2).into_iter().chain([unknown])));
    assert_eq!(lines[0], "‼ Ingress shop/web: moorline.dev/\"hodl\" is unknown: is it moorline.dev/hold?");
}

#[test]
fn what_could_not_be_looked_at_is_not_said_to_be_missing() {
    for (kind, said_beside) in [
        (Kind::Service, &["√ Ingress shop/web: 1 rule"][..]),
        (Kind::Slice, &["√ Ingress shop/web: 1 rule"]),
        (Kind::Set, &["√ Ingress shop/web: 1 rule"]),
        (Kind::Pod, &["√ Ingress shop/web: 1 rule"]),
        (Kind::Ingress, &[]),
    ] {
        let mut facts = facts(sticky(2).into_iter().filter(|object| object.kind() != kind));
        facts.unlisted.push((kind, "forbidden".to_owned()));
        let lines = said(facts);
        assert_eq!(lines[0], format!("× what there is of {} is not known: forbidden", kind.as_str()));
        assert_eq!(&lines[1..], said_beside, "{kind:?}");
    }
}

#[test]
fn a_secret_that_is_missing_is_a_problem_of_its_ingress() {
    let spec = json!({
        "tls": [{ "hosts": ["web.example"], "secretName": "web-tls" }],
        "rules": [rule("web.example", "/", "Prefix", "web")],
    });
    let mut facts = facts(sticky(2).into_iter().chain([ingress_with("shop", "web", 1, json!({}), spec)]));
    facts.secrets.insert(Name::new("shop", "web-tls"), SecretState::Missing);
    assert_eq!(said(facts), ["× Ingress shop/web: Secret shop/web-tls is not there: the default certificate is shown"]);
}

#[test]
fn services_without_anybody_behind_them() {
    let away = entry("web-0", "192.0.2.0", json!({ "ready": false, "serving": false, "terminating": false }));
    let single = "‼ Service shop/web has one pod: sessions wait, and newcomers get nothing, whenever it restarts";
    for (objects, expected) in [
        (sticky(1), vec![single]),
        (sticky(0), vec!["× Service shop/web has no pods: requests get 503"]),
        (
            sticky(1).into_iter().chain([slice("web", &[away])]).collect(),
            vec!["× Service shop/web has 1 pod, and none is ready: requests get 503"],
        ),
        (
            sticky(2).into_iter().chain([slice("web", &[])]).collect(),
            vec!["× Service shop/web has 2 pods, and none is ready: requests get 503"],
        ),
    ] {
        assert_eq!(said(facts(objects))[1..], expected);
    }
}

#[test]
fn pods_that_do_not_come_back_end_their_sessions() {
    let owner = |kind: &str, name: &str, label: Option<&str>| Owner {
        kind: kind.to_owned(),
        name: name.to_owned(),
        label: label.map(str::to_owned),
    };
    let strangers = [ready("front-abc", "192.0.2.8"), ready("front-def", "192.0.2.9")];
    let pods = |label: &str, owner: Option<&str>| pod_with("web-0", label, owner, "a", &["192.0.2.0"], json!({}));
    let two = || vec![service("web"), ingress("web", "web.example", json!({ "moorline.dev/session": "true" }))];
    let with = |objects: Vec<Object>, owners: &[(&str, Owner)]| {
        let mut facts = facts(two().into_iter().chain(objects));
        facts.owners = owners.iter().map(|(pod, owner)| (Name::new("shop", pod), owner.clone())).collect();
        said(facts)[1..].to_vec()
    };
    let deployment = owner("Deployment", "front", None);
    assert_eq!(
        with(vec![slice("web", &strangers)], &[("front-abc", deployment.clone()), ("front-def", deployment)]),
        ["‼ Service shop/web: sessions end with their pod (2 of Deployment front)"]
    );
    let set_of_two = || vec![set("web", 2), pod("web-1", "192.0.2.1")];
    let entries = slice("web", &[ready("web-0", "192.0.2.0"), ready("web-1", "192.0.2.1")]);
    for (label, in_index, why) in [
        (
            Some("web-9"),
            Some(pods("web-9", Some("set-web"))),
            "its label statefulset.kubernetes.io/pod-name says web-9",
        ),
        (
            Some("web-0"),
            Some(pods("web-0", Some("set-old"))),
            "StatefulSet web does not own it, or its addresses are not those of its slice",
        ),
        (None, None, "it has no label statefulset.kubernetes.io/pod-name"),
    ] {
        let objects = set_of_two().into_iter().chain(in_index).chain([entries.clone()]).collect();
        let lines = with(objects, &[("web-0", owner("StatefulSet", "web", label))]);
        assert_eq!(lines, [format!("× pod shop/web-0 is not taken for one of a StatefulSet: {why}")]);
    }
}

#[test]
fn a_pod_of_a_statefulset_that_is_scaled_down_is_no_stranger() {
    let mut objects = sticky(3);
    objects.push(set("web", 2));
    assert_eq!(said(facts(objects))[1..], ["√ Service shop/web: sessions stay on 3 pods"]);
}

#[test]
fn ingresses_of_nginx_and_of_nobody_are_counted() {
    let other = |name: &str, class: Option<&str>| {
        let Object::Ingress(mut object) = ingress(name, "other.example", json!({})) else { unreachable!() };
        std::sync::Arc::make_mut(&mut object).spec.ingress_class_name = class.map(str::to_owned);
        Object::Ingress(object)
    };
    let others = [other("a", Some("nginx")), other("b", Some("public")), other("c", Some("traefik")), other("d", None)];
    let classes = [class("public", "k8s.io/ingress-nginx"), class("traefik", "traefik.io/ingress-controller")];
    let lines = said(facts(sticky(2).into_iter().chain(others).chain(classes)));
    assert_eq!(lines[2..], ["· 2 Ingresses of ingress-nginx: not ours", "· 1 Ingress without a class: not ours"]);
}

#[test]
fn everything_that_is_not_well_has_a_hint() {
    let mut facts = facts(sticky(1));
    facts.user = Some("admin".to_owned());
    facts.version = Some((1, 20));
    facts.unlisted.push((Kind::Namespace, "forbidden".to_owned()));
    facts.permissions = needed("lease", "keys", true, true)
        .into_iter()
        .map(|permission| Answer { permission, denied: vec!["get".to_owned()], unknown: None })
        .collect();
    let lines = judge::lines(&mut facts, &strict());
    let without: Vec<_> = lines.iter().filter(|line| line.mark != Mark::Good && line.hint.is_none()).collect();
    assert!(without.is_empty(), "{without:?}");
}
