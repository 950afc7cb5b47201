//! Fields that an Ingress does not have.
//!
//! What has been read is written again: whatever stood in the text and does not come out meant nothing. So no list of fields
//! has to be kept here, except of those that may have been meant.

use std::fmt;

use k8s_openapi::api::networking::v1::IngressSpec;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::file::{At, Place, nearest};

/// The shape of a document, with the places of its keys.
#[derive(Debug)]
pub(super) enum Tree {
    Map(Vec<(At<String>, Self)>),
    List(Vec<Self>),
    /// A text, a number, a truth.
    Leaf,
    /// Nothing at all.
    Empty,
}

/// The fields that may have been meant.
const FIELDS: &[&str] = &[
    "backend",
    "defaultBackend",
    "host",
    "hosts",
    "http",
    "ingressClassName",
    "name",
    "number",
    "path",
    "pathType",
    "paths",
    "port",
    "resource",
    "rules",
    "secretName",
    "service",
    "tls",
];

/// Everything below `spec` that means nothing: its path, its place, and what may have been meant.
pub(super) fn unknown(tree: &Tree, spec: &IngressSpec) -> Vec<(String, Place, Option<String>)> {
    let mut found = Vec::new();
    if let (Some(tree), Ok(known)) = (tree.field("spec"), serde_json::to_value(spec)) {
        compare(tree, &known, "spec", &mut found);
    }
    found
}

fn compare(tree: &Tree, known: &Value, path: &str, found: &mut Vec<(String, Place, Option<String>)>) {
    match (tree, known) {
        (Tree::Map(entries), Value::Object(known)) => {
            for (key, below) in entries.iter().filter(|(_, below)| !matches!(below, Tree::Empty)) {
                let path = format!("{path}.{}", key.value);
                match known.get(&key.value) {
                    Some(known) => compare(below, known, &path, found),
                    None => {
                        let hint = nearest(&key.value, FIELDS).map(|field| format!("did you mean {field:?}?"));
                        found.push((path, key.place, hint));
                    }
                }
            }
        }
        (Tree::List(items), Value::Array(known)) => {
            for (at, (below, known)) in items.iter().zip(known).enumerate() {
                compare(below, known, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

impl Tree {
    /// What stands behind a key.
    fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key.value == name).map(|(_, below)| below)
    }

    /// An item of a list of objects.
    pub(super) fn item(&self, at: usize) -> Option<&Self> {
        match self.field("items")? {
            Self::List(items) => items.get(at),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Empty)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }
}
