//! The loop: changes in, a snapshot out. One task owns the index and the translator; everything that takes time (reading
//! Secrets, writing status and Events) is somebody else's.
//!
//! ## How long a change waits
//! Changes come in bursts: a roll-out is a dozen within a millisecond. After the first, the next is waited for as long as
//! they come closely one after the other, and never longer than five milliseconds.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::events::Said;
use super::index::Index;
use super::metrics::Metrics;
use super::objects::{Kind, Name};
use super::problem::Verdict;
use super::secrets::Wanted;
use super::status::Places;
use super::translate::{SecretState, Secrets, Translation, Translator};
use super::watch::{Change, Scope};
use crate::clock::Clock;
use crate::routing::KeyRing;
use crate::snapshot::{Certificate, CertificateSet, Certificates, Publisher};

/// After a change, so long is waited for the next,
const QUIET: Duration = Duration::from_millis(1);
/// and so long at most.
const BUSY: Duration = Duration::from_millis(5);
/// At the start, certificates are waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether a status says something else than it should.
const STATUS: Duration = Duration::from_millis(500);

/// What the loop is fed with.
#[derive(Debug)]
pub struct Inputs {
    /// What the watches see.
    pub changes: mpsc::Receiver<Change>,
    /// What the Secrets are.
    pub secrets: mpsc::Receiver<(Name, Option<SecretState>)>,
    /// The key ring, once it is there.
    pub keys: watch::Receiver<Option<Arc<KeyRing>>>,
    /// The lists without which nothing is published.
    pub awaited: HashSet<(Kind, Option<String>)>,
}

/// Whom the loop tells.
#[derive(Debug)]
pub struct Outputs {
    /// Where snapshots go.
    pub publisher: Publisher,
    /// Which Secrets are to be read.
    pub wanted: watch::Sender<Wanted>,
    /// What is to be said.
    pub said: mpsc::Sender<Said>,
    /// Which Ingresses have which status, for whoever writes it.
    pub statuses: watch::Sender<BTreeMap<Name, Places>>,
    /// What a Service that is published has for addresses.
    pub published: watch::Sender<Places>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// What the loop knows.
#[derive(Debug)]
pub struct Reconciler {
    /// The cluster.
    pub index: Index,
    /// What becomes of it.
    pub translator: Translator,
    /// The clock.
    pub clock: Clock,
    /// The listener that shows certificates.
    pub https: SocketAddr,
    /// What is shown to whoever asks for a name without a certificate.
    pub own: Arc<Certificate>,
    /// The Secret that is shown instead.
    pub default_certificate: Option<Name>,
    /// The Service whose address is published.
    pub publish_service: Option<Name>,
    /// The certificates that are known.
    pub secrets: Secrets,
    /// How often Ingresses have changed.
    pub changes: u64,
    /// The last snapshot's generation; 0 before the first.
    pub generation: u64,
}

impl Reconciler {
    /// Reconciles until the watches are gone. Dropping it ends it.
    pub async fn run(mut self, mut inputs: Inputs, outputs: &Outputs) {
        let mut patience: Option<Instant> = None;
        let mut statuses = tokio::time::interval(STATUS);
        loop {
            // Asked each time: something else may have become due, or nothing may have come of what was.
            let due = self.translator.due().map(|due| self.clock.instant(due));
            let wake = [patience, due].into_iter().flatten().min();
            tokio::select! {
                change = inputs.changes.recv() => match change {
                    Some(change) => self.burst(change, &mut inputs).await,
                    None => return,
                },
                Some((name, state)) = inputs.secrets.recv() => self.secret(name, state, &mut inputs),
                changed = inputs.keys.changed() => if changed.is_err() { return },
                () = sleep_until(wake) => {}
                _ = statuses.tick() => {
                    self.tell_statuses(outputs);
                    continue;
                }
            }
            let keys = inputs.keys.borrow_and_update().clone();
            let (true, Some(keys)) = (inputs.awaited.is_empty(), keys) else { continue };
            let waits = patience.is_some_and(|until| Instant::now() < until) && !self.has_read(outputs);
            // Of an Ingress that is new the Secrets are asked for, too.
            if waits && !self.index.has_changed() {
                continue;
            }
            let (now, changed) = (self.clock.millis(), self.index.take_changed());
            let Some(translation) = self.translator.translate(&mut self.index, &self.secrets, &keys, now) else {
                continue;
            };
            self.want(&changed, outputs);
            if self.generation == 0 {
                let until = *patience.get_or_insert_with(|| Instant::now() + PATIENCE);
                if !self.has_read(outputs) && Instant::now() < until {
                    // Nobody is to see the default certificate only because a Secret is still under way.
                    self.translator.discard(&mut self.index);
                    continue;
                }
                patience = None;
            }
            self.publish(translation, keys, outputs);
        }
    }

    /// Have all Secrets been read that have been asked for?
    fn has_read(&self, outputs: &Outputs) -> bool {
        outputs.wanted.borrow().keys().all(|name| self.secrets.contains_key(name))
    }

