//! Objects in a few words, as the API server would send them, and a cluster that they are put into.

#![expect(clippy::needless_pass_by_value, reason = "json! makes values, and tests read better without borrowing them")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Ownership, Secrets, Settings, Translation, Translator};
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::{Kind, Name, Object, POD_NAME};
use crate::routing::session::{Key, KeyId, SECRET_LEN};
use crate::routing::{Endpoint, HostPattern, KeyRing, Millis, Rule};

/// A cluster, and what is made of it.
pub(crate) struct Cluster {
    pub(crate) index: Index,
    pub(crate) translator: Translator,
    pub(crate) secrets: Secrets,
    pub(crate) now: Millis,
    pub(crate) last: Option<Translation>,
    keys: KeyRing,
}

pub(crate) fn settings() -> Settings {
    Settings {
        ownership: Ownership {
            class: "moorline".into(),
            controller: "moorline.dev/ingress-controller".into(),
            by_name: true,
            without_class: false,
            selected_namespaces: false,
        },
        annotations_prefix: "nginx.ingress.kubernetes.io/".to_owned(),
        like_nginx: false,
        default_backend: None,
        legacy_until: None,
    }
}

pub(crate) fn cluster() -> Cluster {
    cluster_with(settings())
}

pub(crate) fn cluster_with(settings: Settings) -> Cluster {
    Cluster {
        index: Index::default(),
        translator: Translator::new(settings),
        secrets: BTreeMap::new(),
        now: Millis(0),
        last: None,
        keys: KeyRing::new(vec![Key::new(KeyId::new(0).unwrap(), 0, &[7; SECRET_LEN])]).unwrap(),
    }
}

impl Cluster {
    pub(crate) fn apply(&mut self, object: Object) -> &mut Self {
        self.index.apply(object);
        self
    }

    pub(crate) fn delete(&mut self, kind: Kind, namespace: &str, name: &str) -> &mut Self {
        self.index.delete(kind, &Name::new(namespace, name));
        self
    }

    /// A StatefulSet `web` with a Service of the same name, port 80 to 8080, and an Ingress for `web.example`.
    pub(crate) fn with_web(&mut self, replicas: u32) -> &mut Self {
        self.apply(service("web")).apply(set("web", replicas)).apply(ingress("web", "web.example", json!({})))
    }

    /// Translates. Whatever was made before stays if nothing has changed.
    pub(crate) fn go(&mut self) -> &mut Self {
        if let Some(new) = self.translator.translate(&mut self.index, &self.secrets, &self.keys, self.now) {
            self.last = Some(new);
        }
        self
    }

    pub(crate) fn rule(&self, host: &str, path: &str) -> Option<&Rule> {
        self.last.as_ref()?.table.find(host, path)
    }

    /// The endpoints behind a host, in words: name, life, condition, return, addresses.
    pub(crate) fn endpoints(&self, host: &str) -> Vec<String> {
        let rule = self.rule(host, "/").expect("a rule");
        rule.backends[0].backend.endpoints().iter().map(shown).collect()
    }

    /// What has been said about an Ingress at last.
    pub(crate) fn said(&self, namespace: &str, name: &str) -> Vec<String> {
        let said = self.translator.said.get(&Name::new(namespace, name)).cloned().unwrap_or_default();
        said.into_iter().map(|problem| format!("{}: {}", problem.reason.as_str(), problem.text)).collect()
    }

    /// Everything that was made, in an order that does not depend on how it came about.
    pub(crate) fn fingerprint(&self) -> String {
        let said: BTreeMap<_, _> = self.translator.said.iter().collect();
        let certificates: Vec<&HostPattern> =
            self.last.iter().flat_map(|last| &last.certificates).map(|(host, _)| host).collect();
        format!("{:#?}\n{said:#?}\n{certificates:?}", self.translator.ingresses)
    }
}

fn shown(endpoint: &Endpoint) -> String {
    let addresses: Vec<_> = endpoint.addresses.iter().map(ToString::to_string).collect();
    let name = endpoint.id.as_str().split_once('/').unwrap().1.split_once('/').unwrap().1;
    format!("{name} {} {:?} {}", endpoint.condition.as_str(), endpoint.returns, addresses.join("+"))
}

fn made<K: serde::de::DeserializeOwned + Into<Object>>(value: Value) -> Object {
    serde_json::from_value::<K>(value).expect("an object of this kind").into()
}

/// An Ingress of the namespace `shop`, made at second 1.
pub(crate) fn ingress(name: &str, host: &str, annotations: Value) -> Object {
    ingress_with("shop", name, 1, annotations, json!({ "rules": [rule(host, "/", "Prefix", name)] }))
}

pub(crate) fn rule(host: &str, path: &str, path_type: &str, service: &str) -> Value {
    json!({ "host": host, "http": { "paths": [{
        "path": path, "pathType": path_type,
        "backend": { "service": { "name": service, "port": { "number": 80 } } },
    }] } })
}

