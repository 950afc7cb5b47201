//! The objects of a cluster, cut down on arrival to what routing needs of them.
//!
//! Nothing here judges: what an object says is kept as it is said, and made sense of in
//! [`translate`](super::translate). What is not kept cannot wake anybody either: an update that changes only what is left
//! out here changes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label that a StatefulSet gives each of its pods: its name.
pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The annotation by which a pod is told to drain.
pub const DRAIN: &str = "moorline.dev/drain";
/// The annotation that makes an IngressClass the default one.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// The annotation that came before `spec.ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";
/// What `kubectl apply` leaves behind is as large as the object, and says nothing new.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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

impl From<networking::Ingress> for Object {
    fn from(object: networking::Ingress) -> Self {
        let mut annotations = object.metadata.annotations.clone().unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        let balancer = object.status.and_then(|status| status.load_balancer);
        Self::Ingress(Arc::new(Ingress {
            name: Name::of(&object.metadata),
            uid: uid(&object.metadata),
            created: object
                .metadata
                .creation_timestamp
                .and_then(|time| u64::try_from(time.0.as_second()).ok())
                .unwrap_or_default(),
            version: object.metadata.resource_version.unwrap_or_default().into(),
            legacy_class: annotations.get(CLASS).map(|class| class.as_str().into()),
            annotations,
            spec: object.spec.unwrap_or_default(),
            published: balancer.and_then(|balancer| balancer.ingress).unwrap_or_default(),
        }))
    }
}

impl From<networking::IngressClass> for Object {
    fn from(object: networking::IngressClass) -> Self {
        let annotations = object.metadata.annotations.as_ref();
        Self::Class(Class {
            is_default: annotations.and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|value| value == "true"),
            name: Name::of(&object.metadata),
            controller: object.spec.and_then(|spec| spec.controller).unwrap_or_default().into(),
        })
    }
}

impl From<core::Service> for Object {
    fn from(object: core::Service) -> Self {
        let name = Name::of(&object.metadata);
        let spec = object.spec.unwrap_or_default();
        let published = object.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        let port = |port: core::ServicePort| {
            let is_tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
            Some(ServicePort {
                number: u16::try_from(port.port).ok().filter(|_| is_tcp)?,
                name: port.name.unwrap_or_default().into(),
                app_protocol: port.app_protocol.map(Into::into),
            })
        };
        Self::Service(Service {
            name,
            is_external: spec.type_.as_deref() == Some("ExternalName"),
            selector: spec.selector.unwrap_or_default(),
            ports: spec.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
            published: published.unwrap_or_default().into_iter().map(published_at).collect(),
        })
    }
}

impl From<discovery::EndpointSlice> for Object {
    fn from(object: discovery::EndpointSlice) -> Self {
        let labels = object.metadata.labels.as_ref();
        let port = |port: discovery::EndpointPort| {
            let is_tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
            let number = port.port.and_then(|number| u16::try_from(number).ok()).filter(|_| is_tcp)?;
            Some((port.name.unwrap_or_default().into(), number))
        };
        Self::Slice(Slice {
            service: labels
                .and_then(|labels| labels.get("kubernetes.io/service-name"))
                .map_or("", String::as_str)
                .into(),
            name: Name::of(&object.metadata),
            ports: object.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
            endpoints: object.endpoints.into_iter().flatten().map(SliceEndpoint::from).collect(),
        })
    }
}

impl From<discovery::Endpoint> for SliceEndpoint {
    fn from(endpoint: discovery::Endpoint) -> Self {
        let conditions = endpoint.conditions.unwrap_or_default();
        let ready = conditions.ready.unwrap_or(true);
        let pod = endpoint
            .target_ref
            .filter(|target| target.kind.as_deref() == Some("Pod"))
            .and_then(|target| Some(PodReference { name: target.name?.into(), uid: target.uid?.into() }));
        Self {
            // The API server lets no loopback, link-local or multicast address in here.
            addresses: endpoint.addresses.iter().filter_map(|text| text.parse().ok()).collect(),
            ready,
            serving: conditions.serving.unwrap_or(ready),
            terminating: conditions.terminating.unwrap_or(false),
            pod,
        }
    }
}

impl From<apps::StatefulSet> for Object {
    fn from(object: apps::StatefulSet) -> Self {
        let spec = object.spec.unwrap_or_default();
        let start = spec.ordinals.and_then(|ordinals| ordinals.start).unwrap_or(0);
        Self::Set(Set {
            name: Name::of(&object.metadata),
            uid: uid(&object.metadata),
            replicas: spec.replicas.map_or(1, |replicas| u32::try_from(replicas).unwrap_or(0)),
            start: u32::try_from(start).unwrap_or(0),
            labels: spec.template.metadata.and_then(|meta| meta.labels).unwrap_or_default(),
        })
    }
}

impl From<core::Pod> for Object {
    fn from(object: core::Pod) -> Self {
        let meta = &object.metadata;
        let label = meta.labels.as_ref().and_then(|labels| labels.get(POD_NAME)).map_or("", String::as_str);
        let owners = meta.owner_references.iter().flatten();
        let set = owners.filter(|owner| owner.controller == Some(true) && owner.kind == "StatefulSet");
        let drain = meta.annotations.as_ref().and_then(|all| all.get(DRAIN)).is_some_and(|value| value == "true");
        let status = object.status.unwrap_or_default();
        let addresses = status.pod_ips.into_iter().flatten().map(|ip| ip.ip).chain(status.pod_ip);
        let mut addresses: Vec<IpAddr> = addresses.filter_map(|text| text.parse().ok()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Self::Pod(Pod {
            name: Name::of(meta),
            uid: uid(meta),
            label: label.into(),
            set: set.map(|owner| owner.uid.as_str().into()).next(),
            addresses: addresses.into(),
            drain,
        })
    }
}

impl From<core::Namespace> for Object {
    fn from(object: core::Namespace) -> Self {
        Self::Namespace(Namespace { name: Name::of(&object.metadata) })
    }
}

fn uid(meta: &ObjectMeta) -> Arc<str> {
    meta.uid.as_deref().unwrap_or_default().into()
}

fn published_at(ingress: core::LoadBalancerIngress) -> networking::IngressLoadBalancerIngress {
    networking::IngressLoadBalancerIngress { hostname: ingress.hostname, ip: ingress.ip, ports: None }
}
