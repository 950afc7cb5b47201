//! An object as it comes, whether or not anybody can read it. The API server lets no such object in, but a newer one may
//! have fields that mean something else to us, and one object that cannot be read must not hide a whole list.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An object, or what is known of one that cannot be read.
#[derive(Clone, Debug)]
pub struct Lenient<K> {
    /// Name, namespace, uid and version only, as far as it has them.
    pub meta: ObjectMeta,
    /// The object, or why it is none.
    pub object: Result<K, Unreadable>,
}

/// Why an object cannot be read. May tell what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Lenient<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = |field: &str| value["metadata"][field].as_str().map(ToOwned::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        let object = serde_json::from_value(value).map_err(|error| Unreadable(error.to_string()));
        let object = if meta.name.is_some() { object } else { Err(Unreadable("it has no name".to_owned())) };
        Ok(Self { meta, object })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Lenient<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_still_has_a_name_and_a_version() {
        let check = |object: Value, name: Option<&str>, version: Option<&str>, is_readable: bool| {
            let read: Lenient<Service> = serde_json::from_value(object).expect("whatever it is");
            assert_eq!(read.meta.name.as_deref(), name);
            assert_eq!(read.meta.resource_version.as_deref(), version);
            assert_eq!(read.object.is_ok(), is_readable, "{:?}", read.object);
        };
        let meta = json!({ "name": "a", "resourceVersion": "7" });
        check(json!({ "metadata": meta, "spec": {} }), Some("a"), Some("7"), true);
        check(json!({ "metadata": meta, "spec": [] }), Some("a"), Some("7"), false);
        check(json!({ "metadata": { "name": "a", "labels": 5 } }), Some("a"), None, false);
        check(json!({ "metadata": { "name": 5, "resourceVersion": "7" } }), None, Some("7"), false);
        check(json!({ "spec": {} }), None, None, false);
        check(json!(["a"]), None, None, false);
        check(Value::Null, None, None, false);
    }
}
