use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use moorline_mongo_sidecar::{
    kubernetes::{Kubernetes, KubernetesError},
    labels::{Labelling, Role},
    observed::{Cluster, Desired, Marker, Pod},
};
use tokio::sync::oneshot;

/// What the API server would hold. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
}

/// A write of the marker that is on its way: the marker as it was seen, and the one to be.
pub(crate) type Write = (Option<Marker>, Marker);

#[derive(Debug)]
struct State {
    desired: Desired,
    pods: BTreeMap<u32, Pod>,
    marker: Option<Marker>,
    pods_created: u32,
    /// Who was labelled primary, one after the other, and how many at most at the same time.
    primaries: Vec<u32>,
    most_primaries: usize,
    /// The markers that were written.
    written: Vec<Marker>,
    /// Who gets the next write in the place of the API server.
    held: Option<oneshot::Sender<Write>>,
}

impl Memory {
    pub(crate) fn new(desired: Desired) -> Self {
        let state = State {
            desired,
            pods: BTreeMap::new(),
            marker: None,
            pods_created: 0,
            primaries: Vec::new(),
            most_primaries: 0,
            written: Vec::new(),
            held: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test has failed in here")
    }

    pub(crate) fn desire(&self, replicas: u32) {
        self.state().desired.replicas = replicas;
    }

    pub(crate) fn add_pod(&self, ordinal: u32) -> String {
        let mut state = self.state();
        state.pods_created += 1;
        let uid = format!("uid-{}", state.pods_created);
        let pod = Pod { ordinal, uid: uid.clone(), running: true, terminating: false, label: None, term: None };
        state.pods.insert(ordinal, pod);
        uid
    }

    pub(crate) fn terminate(&self, ordinal: u32) {
        self.state().pods.get_mut(&ordinal).expect("a pod").terminating = true;
    }

    pub(crate) fn remove_pod(&self, ordinal: u32) {
        self.state().pods.remove(&ordinal);
    }

    pub(crate) fn marker(&self) -> Option<Marker> {
        self.state().marker.clone()
    }

    pub(crate) fn lose_marker(&self) {
        self.state().marker = None;
    }

    /// The next write of the marker comes out here, and nothing is written. Whoever sent it never gets an answer.
    pub(crate) fn hold_write(&self) -> oneshot::Receiver<Write> {
        let (sender, write) = oneshot::channel();
        self.state().held = Some(sender);
        write
    }

    /// A write arrives.
    pub(crate) fn arrives(&self, seen: Option<&Marker>, marker: &Marker) -> Result<(), KubernetesError> {
        let mut state = self.state();
        if state.marker.as_ref() != seen {
            return Err(KubernetesError::MarkerChanged);
        }
        state.marker = Some(marker.clone());
        state.written.push(marker.clone());
        Ok(())
    }

    /// The label of each pod, by the pod's name.
    pub(crate) fn labels(&self) -> BTreeMap<String, Option<String>> {
        self.state().pods.values().map(|pod| (format!("mongo-{}", pod.ordinal), pod.label.clone())).collect()
    }

    pub(crate) fn labelled_primary(&self) -> Option<u32> {
        let primary = |pod: &&Pod| pod.label.as_deref() == Some("primary");
        self.state().pods.values().find(primary).map(|pod| pod.ordinal)
    }

    /// Who was labelled primary, in order.
    pub(crate) fn primaries(&self) -> Vec<u32> {
        self.state().primaries.clone()
    }

    pub(crate) fn most_primaries(&self) -> usize {
        self.state().most_primaries
    }

    /// The ids of sets that the marker ever named.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        let state = self.state();
        let id = |marker: &Marker| match marker {
            Marker::Settled { replica_set_id } => Some(replica_set_id.clone()),
            Marker::Pending { .. } => None,
        };
        state.written.iter().filter_map(id).collect()
    }
}

impl Kubernetes for Memory {
    async fn look(&self) -> Result<Cluster, KubernetesError> {
        let state = self.state();
        let pods = state.pods.values().cloned().collect();
        Ok(Cluster { desired: Some(state.desired), pods, marker: state.marker.clone() })
    }

    async fn write(&self, seen: Option<&Marker>, marker: &Marker) -> Result<(), KubernetesError> {
        let held = self.state().held.take();
        if let Some(held) = held {
            let _ = held.send((seen.cloned(), marker.clone()));
            std::future::pending::<()>().await;
        }
        self.arrives(seen, marker)
    }

    async fn label(&self, label: &Labelling) -> Result<(), KubernetesError> {
        let mut state = self.state();
        let Some(pod) = state.pods.get_mut(&label.ordinal).filter(|pod| pod.uid == label.uid) else { return Ok(()) };
        pod.label = label.role.map(|role| role.as_str().to_owned());
        pod.term = label.term;
        if label.role == Some(Role::Primary) && state.primaries.last() != Some(&label.ordinal) {
            state.primaries.push(label.ordinal);
        }
        let now = state.pods.values().filter(|pod| pod.label.as_deref() == Some("primary")).count();
        state.most_primaries = state.most_primaries.max(now);
        Ok(())
    }
}
