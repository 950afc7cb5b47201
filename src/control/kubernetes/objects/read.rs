//! Objects as the API server sends them → what is kept of them.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    Class, DRAIN, Ingress, Name, Namespace, Object, POD_NAME, Pod, PodReference, Service, ServicePort, Set, Slice,
    SliceEndpoint,
};

/// The annotation that makes an IngressClass the default one.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// The annotation that came before `spec.ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";
/// What `kubectl apply` leaves behind is as large as the object, and says nothing new.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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
