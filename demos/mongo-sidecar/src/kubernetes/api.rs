//! The real Kubernetes.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Client, Config,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Kubernetes, KubernetesError, marker, objects};
use crate::{
    labels::{Labelling, Role},
    observed::{Cluster, Marker},
};

/// What the sidecar has to be told to find its objects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absent: that of the service account.
    pub namespace: Option<String>,
    /// The StatefulSet, whose name is that of the pod without its ordinal.
    pub stateful_set: String,
    /// This pod.
    pub pod: String,
    /// Which pods to ask for; absent: those that the StatefulSet selects.
    pub pod_labels: Option<String>,
    /// The key of the role label.
    pub role_label: String,
}

/// What is found at the start and does not change while the pod lives.
#[derive(Clone, Debug)]
pub struct Found {
    /// The namespace.
    pub namespace: String,
    /// The headless Service that the StatefulSet names.
    pub service: String,
    /// The UID of this pod.
    pub pod_uid: String,
}

/// The API server, as one StatefulSet's sidecar uses it: reads and small writes, no watches.
pub struct Api {
    stateful_sets: kube::Api<StatefulSet>,
    pods: kube::Api<Pod>,
    markers: kube::Api<ConfigMap>,
    settings: Settings,
    query: ListParams,
}

impl Api {
    /// Finds the StatefulSet and this pod.
    ///
    /// # Errors
    ///
    /// If they cannot be read; or if the role label is in the StatefulSet's selector, which is the one that trying again
    /// does not help against.
    pub async fn find(settings: Settings) -> Result<(Self, Found), KubernetesError> {
        let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
        config.connect_timeout = Some(LIMIT);
        config.read_timeout = Some(LIMIT);
        config.write_timeout = Some(LIMIT);
        // The next cycle is the next try.
        config.default_retry = false;
        let namespace = settings.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)?;
        let stateful_sets: kube::Api<StatefulSet> = kube::Api::namespaced(client.clone(), &namespace);
        let name = settings.stateful_set.clone();
        let set = stateful_sets.get_opt(&name).await?.ok_or_else(|| KubernetesError::NoStatefulSet(name.clone()))?;
        let spec = set.spec.unwrap_or_default();
        if objects::selects_by(&spec.selector, &settings.role_label) {
            return Err(KubernetesError::LabelIsSelector { key: settings.role_label, name });
        }
        let query = settings.pod_labels.clone().unwrap_or_else(|| objects::as_query(&spec.selector));
        let pods = kube::Api::namespaced(client.clone(), &namespace);
        let markers = kube::Api::namespaced(client, &namespace);
        let api = Self { stateful_sets, pods, markers, settings, query: ListParams::default().labels(&query) };
        let pod_uid = api.own_uid().await?;
        Ok((api, Found { namespace, service: spec.service_name.unwrap_or_default(), pod_uid }))
    }

    async fn own_uid(&self) -> Result<String, KubernetesError> {
        let pods = self.pods.list(&self.query).await?;
        let own = pods.items.into_iter().find(|pod| pod.metadata.name.as_ref() == Some(&self.settings.pod));
        own.and_then(|pod| pod.metadata.uid).ok_or_else(|| KubernetesError::NoPod(self.settings.pod.clone()))
    }

    fn read(&self, object: Option<&ConfigMap>) -> Result<Option<Marker>, KubernetesError> {
        let broken = || KubernetesError::MarkerBroken(marker::name(&self.settings.stateful_set));
        object.map(|object| marker::read(object).ok_or_else(broken)).transpose()
    }
}

impl Kubernetes for Api {
    async fn look(&self) -> Result<Cluster, KubernetesError> {
        let name = &self.settings.stateful_set;
        let marker_name = marker::name(name);
        let (set, pods, marker) = tokio::try_join!(
            self.stateful_sets.get_opt(name),
            self.pods.list(&self.query),
            self.markers.get_opt(&marker_name),
        )?;
        let ours = pods.items.iter().filter_map(|pod| objects::pod(name, pod, &self.settings.role_label));
        Ok(Cluster {
            desired: set.as_ref().and_then(objects::desired),
            pods: ours.collect(),
            marker: self.read(marker.as_ref())?,
        })
    }

    async fn write(&self, seen: Option<&Marker>, marker: &Marker) -> Result<(), KubernetesError> {
        let name = marker::name(&self.settings.stateful_set);
        let mut object = marker::object(&self.settings.stateful_set, marker);
        let written = if seen.is_none() {
            self.markers.create(&PostParams::default(), &object).await
        } else {
            let current = self.markers.get_opt(&name).await?;
            if self.read(current.as_ref())?.as_ref() != seen {
                return Err(KubernetesError::MarkerChanged);
            }
            object.metadata.resource_version = current.and_then(|current| current.metadata.resource_version);
            self.markers.replace(&name, &PostParams::default(), &object).await
        };
        match written {
            Err(error) if has_code(&error, &[404, 409]) => Err(KubernetesError::MarkerChanged),
            other => Ok(other.map(drop)?),
        }
    }

    async fn label(&self, label: &Labelling) -> Result<(), KubernetesError> {
        let pod = format!("{}-{}", self.settings.stateful_set, label.ordinal);
        let patch = json!({ "metadata": {
            // Another pod of this name refuses it.
            "uid": label.uid,
            "labels": { self.settings.role_label.as_str(): label.role.map(Role::as_str) },
            "annotations": { objects::TERM_ANNOTATION: label.term.map(|term| term.to_string()) },
        } });
        match self.pods.patch_metadata(&pod, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Err(error) if has_code(&error, &[404, 409]) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}

fn has_code(error: &kube::Error, codes: &[u16]) -> bool {
    matches!(error, kube::Error::Api(status) if codes.contains(&status.code))
}

/// Per step of a request.
const LIMIT: Duration = Duration::from_secs(5);
