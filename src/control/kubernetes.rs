//! A cluster as the source of snapshots: the ingress controller.
//!
//! [`watch`] → [`index`] → [`translate`] → a snapshot, and what is to be said about objects ([`events`], [`status`]).
//! Whatever fails here, the last good state serves on: the API server may be away for hours.

pub mod advice;
pub mod annotations;
mod connect;
pub mod events;
pub mod feed;
pub mod index;
pub mod lease;
pub mod lenient;
pub mod manifests;
mod metrics;
pub mod objects;
pub mod preflight;
pub mod problem;
pub mod reconcile;
pub mod review;
pub mod secrets;
pub mod session_keys;
pub mod status;
pub mod token;
pub mod translate;
mod turns;
pub mod watch;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::{Api, Client, Resource};
use prometheus_client::collector::Collector;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;

use self::lease::Candidate;
use self::lenient::Lenient;
use self::metrics::{Metrics, Shown};
use self::objects::{Kind, Name, Object, POD_NAME};
use self::reconcile::{Inputs, Outputs, Reconciler};
use self::status::Places;
use self::translate::{Settings, Translator};
use self::watch::{Change, Scope};
use crate::clock::Clock;
use crate::control::tls::{self, CertificateError};
use crate::snapshot::Publisher;

/// As many changes wait for the loop; watches wait when there are more.
const CHANGES: usize = 1024;
/// As many verdicts wait for whoever says them.
const SAID: usize = 4096;
/// How often the leader looks whether a status has to be written although nothing has changed.
const LOOK: Duration = Duration::from_secs(10);

/// What the controller is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the cluster is reached; none: as a pod, else as kubectl does.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that we are in; none: that of the connection.
    pub namespace: Option<String>,
    /// What this replica is called.
    pub identity: String,
    /// The namespaces that are watched; none: all.
    pub namespaces: Vec<String>,
    /// The labels of the namespaces whose Ingresses are served; empty: all.
    pub namespace_selector: String,
    /// What holds for all Ingresses.
    pub settings: Settings,
    /// The listener that shows certificates.
    pub https: SocketAddr,
    /// The Secret that is shown to whoever asks for a name without a certificate.
    pub default_certificate: Option<Name>,
    /// The Service whose address is published.
    pub publish_service: Option<Name>,
    /// The addresses that are published instead.
    pub publish_addresses: Vec<String>,
    /// Is the status written?
    pub update_status: bool,
    /// The Lease.
    pub lease: String,
    /// The Secret of the session keys.
    pub keys: String,
    /// After so long without a byte a connection to the API server is dead: [`watch::SILENCE`], unless somebody cannot
    /// wait that long.
    pub silence: Duration,
}