    /// Takes a change, and those that come closely behind it.
    async fn burst(&mut self, first: Change, inputs: &mut Inputs) {
        self.apply(first, &mut inputs.awaited);
        let end = Instant::now() + BUSY;
        loop {
            while let Ok(change) = inputs.changes.try_recv() {
                self.apply(change, &mut inputs.awaited);
            }
            let quiet = (Instant::now() + QUIET).min(end);
            match timeout_at(quiet, inputs.changes.recv()).await {
                Ok(Some(change)) => self.apply(change, &mut inputs.awaited),
                Ok(None) | Err(_) => return,
            }
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn apply(&mut self, change: Change, awaited: &mut HashSet<(Kind, Option<String>)>) {
        match change {
            Change::Apply(object) => self.index.apply(object),
            Change::Delete(kind, name) => self.index.delete(kind, &name),
            Change::Reset(Scope { kind, namespace, .. }, objects, unreadable) => {
                self.index.reset(kind, namespace.as_deref(), objects, &unreadable);
                if awaited.remove(&(kind, namespace)) && awaited.is_empty() {
                    tracing::info!("all lists are in");
                }
            }
        }
    }

    fn secret(&mut self, name: Name, state: Option<SecretState>, inputs: &mut Inputs) {
        // Once for all that have come: it is as long as all Ingresses together.
        let all_users = self.translator.secrets();
        let mut next = Some((name, state));
        while let Some((name, state)) = next {
            next = inputs.secrets.try_recv().ok();
            let (users, is_default) = (all_users.get(&name), self.default_certificate.as_ref() == Some(&name));
            let Some(state) = state else {
                // Unless it has been asked for again meanwhile: then it is about to be read anew.
                if users.is_none() && !is_default {
                    self.secrets.remove(&name);
                }
                continue;
            };
            let state = state.after(self.secrets.get(&name));
            for ingress in users.into_iter().flatten() {
                self.index.mark(ingress);
            }
            if is_default {
                // No Ingress names it, so nobody else would say so.
                match &state {
                    SecretState::Good(_) => {}
                    SecretState::Missing => tracing::warn!(secret = %name, "the default certificate is not there"),
                    SecretState::Broken(why) | SecretState::Kept(_, why) => {
                        tracing::warn!(secret = %name, why, "the default certificate cannot be used");
                    }
                }
                self.index.mark_all();
            }
            self.secrets.insert(name, state);
        }
    }

    /// Asks for the Secrets that are named, and once more for those that an Ingress names which has changed: whoever changes
    /// it may have changed them, too.
    fn want(&mut self, changed: &BTreeSet<Name>, outputs: &Outputs) {
        self.changes += u64::from(!changed.is_empty());
        let users = self.translator.secrets();
        let names = users.keys().chain(&self.default_certificate);
        outputs.wanted.send_if_modified(|was| {
            let asked = |name: &Name| match users.get(name) {
                Some(users) if !users.is_disjoint(changed) => self.changes,
                _ => was.get(name).copied().unwrap_or_default(),
            };
            let wanted: Wanted = names.map(|name| (name.clone(), asked(name))).collect();
            let is_other = *was != wanted;
            *was = wanted;
            is_other
        });
    }

    fn publish(&mut self, translation: Translation, keys: Arc<KeyRing>, outputs: &Outputs) {
        let named = self.default_certificate.as_ref().and_then(|name| self.secrets.get(name));
        let default = named.and_then(SecretState::certificate).unwrap_or(&self.own);
        let mut certificates = Certificates::default();
        certificates.set(self.https, CertificateSet::by_host(Arc::clone(default), translation.certificates));
        let (certificates, connectors) = (Arc::new(certificates), Arc::new(translation.connectors));
        let is_first = self.generation == 0;
        self.generation = outputs.publisher.publish(translation.table, keys, certificates, connectors);
        outputs.metrics.published(self.generation);
        outputs.metrics.ingresses.store(self.translator.owned().count() as u64, Ordering::Relaxed);
        outputs.metrics.rejected.store(self.translator.broken() as u64, Ordering::Relaxed);
        if is_first {
            tracing::info!(ingresses = self.translator.owned().count(), "the cluster is known; serving");
        }
        for verdict in translation.verdicts {
            self.say(verdict, is_first, outputs);
        }
        self.tell_statuses(outputs);
    }

    fn say(&self, Verdict { ingress, problems }: Verdict, is_first: bool, outputs: &Outputs) {
        for problem in &problems {
            tracing::warn!(%ingress, reason = problem.reason.as_str(), "{}", problem.text);
        }
        // That what was there before is well is no news, and would only wait among what is.
        if is_first && problems.is_empty() {
            return;
        }
        let Some(object) = self.index.ingress(&ingress) else { return };
        let said = Said { uid: Arc::clone(&object.uid), ingress, problems };
        // A queue that is full says that there is more to say than anybody reads.
        if outputs.said.try_send(said).is_err() {
            tracing::debug!("too many Events at once: some are in this log only");
        }
    }

    /// What the status of our Ingresses says now.
    fn tell_statuses(&self, outputs: &Outputs) {
        let all: BTreeMap<Name, Places> = self
            .translator
            .owned()
            .filter_map(|name| Some((name.clone(), self.index.ingress(name)?.published.clone())))
            .collect();
        outputs.statuses.send_if_modified(|was| {
            let changed = *was != all;
            *was = all;
            changed
        });
        let service = self.publish_service.as_ref().and_then(|name| self.index.service(name));
        let places = service.map(|service| service.published.clone()).unwrap_or_default();
        outputs.published.send_if_modified(|was| {
            let changed = *was != places;
            *was = places;
            changed
        });
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
