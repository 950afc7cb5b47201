//! One object of a file, read into the type that its kind has.
//!
//! Of what makes pods only the labels are read: the API server takes `cpu: 1` where its answers have `cpu: "1"`, and nothing
//! in a pod's containers is of interest here.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetOrdinals, StatefulSetSpec};
use k8s_openapi::api::core::v1::{Pod, PodIP, PodStatus, PodTemplateSpec, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Workload;
use crate::control::kubernetes::objects::{Name, Object};
use crate::control::kubernetes::secrets;
use crate::control::kubernetes::translate::SecretState;

/// The kinds that something is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Ingress,
    Class,
    Service,
    Slice,
    Set,
    Pod,
    Secret,
    Workload(&'static str),
}

/// An object that has been read.
pub(super) enum Item {
    Object(Object),
    Workload(Workload),
    /// A Secret, if it says that it is a certificate.
    Secret(Name, Option<SecretState>),
    Nothing,
}

/// Reads an object of a kind; so many are older.
#[derive(Clone, Copy)]
pub(super) struct ItemSeed {
    pub(super) sort: Sort,
    pub(super) age: usize,
}

/// Reads the items of a list. Those without a kind are passed over. Where it is, is told, for whoever wants to know where it
/// has failed.
pub(super) struct ListSeed<'s> {
    pub(super) sorts: &'s [Option<Sort>],
    pub(super) age: usize,
    pub(super) at: &'s mut usize,
}

/// Whatever makes pods.
#[derive(Deserialize)]
struct Maker {
    #[serde(default)]
    metadata: ObjectMeta,
    spec: Option<MakerSpec>,
}

#[derive(Deserialize)]
struct MakerSpec {
    replicas: Option<i32>,
    ordinals: Option<StatefulSetOrdinals>,
    template: Option<Template>,
}

#[derive(Deserialize)]
struct Template {
    metadata: Option<ObjectMeta>,
}

#[derive(Deserialize)]
struct PodOnly {
    #[serde(default)]
    metadata: ObjectMeta,
    status: Option<PodAddresses>,
}

#[derive(Deserialize)]
struct PodAddresses {
    #[serde(rename = "podIP")]
    one: Option<String>,
    #[serde(rename = "podIPs")]
    all: Option<Vec<PodIP>>,
}

/// Objects of a file are younger than all of a cluster (2100), and each is a second younger than the one before it.
const YOUNG: i64 = 4_102_444_800;

impl Sort {
    pub(super) fn of(version: &str, kind: &str) -> Option<Self> {
        match (version, kind) {
            ("networking.k8s.io/v1", "Ingress") => Some(Self::Ingress),
            ("networking.k8s.io/v1", "IngressClass") => Some(Self::Class),
            ("discovery.k8s.io/v1", "EndpointSlice") => Some(Self::Slice),
            ("apps/v1", "StatefulSet") => Some(Self::Set),
            ("apps/v1", "Deployment") => Some(Self::Workload("Deployment")),
            ("apps/v1", "DaemonSet") => Some(Self::Workload("DaemonSet")),
            ("apps/v1", "ReplicaSet") => Some(Self::Workload("ReplicaSet")),
            ("v1", "Service") => Some(Self::Service),
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "Secret") => Some(Self::Secret),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Item, D::Error> {
        let object = match self.sort {
            Sort::Ingress => {
                let mut object = Ingress::deserialize(reader)?;
                self.complete(&mut object.metadata);
                Object::from(object)
            }
            Sort::Class => IngressClass::deserialize(reader)?.into(),
            Sort::Service => {
                let mut object = Service::deserialize(reader)?;
                self.complete(&mut object.metadata);
                object.into()
            }
            Sort::Slice => {
                let mut object = EndpointSlice::deserialize(reader)?;
                self.complete(&mut object.metadata);
                object.into()
            }
            Sort::Set => self.set(Maker::deserialize(reader)?),
            Sort::Pod => self.pod(PodOnly::deserialize(reader)?),
            Sort::Workload(kind) => return Ok(Item::Workload(self.workload(kind, Maker::deserialize(reader)?))),
            Sort::Secret => {
                let mut secret = Secret::deserialize(reader)?;
                self.complete(&mut secret.metadata);
                let name = Name::of(&secret.metadata);
                let is_certificate = secret.type_.as_deref() == Some("kubernetes.io/tls");
                let texts = secret.string_data.take().into_iter().flatten();
                let data = secret.data.get_or_insert_default();
                data.extend(texts.map(|(key, text)| (key, k8s_openapi::ByteString(text.into_bytes()))));
                let state = is_certificate.then(|| secrets::state(&name, &secret));
                return Ok(Item::Secret(name, state));
            }
        };
        Ok(Item::Object(object))
    }
}

impl ItemSeed {
    /// What the API server would have put in.
    fn complete(self, meta: &mut ObjectMeta) {
        meta.namespace.get_or_insert_with(|| "default".to_owned());
        if let (None, Some(prefix)) = (&meta.name, &meta.generate_name) {
            meta.name = Some(format!("{prefix}{}", self.age + 1));
        }
        meta.uid.get_or_insert_with(|| format!("{}-of-the-file", self.age + 1));
        if meta.creation_timestamp.is_none() {
            let second = YOUNG.saturating_add(i64::try_from(self.age).unwrap_or(i64::MAX));
            meta.creation_timestamp = jiff::Timestamp::from_second(second).ok().map(Time);
        }
    }

    fn set(self, mut maker: Maker) -> Object {
        self.complete(&mut maker.metadata);
        let spec = maker.spec.map(|spec| StatefulSetSpec {
            replicas: spec.replicas,
            ordinals: spec.ordinals,
            template: PodTemplateSpec { metadata: spec.template.and_then(|template| template.metadata), spec: None },
            ..Default::default()
        });
        StatefulSet { metadata: maker.metadata, spec, status: None }.into()
    }

    fn pod(self, mut pod: PodOnly) -> Object {
        self.complete(&mut pod.metadata);
        let status =
            pod.status.map(|status| PodStatus { pod_ip: status.one, pod_ips: status.all, ..Default::default() });
        Pod { metadata: pod.metadata, spec: None, status }.into()
    }

    fn workload(self, kind: &'static str, mut maker: Maker) -> Workload {
        self.complete(&mut maker.metadata);
        let template = maker.spec.and_then(|spec| spec.template).and_then(|template| template.metadata);
        let labels: BTreeMap<_, _> = template.and_then(|meta| meta.labels).unwrap_or_default();
        Workload { kind, name: Name::of(&maker.metadata), labels }
    }
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = Vec<Item>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Vec<Item>, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Vec<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Item>, A::Error> {
        let mut found = Vec::new();
        let Self { sorts, age, at } = self;
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                found = map.next_value_seed(Items(ListSeed { sorts, age, at: &mut *at }))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The items themselves.
struct Items<'s>(ListSeed<'s>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Item>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Vec<Item>, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Item>, A::Error> {
        let Self(ListSeed { sorts, age, at }) = self;
        let mut found = Vec::new();
        for (number, sort) in sorts.iter().enumerate() {
            *at = number;
            let item = match sort {
                Some(sort) => seq.next_element_seed(ItemSeed { sort: *sort, age: age + number })?,
                None => seq.next_element::<IgnoredAny>()?.map(|IgnoredAny| Item::Nothing),
            };
            found.extend(item);
        }
        // None is left: there are as many as there were heads.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}
