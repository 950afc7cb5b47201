//! One cycle: look, label, decide, do one thing. What is clever about it is in `decide` and `labels`.

use std::{collections::BTreeMap, sync::Arc};

use mongodb::bson::Document;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    decide::decide,
    decision::{Action, Decision},
    edit,
    hosts::Ordinal,
    kubernetes::Kubernetes,
    labels::labels,
    mongod::{self, Access, Mongod},
    observed::{Identity, Observed, Peer, StatusReply},
};

/// What a sidecar is told once.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Decide and say so, but change nothing.
    pub dry_run: bool,
    /// The set is that of a sharded cluster's config servers.
    pub config_server: bool,
    /// `settings` of a set that is initiated; later they are the set's own.
    pub initial: Option<Document>,
    /// How mongods are talked to.
    pub access: Access,
}

/// One pod's sidecar.
pub struct Sidecar<K> {
    who: Identity,
    settings: Settings,
    kubernetes: K,
    mongod: Mongod,
}

/// What a cycle saw and did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it saw.
    pub seen: Observed,
    /// What it decided.
    pub decision: Decision,
    /// Whether it did that: not on a dry run, not if it failed.
    pub done: bool,
    /// The labels are as they should be.
    pub labelled: bool,
    /// What failed.
    pub errors: Vec<String>,
}

impl<K: Kubernetes> Sidecar<K> {
    /// The sidecar of this `mongod`.
    pub fn new(who: Identity, settings: Settings, kubernetes: K, mongod: Mongod) -> Self {
        Self { who, settings, kubernetes, mongod }
    }

    /// Who it is.
    pub fn who(&self) -> &Identity {
        &self.who
    }

    /// Whether it only says what it would do.
    pub fn is_dry_run(&self) -> bool {
        self.settings.dry_run
    }

    /// One cycle. It ends within a minute, whatever does not answer. Dropping it half-way is as good as a crash: nothing is
    /// lost that the next cycle would not see again.
    pub async fn cycle(&self) -> Outcome {
        let mut errors = Vec::new();
        let (mut seen, document) = self.look(&mut errors).await;
        let labelled = self.label(&seen, &mut errors).await;
        let mut decision = decide(&self.who, &seen);
        if let Decision::Ask(ordinals) = &decision {
            seen.peers = self.ask(ordinals).await;
            decision = decide(&self.who, &seen);
        }
        let done = match &decision {
            Decision::Do(action) => self.act(action, &seen, document, &mut errors).await,
            Decision::Ask(_) | Decision::Wait(_) => false,
        };
        Outcome { seen, decision, done, labelled, errors }
    }

    /// Takes the label off this pod, whose mongod is gone or about to go.
    pub async fn leave(&self) {
        if self.settings.dry_run {
            return;
        }
        let label =
            crate::labels::Labelling { ordinal: self.who.ordinal, uid: self.who.uid.clone(), role: None, term: None };
        if let Err(error) = self.kubernetes.label(&label).await {
            warn!(%error, "the role label stays");
        }
    }

    async fn look(&self, errors: &mut Vec<String>) -> (Observed, Option<Document>) {
        let (cluster, (hello, status, config)) = tokio::join!(self.kubernetes.look(), self.look_at_mongod());
        let cluster = cluster.map_err(|error| errors.push(format!("Kubernetes: {error}"))).ok();
        let hello = hello.map_err(|error| errors.push(format!("mongod: {error}"))).ok();
        let config = config.and_then(|config| config.map_err(|error| errors.push(format!("mongod: {error}"))).ok());
        let (config, document) = config.unzip();
        (Observed { cluster, hello, status, config, peers: BTreeMap::new() }, document)
    }

    async fn look_at_mongod(&self) -> LookAtMongod {
        let hello = self.mongod.hello().await;
        let Ok(answer) = &hello else { return (hello, StatusReply::Failed("mongod does not answer".to_owned()), None) };
        let primary = answer.primary;
        let status = self.mongod.status().await;
        let config_matters = primary || status == StatusReply::InvalidConfig;
        let config = if config_matters { Some(self.mongod.config().await) } else { None };
        (hello, status, config)
    }

    async fn label(&self, seen: &Observed, errors: &mut Vec<String>) -> bool {
        for label in labels(&self.who, seen) {
            let (pod, role) = (self.who.pod(label.ordinal), label.role.map(crate::labels::Role::as_str));
            info!(pod, role, term = label.term, dry_run = self.settings.dry_run, "labelling");
            if self.settings.dry_run {
                continue;
            }
            // The order matters, so the first that fails is the last: nobody is promoted beside somebody who was not demoted.
            if let Err(error) = self.kubernetes.label(&label).await {
                errors.push(format!("label of {pod}: {error}"));
                return false;
            }
        }
        true
    }

    async fn ask(&self, ordinals: &[Ordinal]) -> BTreeMap<Ordinal, Peer> {
        let access = Arc::new(self.settings.access.clone());
        let mut questions = JoinSet::new();
        for ordinal in ordinals.iter().copied() {
            let (host, access) = (self.who.hosts.host(ordinal), access.clone());
            questions.spawn(async move { (ordinal, mongod::ask(&host, &access).await) });
        }
        questions.join_all().await.into_iter().collect()
    }

    async fn act(
        &self,
        action: &Action,
        seen: &Observed,
        document: Option<Document>,
        errors: &mut Vec<String>,
    ) -> bool {
        info!(action = action.code(), dry_run = self.settings.dry_run, "{action}");
        if self.settings.dry_run {
            return false;
        }
        let done = self.perform(action, seen, document).await;
        done.map_err(|error| errors.push(format!("{action}: {error}"))).is_ok()
    }

    async fn perform(&self, action: &Action, seen: &Observed, document: Option<Document>) -> Result<(), Failure> {
        let marker = seen.cluster.as_ref().and_then(|cluster| cluster.marker.as_ref());
        match action {
            Action::ClaimMarker => {
                let pending = crate::observed::Marker::Pending { uid: self.who.uid.clone() };
                self.kubernetes.write(marker, &pending).await?;
            }
            Action::SettleMarker { replica_set_id } => {
                let settled = crate::observed::Marker::Settled { replica_set_id: replica_set_id.clone() };
                self.kubernetes.write(marker, &settled).await?;
            }
            Action::Initiate => {
                let Settings { config_server, initial, .. } = &self.settings;
                let config = edit::initial(&self.who.replica_set, &self.who.host(), *config_server, initial.as_ref());
                self.mongod.initiate(config).await?;
            }
            Action::Reconfigure(change) => {
                let config = edit::changed(document.unwrap_or_default(), change)?;
                self.mongod.reconfigure(config).await?;
            }
            Action::StepDown => self.mongod.step_down().await?,
        }
        Ok(())
    }
}

type LookAtMongod = (
    Result<crate::observed::Hello, mongod::CommandError>,
    StatusReply,
    Option<Result<(crate::observed::Config, Document), mongod::CommandError>>,
);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Kubernetes(#[from] crate::kubernetes::KubernetesError),
    #[error(transparent)]
    Mongod(#[from] mongod::CommandError),
    #[error(transparent)]
    Edit(#[from] edit::EditError),
}
