//! The objects of a cluster, cut down on arrival to what routing needs of them.
//!
//! Nothing here judges: what an object says is kept as it is said, and made sense of in
//! [`translate`](super::translate). What is not kept cannot wake anybody either: an update that changes only what is left
//! out here changes nothing.

mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label that a StatefulSet gives each of its pods: its name.
pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The annotation by which a pod is told to drain.
pub const DRAIN: &str = "moorline.dev/drain";

/// What an object is called. Objects of the cluster have an empty namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

/// An object of one of the kinds that are watched.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the kind that it is called")]
pub enum Object {
    Ingress(Arc<Ingress>),
    Class(Class),
    Service(Service),
    Slice(Slice),
    Set(Set),
    Pod(Pod),
    Namespace(Namespace),
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the kind that it is called")]
pub enum Kind {
    Ingress,
    Class,
    Service,
    Slice,
    Set,
    Pod,
    Namespace,
}

/// An Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// What it is called.
    pub name: Name,
    /// Which one of this name.
    pub uid: Arc<str>,
    /// When it was made, in unix seconds.
    pub created: u64,
    /// The version that was seen; an update of nothing else is none.
    pub version: Arc<str>,
    /// The class in the old annotation.
    pub legacy_class: Option<Arc<str>>,
    /// Its annotations, without those that only tools read.
    pub annotations: BTreeMap<String, String>,
    /// What it asks for.
    pub spec: networking::IngressSpec,
    /// Where its status says that it is served.
    pub published: Vec<networking::IngressLoadBalancerIngress>,
}

/// An IngressClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// What it is called.
    pub name: Name,
    /// Who serves it.
    pub controller: Arc<str>,
    /// Is it for Ingresses that name none?
    pub is_default: bool,
}

/// A Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What it is called.
    pub name: Name,
    /// Another name for a host anywhere, which is never followed.
    pub is_external: bool,
    /// Whose pods it stands for.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Box<[ServicePort]>,
    /// Where a load balancer has put it.
    pub published: Vec<networking::IngressLoadBalancerIngress>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty if it is the only one.
    pub name: Arc<str>,
    /// Its number.
    pub number: u16,
    /// What is spoken there, if it says so.
    pub app_protocol: Option<Arc<str>>,
}

/// Some endpoints of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What it is called.
    pub name: Name,
    /// The Service that it is about.
    pub service: Arc<str>,
    /// The ports that all of its endpoints have, by the names of the Service's ports.
    pub ports: Box<[(Arc<str>, u16)]>,
    /// The endpoints.
    pub endpoints: Box<[SliceEndpoint]>,
}

/// One endpoint of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Where it is; all of them are the same one.
    pub addresses: Box<[IpAddr]>,
    /// Does it take new work? Not said means yes.
    pub ready: bool,
    /// Does it still do what it has begun? Not said means the same as ready.
    pub serving: bool,
    /// Is it about to end?
    pub terminating: bool,
    /// The pod that it is.
    pub pod: Option<PodReference>,
}

/// A pod, and which one of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a name and a unique name")]
pub struct PodReference {
    pub name: Arc<str>,
    pub uid: Arc<str>,
}

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// What it is called.
    pub name: Name,
    /// Which one of this name.
    pub uid: Arc<str>,
    /// How many pods it wants.
    pub replicas: u32,
    /// The number of the first.
    pub start: u32,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
}

/// A pod that says that it is a StatefulSet's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// What it is called.
    pub name: Name,
    /// Which one of this name.
    pub uid: Arc<str>,
    /// What its label says that it is called.
    pub label: Arc<str>,
    /// The unique name of the StatefulSet that it says it is controlled by.
    pub set: Option<Arc<str>>,
    /// Where it is.
    pub addresses: Box<[IpAddr]>,
    /// Has it been told to drain?
    pub drain: bool,
}

/// A namespace that a selector has let through.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "there is nothing but its name")]
pub struct Namespace {
    pub name: Name,
}

impl Name {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Another object of the same namespace.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: name.into() }
    }

    /// What an object's metadata say that it is called.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

impl Kind {
    /// All of them, in the order of their definition.
    pub const ALL: [Self; 7] =
        [Self::Ingress, Self::Class, Self::Service, Self::Slice, Self::Set, Self::Pod, Self::Namespace];

    /// The name of the kind in Kubernetes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Class => "IngressClass",
            Self::Service => "Service",
            Self::Slice => "EndpointSlice",
            Self::Set => "StatefulSet",
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
        }
    }
}

impl Object {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ingress(_) => Kind::Ingress,
            Self::Class(_) => Kind::Class,
            Self::Service(_) => Kind::Service,
            Self::Slice(_) => Kind::Slice,
            Self::Set(_) => Kind::Set,
            Self::Pod(_) => Kind::Pod,
            Self::Namespace(_) => Kind::Namespace,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Ingress(object) => &object.name,
            Self::Class(object) => &object.name,
            Self::Service(object) => &object.name,
            Self::Slice(object) => &object.name,
            Self::Set(object) => &object.name,
            Self::Pod(object) => &object.name,
            Self::Namespace(object) => &object.name,
        }
    }
}
