//! The marker as a ConfigMap. It belongs to nobody, so that it outlives the StatefulSet as the volumes do.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::observed::Marker;

pub(super) fn name(stateful_set: &str) -> String {
    format!("{stateful_set}-replset")
}

/// `None` if it is no marker.
pub(super) fn read(object: &ConfigMap) -> Option<Marker> {
    let data = object.data.as_ref()?;
    let text = |key| data.get(key).filter(|value| !value.is_empty()).cloned();
    match data.get("state")?.as_str() {
        "pending" => text("podUid").map(|uid| Marker::Pending { uid }),
        "settled" => text("replicaSetId").map(|replica_set_id| Marker::Settled { replica_set_id }),
        _ => None,
    }
}

pub(super) fn object(stateful_set: &str, marker: &Marker) -> ConfigMap {
    let (state, key, value) = match marker {
        Marker::Pending { uid } => ("pending", "podUid", uid),
        Marker::Settled { replica_set_id } => ("settled", "replicaSetId", replica_set_id),
    };
    let data = [("about", ABOUT), ("state", state), (key, value)];
    ConfigMap {
        metadata: ObjectMeta { name: Some(name(stateful_set)), ..ObjectMeta::default() },
        data: Some(BTreeMap::from(data.map(|(key, value)| (key.to_owned(), value.to_owned())))),
        ..ConfigMap::default()
    }
}

const ABOUT: &str = "Whether the replica set was formed, so that a member that lost its volume does not form a second one. \
    Delete it only together with all volumes.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        for marker in [Marker::Pending { uid: "u".into() }, Marker::Settled { replica_set_id: "7".into() }] {
            assert_eq!(read(&object("mongo", &marker)), Some(marker));
        }
    }

    #[test]
    fn half_a_marker_is_none() {
        for data in
            [vec![], vec![("state", "settled")], vec![("state", "pending"), ("podUid", "")], vec![("state", "x")]]
        {
            let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            assert_eq!(read(&ConfigMap { data: Some(data), ..ConfigMap::default() }), None);
        }
        assert_eq!(read(&ConfigMap::default()), None);
    }
}
