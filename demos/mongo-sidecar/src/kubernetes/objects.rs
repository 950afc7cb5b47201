//! What Kubernetes' objects mean to decisions. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::StatefulSet, core::v1},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::{
    hosts::ordinal_of_pod,
    observed::{Desired, Pod},
};

/// One pod, if it is the StatefulSet's.
pub(super) fn pod(stateful_set: &str, pod: &v1::Pod, role_label: &str) -> Option<Pod> {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.find(|owner| owner.kind == "StatefulSet" && owner.name == stateful_set)?;
    let status = pod.status.as_ref();
    let has_address = status.and_then(|status| status.pod_ip.as_deref()).is_some_and(|address| !address.is_empty());
    Some(Pod {
        ordinal: ordinal_of_pod(stateful_set, pod.metadata.name.as_deref()?)?,
        uid: pod.metadata.uid.clone()?,
        running: has_address && status.and_then(|status| status.phase.as_deref()) == Some("Running"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        label: value(pod.metadata.labels.as_ref(), role_label),
        term: value(pod.metadata.annotations.as_ref(), TERM_ANNOTATION).and_then(|term| term.parse().ok()),
    })
}

fn value(of: Option<&BTreeMap<String, String>>, key: &str) -> Option<String> {
    of?.get(key).cloned()
}

/// What is wanted; nothing of a StatefulSet that is being deleted.
pub(super) fn desired(set: &StatefulSet) -> Option<Desired> {
    if set.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let spec = set.spec.as_ref()?;
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
    Some(Desired {
        start: u32::try_from(start).ok()?,
        replicas: u32::try_from(spec.replicas.unwrap_or(1)).ok()?,
        ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
    })
}

/// Whether a selector looks at this label.
pub(super) fn selects_by(selector: &LabelSelector, key: &str) -> bool {
    let by_value = selector.match_labels.as_ref().is_some_and(|labels| labels.contains_key(key));
    by_value || selector.match_expressions.iter().flatten().any(|expression| expression.key == key)
}

/// A selector as a list request wants it. Expressions are left out: the owner is looked at anyway.
pub(super) fn as_query(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten();
    labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The term in which a pod was labelled primary, so that an older primary does not take the label back.
pub(super) const TERM_ANNOTATION: &str = "moorline.dev/term";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(change: impl FnOnce(&mut Value), expected: Option<&Pod>) {
        let mut object = json!({
            "metadata": {
                "name": "mongo-1", "uid": "u1", "labels": { "role": "primary" }, "annotations": { "moorline.dev/term": "7" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "mongo", "uid": "s", "controller": true }],
            },
            "status": { "phase": "Running", "podIP": "10.244.1.7" },
        });
        change(&mut object);
        let object = serde_json::from_value(object).expect("a pod");
        assert_eq!(pod("mongo", &object, "role").as_ref(), expected);
    }

    fn running() -> Pod {
        Pod {
            ordinal: 1,
            uid: "u1".into(),
            running: true,
            terminating: false,
            label: Some("primary".into()),
            term: Some(7),
        }
    }

    #[test]
    fn a_pod_counts_if_the_statefulset_controls_it() {
        check(|_| {}, Some(&running()));
        check(|pod| pod["metadata"]["ownerReferences"][0]["name"] = "other".into(), None);
        check(|pod| pod["metadata"]["ownerReferences"][0]["controller"] = false.into(), None);
        check(|pod| pod["metadata"]["ownerReferences"][0]["kind"] = "ReplicaSet".into(), None);
        check(|pod| pod["metadata"]["name"] = "mongo-x".into(), None);
    }

    /// The predecessor's cycle died of a pod that had no address yet.
    #[test]
    fn a_pod_without_an_address_does_not_run() {
        let waits = Pod { running: false, ..running() };
        check(|pod| pod["status"] = json!({ "phase": "Running" }), Some(&waits));
        check(|pod| pod["status"]["podIP"] = "".into(), Some(&waits));
        check(|pod| pod["status"]["phase"] = "Pending".into(), Some(&waits));
        check(|pod| pod["status"] = Value::Null, Some(&waits));
    }

    #[test]
    fn a_pod_may_be_on_its_way_out_and_without_labels() {
        let leaves = Pod { terminating: true, ..running() };
        check(|pod| pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into(), Some(&leaves));
        let bare = Pod { label: None, term: None, ..running() };
        check(
            |pod| {
                pod["metadata"]["labels"] = Value::Null;
                pod["metadata"]["annotations"]["moorline.dev/term"] = "many".into();
            },
            Some(&bare),
        );
    }

    #[test]
    fn what_is_wanted_has_kubernetes_defaults() {
        let wanted = |object: Value| desired(&serde_json::from_value(object).expect("a set"));
        let base = json!({ "selector": {}, "serviceName": "mongo", "template": {} });
        assert_eq!(wanted(json!({ "spec": base })), Some(Desired { start: 0, replicas: 1, ordered: true }));
        let mut spec = base.clone();
        spec["replicas"] = 3.into();
        spec["ordinals"] = json!({ "start": 2 });
        spec["podManagementPolicy"] = "Parallel".into();
        assert_eq!(wanted(json!({ "spec": spec })), Some(Desired { start: 2, replicas: 3, ordered: false }));
        let deleted = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "spec": base });
        assert_eq!(wanted(deleted), None);
    }

    #[test]
    fn a_selector_is_searched_in_both_its_forms() {
        let selector = |object: Value| serde_json::from_value::<LabelSelector>(object).expect("a selector");
        let labels = selector(json!({ "matchLabels": { "app": "mongo", "role": "mongo" } }));
        assert!(selects_by(&labels, "role") && !selects_by(&labels, "moorline.dev/role"));
        assert_eq!(as_query(&labels), "app=mongo,role=mongo");
        let expressions = selector(json!({ "matchExpressions": [{ "key": "role", "operator": "Exists" }] }));
        assert!(selects_by(&expressions, "role") && !selects_by(&expressions, "app"));
    }
}