/// Why there is no controller.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// How the cluster is reached cannot be found out.
    #[error("the cluster cannot be reached: {0}")]
    Config(String),
    /// Endpoints are watched by the namespace, so those of this Service would never be known.
    #[error("the default backend {0} is in a namespace that is not watched: add that to --watch-namespace")]
    Unwatched(Name),
    /// No connection can be made ready.
    #[error("the cluster cannot be reached: {0}")]
    Client(#[from] Box<kube::Error>),
    /// There is no certificate to show.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A controller that is connected, and does nothing yet.
pub struct Controller {
    options: Options,
    client: Client,
    namespace: String,
    metrics: Arc<Metrics>,
}

impl Controller {
    /// Finds out how the cluster is reached. It need not be there.
    ///
    /// # Errors
    /// If nothing says where it is.
    pub async fn connect(options: Options) -> Result<Self, ControllerError> {
        if let Some(backend) = &options.settings.default_backend
            && !options.namespaces.is_empty()
            && !options.namespaces.iter().any(|watched| **watched == *backend.namespace)
        {
            return Err(ControllerError::Unwatched(backend.clone()));
        }
        let config = connect::config(options.kubeconfig.as_deref(), options.silence).await?;
        let namespace = options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = token::client(config).map_err(Box::new)?;
        Ok(Self { options, client, namespace, metrics: Arc::default() })
    }

    /// What is shown of it.
    #[must_use]
    pub fn metrics(&self) -> Box<dyn Collector> {
        Box::new(Shown(Arc::clone(&self.metrics)))
    }

    /// Publishes what the cluster says, for ever; lets the Lease go once `end` is there.
    ///
    /// # Errors
    /// If it cannot begin.
    pub async fn run(
        self,
        publisher: Publisher,
        clock: Clock,
        end: impl Future<Output = ()>,
    ) -> Result<(), ControllerError> {
        let own = Arc::new(tls::self_made()?);
        let mut tasks = JoinSet::new();
        let (changes, changes_rx) = mpsc::channel(CHANGES);
        let awaited = self.watch_all(&changes, &mut tasks);
        drop(changes);
        let (wanted, wanted_rx) = channel::channel(secrets::Wanted::new());
        let (states, states_rx) = mpsc::channel(CHANGES);
        tasks.spawn(secrets::follow(self.client.clone(), wanted_rx, states));
        let (rings, rings_rx) = channel::channel(None);
        let keys = Name::new(&self.namespace, &self.options.keys);
        tasks.spawn(session_keys::follow(self.client.clone(), keys, self.options.silence, rings));
        let (leader, leader_rx) = channel::channel(false);
        let (said, said_rx) = mpsc::channel(SAID);
        let identity = self.options.identity.clone();
        tasks.spawn(events::follow(self.client.clone(), identity, said_rx, leader_rx.clone()));
        let (statuses, statuses_rx) = channel::channel(BTreeMap::new());
        let (published, published_rx) = channel::channel(Places::new());
        let outputs = Outputs { publisher, wanted, said, statuses, published, metrics: Arc::clone(&self.metrics) };
        let reconciler = Reconciler {
            index: index::Index::default(),
            translator: Translator::new(self.options.settings.clone()),
            clock,
            https: self.options.https,
            own,
            default_certificate: self.options.default_certificate.clone(),
            publish_service: self.options.publish_service.clone(),
            secrets: BTreeMap::new(),
            changes: 0,
            generation: 0,
        };
        let inputs = Inputs { changes: changes_rx, secrets: states_rx, keys: rings_rx, awaited };
        let lease = Name::new(&self.namespace, &self.options.lease);
        let mut candidate = Candidate::new(self.client.clone(), lease, self.options.identity.clone());
        let publishing = self.write_statuses(statuses_rx, published_rx, leader_rx);
        tokio::select! {
            () = reconciler.run(inputs, &outputs) => {}
            () = candidate.run(&leader) => {}
            () = publishing => {}
            () = end => {}
        }
        candidate.release().await;
        Ok(())
    }

    /// Begins every watch. Returns the lists without which nothing is published.
    fn watch_all(&self, changes: &mpsc::Sender<Change>, tasks: &mut JoinSet<()>) -> HashSet<(Kind, Option<String>)> {
        let mut awaited = HashSet::new();
        let namespaces: Vec<Option<String>> = match &*self.options.namespaces {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        for namespace in namespaces {
            let mut go = Begin { controller: self, changes, tasks, awaited: &mut awaited, namespace };
            go.namespaced::<Ingress>(Kind::Ingress, "");
            go.namespaced::<Service>(Kind::Service, "");
            go.namespaced::<EndpointSlice>(Kind::Slice, "");
            go.namespaced::<StatefulSet>(Kind::Set, "");
            go.namespaced::<Pod>(Kind::Pod, POD_NAME);
        }
        let mut go = Begin { controller: self, changes, tasks, awaited: &mut awaited, namespace: None };
        // A class is the cluster's: whoever may only look into namespaces takes the class by its name.
        if !self.options.settings.ownership.by_name || self.options.namespaces.is_empty() {
            go.follow(Api::<Lenient<IngressClass>>::all(self.client.clone()), Kind::Class, "");
        }
        if !self.options.namespace_selector.is_empty() {
            go.follow(
                Api::<Lenient<Namespace>>::all(self.client.clone()),
                Kind::Namespace,
                &self.options.namespace_selector,
            );
        }
        self.watch_published(changes, tasks);
        awaited
    }

    /// Watches the Service that is published by its name, where its namespace is not watched. Nothing waits for it: whoever
    /// may not do so serves nevertheless.
    fn watch_published(&self, changes: &mpsc::Sender<Change>, tasks: &mut JoinSet<()>) {
        let namespaces = &self.options.namespaces;
        let Some(service) = &self.options.publish_service else { return };
        if namespaces.is_empty() || namespaces.iter().any(|watched| **watched == *service.namespace) {
            return;
        }
        let scope = Scope {
            kind: Kind::Service,
            namespace: Some(service.namespace.to_string()),
            labels: String::new(),
            fields: format!("metadata.name={}", service.name),
            silence: self.options.silence,
        };
        let api = Api::<Lenient<Service>>::namespaced(self.client.clone(), &service.namespace);
        tasks.spawn(watch::follow(api, scope, changes.clone(), Arc::clone(&self.metrics)));
    }

    /// Keeps the status of every Ingress of ours what it should be, while we lead. Never returns.
    async fn write_statuses(
        &self,
        mut statuses: channel::Receiver<BTreeMap<Name, Places>>,
        mut published: channel::Receiver<Places>,
        mut leader: channel::Receiver<bool>,
    ) {
        loop {
            let leads = *leader.borrow_and_update();
            self.metrics.leader.store(leads, Ordering::Relaxed);
            let there = statuses.borrow_and_update().clone();
            let service = published.borrow_and_update().clone();
            if leads && self.options.update_status && !there.is_empty() {
                let places = self.places(service).await;
                let stale: Vec<Name> =
                    there.into_iter().filter(|(_, is)| *is != places).map(|(name, _)| name).collect();
                if !places.is_empty() && !stale.is_empty() {
                    for (name, error) in status::write(&self.client, stale, &places).await {
                        tracing::warn!(ingress = %name, %error, "the status could not be written");
                    }
                }
            }
            tokio::select! {
                _ = statuses.changed() => {}
                _ = published.changed() => {}
                _ = leader.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Where we are reached, as far as anybody knows.
    async fn places(&self, service: Places) -> Places {
        if !self.options.publish_addresses.is_empty() {
            return self.options.publish_addresses.iter().map(|text| status::place(text)).collect();
        }
        if !service.is_empty() {
            return service;
        }
        status::nodes(&self.client, &self.namespace).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the nodes that run us cannot be found");
            Places::new()
        })
    }
}

/// What every watch begins with.
struct Begin<'b> {
    controller: &'b Controller,
    changes: &'b mpsc::Sender<Change>,
    tasks: &'b mut JoinSet<()>,
    awaited: &'b mut HashSet<(Kind, Option<String>)>,
    namespace: Option<String>,
}

impl Begin<'_> {
    fn namespaced<K>(&mut self, kind: Kind, labels: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync,
        K: Into<Object> + 'static,
    {
        let client = self.controller.client.clone();
        let api = match &self.namespace {
            Some(namespace) => Api::<Lenient<K>>::namespaced(client, namespace),
            None => Api::<Lenient<K>>::all(client),
        };
        self.follow(api, kind, labels);
    }

    fn follow<K>(&mut self, api: Api<Lenient<K>>, kind: Kind, labels: &str)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + Into<Object> + 'static,
    {
        self.awaited.insert((kind, self.namespace.clone()));
        let (silence, fields) = (self.controller.options.silence, String::new());
        let scope = Scope { kind, namespace: self.namespace.clone(), labels: labels.to_owned(), fields, silence };
        self.tasks.spawn(watch::follow(api, scope, self.changes.clone(), Arc::clone(&self.controller.metrics)));
    }
}