pub(crate) fn ingress_with(namespace: &str, name: &str, second: u32, annotations: Value, mut spec: Value) -> Object {
    spec["ingressClassName"] = json!("moorline");
    made::<k8s_openapi::api::networking::v1::Ingress>(json!({
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("uid-{name}"), "annotations": annotations,
            "creationTimestamp": format!("1970-01-01T00:00:{second:02}Z"),
        },
        "spec": spec,
    }))
}

/// A Service of the namespace `shop`, for the pods with this label.
pub(crate) fn service(name: &str) -> Object {
    service_in("shop", name)
}

pub(crate) fn service_in(namespace: &str, name: &str) -> Object {
    made::<k8s_openapi::api::core::v1::Service>(json!({
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
    }))
}

/// An IngressClass, and whether it is for Ingresses that name none.
pub(crate) fn class(name: &str, controller: &str, is_default: &str) -> Object {
    made::<k8s_openapi::api::networking::v1::IngressClass>(json!({
        "metadata": { "name": name, "annotations": { "ingressclass.kubernetes.io/is-default-class": is_default } },
        "spec": { "controller": controller },
    }))
}

/// A Service of the namespace `shop` with this port, and with what it says is spoken there.
pub(crate) fn service_at(name: &str, port: u16, protocol: Option<&str>) -> Object {
    made::<k8s_openapi::api::core::v1::Service>(json!({
        "metadata": { "namespace": "shop", "name": name },
        "spec": { "selector": { "app": name }, "ports": [{
            "name": "http", "port": port, "targetPort": 8080, "appProtocol": protocol,
        }] },
    }))
}

pub(crate) fn external(name: &str) -> Object {
    made::<k8s_openapi::api::core::v1::Service>(json!({
        "metadata": { "namespace": "shop", "name": name },
        "spec": { "type": "ExternalName", "externalName": "127.0.0.1", "ports": [{ "name": "http", "port": 80 }] },
    }))
}

pub(crate) fn set(name: &str, replicas: u32) -> Object {
    set_of(name, name, replicas)
}

/// A StatefulSet whose pods have the label of a Service.
pub(crate) fn set_of(service: &str, name: &str, replicas: u32) -> Object {
    made::<k8s_openapi::api::apps::v1::StatefulSet>(json!({
        "metadata": { "namespace": "shop", "name": name, "uid": format!("set-{name}") },
        "spec": {
            "replicas": replicas, "serviceName": service, "selector": { "matchLabels": { "app": service } },
            "template": { "metadata": { "labels": { "app": service } }, "spec": { "containers": [] } },
        },
    }))
}

/// A pod as a StatefulSet makes it: `web-0` with the uid `web-0-a`, at this address.
pub(crate) fn pod(name: &str, address: &str) -> Object {
    let set = name.rsplit_once('-').unwrap().0;
    pod_with(name, name, Some(&format!("set-{set}")), "a", &[address], json!({}))
}

pub(crate) fn pod_with(
    name: &str,
    label: &str,
    owner: Option<&str>,
    life: &str,
    addresses: &[&str],
    annotations: Value,
) -> Object {
    let owners: Vec<Value> = owner
        .iter()
        .map(|uid| json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x", "uid": uid, "controller": true }))
        .collect();
    let ips: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    made::<k8s_openapi::api::core::v1::Pod>(json!({
        "metadata": {
            "namespace": "shop", "name": name, "uid": format!("{name}-{life}"), "labels": { POD_NAME: label },
            "ownerReferences": owners, "annotations": annotations,
        },
        "status": { "podIPs": ips },
    }))
}

/// What a slice says about the pod `name` with the uid `<name>-a`.
pub(crate) fn entry(name: &str, address: &str, conditions: Value) -> Value {
    json!({
        "addresses": [address], "conditions": conditions,
        "targetRef": { "kind": "Pod", "name": name, "uid": format!("{name}-a") },
    })
}

/// An entry for a pod that takes new work.
pub(crate) fn ready(name: &str, address: &str) -> Value {
    entry(name, address, json!({ "ready": true, "serving": true, "terminating": false }))
}

/// A slice of a Service of `shop`.
pub(crate) fn slice(service: &str, entries: &[Value]) -> Object {
    slice_called(&format!("{service}-1"), service, "IPv4", entries)
}

pub(crate) fn slice_called(name: &str, service: &str, family: &str, entries: &[Value]) -> Object {
    made::<k8s_openapi::api::discovery::v1::EndpointSlice>(json!({
        "metadata": { "namespace": "shop", "name": name, "labels": { "kubernetes.io/service-name": service } },
        "addressType": family, "ports": [{ "name": "http", "port": 8080 }], "endpoints": entries,
    }))
}
