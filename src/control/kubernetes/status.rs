//! The status of Ingresses: where they are served. Written by the leader alone, and only where it says something else.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{Ingress, IngressLoadBalancerIngress};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};

use super::objects::Name;

/// As many are written at once.
const AT_ONCE: usize = 8;

/// Where Ingresses are served.
pub type Places = Vec<IngressLoadBalancerIngress>;

/// What an address or a name says in a status.
#[must_use]
pub fn place(text: &str) -> IngressLoadBalancerIngress {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    let value = Some(text.to_owned());
    let (ip, hostname) = if is_address { (value, None) } else { (None, value) };
    IngressLoadBalancerIngress { ip, hostname, ports: None }
}

/// The addresses of the nodes that run us: the last resort, where a load balancer stays pending for ever.
///
/// # Errors
/// If the pods of our namespace cannot be listed.
pub async fn nodes(client: &Client, namespace: &str) -> Result<Places, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels("app.kubernetes.io/name=moorline");
    let mut addresses = BTreeSet::new();
    for status in pods.list(&ours).await?.items.into_iter().filter_map(|pod| pod.status) {
        if status.phase.as_deref() == Some("Running") {
            addresses.extend(status.host_ip);
        }
    }
    Ok(addresses.iter().map(|address| place(address)).collect())
}

/// Writes where these Ingresses are served. Says which of them could not be written.
pub async fn write(client: &Client, ingresses: Vec<Name>, places: &Places) -> Vec<(Name, kube::Error)> {
    let patch = Patch::Merge(serde_json::json!({ "status": { "loadBalancer": { "ingress": places } } }));
    let written = stream::iter(ingresses).map(|name| {
        let api: Api<Ingress> = Api::namespaced(client.clone(), &name.namespace);
        let patch = &patch;
        async move {
            match api.patch_status(&name.name, &PatchParams::default(), patch).await {
                Ok(_) => None,
                // It went while we were writing.
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                Err(error) => Some((name, error)),
            }
        }
    });
    written.buffer_unordered(AT_ONCE).filter_map(|failed| async { failed }).collect().await
}
