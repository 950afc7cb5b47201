//! Objects → routing table, certificates, and what is wrong with each object. Pure: time is an argument, and whatever was
//! read beside the watches is handed in.
//!
//! ## Why there are caches
//! A cluster with ten thousand routes changes a few times a second. Endpoints are made anew for the Services that have
//! changed, rules for the Ingresses that have changed or lead there; everything else is put into the next table as it
//! is. The caches are nothing but that: throwing them away gives the same table (a property test holds it to that).

pub mod backend;
mod bounds;
mod canary;
mod class;
mod ingress;
mod neighbours;
mod served;
mod tls;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use self::backend::{BackendKey, Times};
use self::bounds::PROBLEMS;
pub use self::class::Ownership;
use self::neighbours::Neighbours;
pub use self::served::Served;
pub use self::tls::{SecretState, Secrets};
use self::work::Translated;
use super::index::{Dirty, Index};
use super::objects::Name;
use super::problem::{Problem, Reason, Verdict};
use crate::routing::{
    Backend, Endpoint, HostPattern, KeyRing, Millis, Origin, PathMatch, Protocol, Rule, Table, Weighted,
};
use crate::snapshot::{Certificate, Connector, Connectors, Trust};

/// What holds for all Ingresses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which Ingresses are ours.
    pub ownership: Ownership,
    /// The prefix of ingress-nginx's annotations.
    pub annotations_prefix: String,
    /// Does everything behave as under ingress-nginx, whose class has been taken over?
    pub like_nginx: bool,
    /// Who gets what no Ingress wants, and at which port.
    pub default_backend: Option<Name>,
    /// Until when cookies of ingress-nginx are honoured, in unix seconds.
    pub legacy_until: Option<u64>,
}

/// Makes tables, and remembers of the last one what the next one will need again.
#[derive(Debug)]
pub struct Translator {
    settings: Arc<Settings>,
    ingresses: BTreeMap<Name, Translated>,
    backends: HashMap<BackendKey, Arc<Backend>>,
    /// The port that gets what no Ingress wants.
    default: Option<BackendKey>,
    /// The Ingresses that lead to a Service, or name it in vain.
    users: BTreeMap<Name, BTreeSet<Name>>,
    times: Times,
    said: HashMap<Name, Vec<Problem>>,
    connectors: BTreeMap<&'static str, Arc<Connector>>,
    keys: Option<u64>,
}

/// What has become of the objects.
#[derive(Debug)]
pub struct Translation {
    /// Who gets which request.
    pub table: Table,
    /// How endpoints are spoken to over TLS.
    pub connectors: Connectors,
    /// Which certificate each host has.
    pub certificates: Vec<(HostPattern, Arc<Certificate>)>,
    /// What is new to say about Ingresses.
    pub verdicts: Vec<Verdict>,
}

impl Translator {
    /// A translator that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            ingresses: BTreeMap::new(),
            backends: HashMap::new(),
            default: None,
            users: BTreeMap::new(),
            times: Times::default(),
            said: HashMap::new(),
            connectors: BTreeMap::new(),
            keys: None,
        }
    }

    /// The Ingresses that are ours.
    pub fn owned(&self) -> impl Iterator<Item = &Name> {
        self.ingresses.keys()
    }

    /// The Services that an Ingress of ours names, there or not, with those of its canaries.
    pub fn services(&self, ingress: &Name) -> impl Iterator<Item = &Name> {
        self.ingresses.get(ingress).into_iter().flat_map(|translated| &translated.services)
    }

    /// When to translate again, even if nothing changes.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        self.times.due()
    }

    /// What was made last is not used: it is made again, and said again.
    pub fn discard(&mut self, index: &mut Index) {
        self.said.clear();
        index.mark_all();
    }

    /// How many of them are not served as they say.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.said.values().filter(|problems| !problems.is_empty()).count()
    }

    /// The Secrets that they name, with the Ingresses that name them.
    #[must_use]
    pub fn secrets(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        let mut secrets: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (name, translated) in &self.ingresses {
            for secret in &translated.tls.secrets {
                secrets.entry(secret.clone()).or_default().insert(name.clone());
            }
        }
        secrets
    }

    /// Brings everything up to date; `None` if nothing of it is another than before.
    pub fn translate(
        &mut self,
        index: &mut Index,
        secrets: &Secrets,
        keys: &KeyRing,
        now: Millis,
    ) -> Option<Translation> {
        for namespace in self.times.overdue(now) {
            index.mark_pods(&namespace);
        }
        let mut dirty = index.take_dirty();
        let rekeyed = self.keys.replace(keys.fingerprint()) != Some(keys.fingerprint());
        if dirty.is_empty() && !rekeyed {
            return None;
        }
        let rebuilt = self.rebuild(index, keys, &mut dirty, rekeyed, now);
        if dirty.all || rekeyed {
            dirty.ingresses.extend(index.ingresses.keys().chain(self.ingresses.keys()).cloned());
        }
        // The first time there are keys there is something new in any case: a cluster without Ingresses is served as well.
        let default = self.default_backend(index);
        let is_other_default = std::mem::replace(&mut self.default, default.clone()) != default;
        if dirty.ingresses.is_empty() && !rebuilt && !rekeyed && !dirty.all && !is_other_default {
            return None;
        }
        let neighbours = Neighbours::new(index, Arc::clone(&self.settings));
        for name in dirty.ingresses {
            self.retranslate(&neighbours, secrets, keys, &name, now);
        }
        self.prune();
        Some(self.assemble(index, secrets, keys, now))
    }

    /// Makes the endpoints of changed Services anew, and marks the Ingresses that lead to those which are others now.
    fn rebuild(&mut self, index: &Index, keys: &KeyRing, dirty: &mut Dirty, rekeyed: bool, now: Millis) -> bool {
        let is_touched = |key: &BackendKey| {
            rekeyed || dirty.services.contains(&key.service) || dirty.pods.contains(&key.service.namespace)
        };
        let touched: Vec<_> = self.backends.keys().filter(|key| is_touched(key)).cloned().collect();
        // All that is said in these namespaces is looked at: what is not said any more is forgotten.
        dirty.pods.iter().for_each(|namespace| self.times.look_again(namespace));
        let mut changed = false;
        for key in touched {
            let endpoints = self.endpoints(index, &key, now);
            let is_same =
                |known: &Arc<Backend>| *known.endpoints() == *endpoints && known.protocol() == protocol(index, &key);
            if !rekeyed && self.backends.get(&key).is_some_and(is_same) {
                continue;
            }
            changed = true;
            let backend = self.build(index, &key, endpoints, keys);
            self.times.forget_others(self.backends.get(&key), &backend);
            dirty.ingresses.extend(self.users.get(&key.service).into_iter().flatten().cloned());
            self.backends.insert(key, backend);
        }
        dirty.pods.iter().for_each(|namespace| self.times.forget_unseen(namespace));
        for service in &dirty.services {
            dirty.ingresses.extend(self.users.get(service).into_iter().flatten().cloned());
        }
        changed
    }

    /// The backend that a key stands for, made now if it is new.
    fn backend(&mut self, index: &Index, key: &BackendKey, keys: &KeyRing, now: Millis) -> Arc<Backend> {
        if let Some(known) = self.backends.get(key) {
            return Arc::clone(known);
        }
        let endpoints = self.endpoints(index, key, now);
        let backend = self.build(index, key, endpoints, keys);
        self.backends.insert(key.clone(), Arc::clone(&backend));
        backend
    }

    fn endpoints(&mut self, index: &Index, key: &BackendKey, now: Millis) -> Vec<Endpoint> {
        let Some(service) = index.services.get(&key.service).filter(|service| !service.is_external) else {
            return Vec::new();
        };
        let Some(port) = service.ports.iter().find(|port| port.number.to_string() == *key.port) else {
            return Vec::new();
        };
        backend::endpoints(index, &key.id(), service, port, &mut self.times, now)
    }

    fn build(&self, index: &Index, key: &BackendKey, endpoints: Vec<Endpoint>, keys: &KeyRing) -> Arc<Backend> {
        let backend = Backend::new(key.id(), endpoints, keys).or_else(|_| Backend::new(key.id(), Vec::new(), keys));
        // Names are made unique before, and no endpoints at all are.
        let backend = backend.unwrap_or_else(|_| Backend::empty(key.id()));
        Arc::new(backend.speaking(protocol(index, key)))
    }

    fn retranslate(
        &mut self,
        neighbours: &Neighbours<'_>,
        secrets: &Secrets,
        keys: &KeyRing,
        name: &Name,
        now: Millis,
    ) {
        let index = neighbours.index;
        if let Some(before) = self.ingresses.remove(name) {
            for service in before.services {
                if let Some(users) = self.users.get_mut(&service) {
                    users.remove(name);
                    if users.is_empty() {
                        self.users.remove(&service);
                    }
                }
            }
        }
        let Some(ingress) = index.ingresses.get(name).filter(|ingress| self.settings.ownership.is_ours(index, ingress))
        else {
            return;
        };
        let translated = self.ingress(neighbours, secrets, keys, ingress, now);
        for service in &translated.services {
            self.users.entry(service.clone()).or_default().insert(name.clone());
        }
        self.ingresses.insert(name.clone(), translated);
    }

    /// Forgets the backends that nobody leads to any more.
    fn prune(&mut self) {
        let used: BTreeSet<&BackendKey> = self.ingresses.values().flat_map(|translated| &translated.backends).collect();
        let gone = |key: &&BackendKey| !used.contains(key) && self.default.as_ref() != Some(*key);
        let gone: Vec<BackendKey> = self.backends.keys().filter(gone).cloned().collect();
        for key in gone {
            if let Some(backend) = self.backends.remove(&key) {
                self.times.forget(backend.endpoints());
            }
        }
        give_back(&mut self.backends);
    }

    fn assemble(&mut self, index: &Index, secrets: &Secrets, keys: &KeyRing, now: Millis) -> Translation {
        let mut table = Table::builder();
        for translated in self.ingresses.values() {
            for (host, path, rule, origin) in &translated.rules {
                table.add(host.clone(), path.clone(), origin.clone(), Arc::clone(rule));
            }
        }
        self.add_default(index, &mut table, keys, now);
        let (table, shadowed) = table.build();
        let mut conflicts: HashMap<&str, Vec<Problem>> = HashMap::new();
        for lost in &shadowed {
            // A default backend takes what is left: it quarrels with other default backends only.
            let is_left = lost.loser.is_default && !lost.winner.is_default;
            if lost.loser.name != lost.winner.name && !is_left {
                let text = format!("{} {} is served by {}, which is older", lost.host, lost.path, lost.winner.name);
                let conflicts = conflicts.entry(&lost.loser.name).or_default();
                if conflicts.len() < PROBLEMS {
                    conflicts.push(Problem { reason: Reason::Conflict, text });
                }
            }
        }
        let verdicts = self.verdicts(&conflicts);
        let certificates = tls::certificates(self.ingresses.values(), secrets);
        Translation { table, connectors: self.connect(), certificates, verdicts }
    }

    /// The first port of the Service that gets what nobody wants, once that is there.
    fn default_backend(&self, index: &Index) -> Option<BackendKey> {
        let service = self.settings.default_backend.clone()?;
        let port = index.services.get(&service).and_then(|service| service.ports.first());
        let port = port.map_or_else(String::new, |port| port.number.to_string()).into();
        Some(BackendKey { service, port, protocol: None })
    }

    /// Who gets what nobody wants.
    fn add_default(
        &mut self,
        index: &Index,
        table: &mut crate::routing::table::TableBuilder,
        keys: &KeyRing,
        now: Millis,
    ) {
        let Some(key) = self.default.clone() else { return };
        let backend = self.backend(index, &key, keys, now);
        let origin = Origin { is_default: true, created: u64::MAX, name: "--default-backend-service".into() };
        let rule = Arc::new(Rule::plain(Weighted { weight: 1, backend }));
        table.add(HostPattern::Any, PathMatch::Prefix("".into()), origin, rule);
    }

    /// What is to be said about Ingresses that was not said before.
    fn verdicts(&mut self, conflicts: &HashMap<&str, Vec<Problem>>) -> Vec<Verdict> {
        self.said.retain(|name, _| self.ingresses.contains_key(name));
        give_back(&mut self.said);
        let mut verdicts = Vec::new();
        for (name, translated) in &self.ingresses {
            let mut problems = translated.problems.clone();
            problems.extend(conflicts.get(&*translated.origin.name).into_iter().flatten().cloned());
            problems.dedup();
            if self.said.get(name) != Some(&problems) {
                self.said.insert(name.clone(), problems.clone());
                verdicts.push(Verdict { ingress: name.clone(), problems });
            }
        }
        verdicts
    }

    /// Connectors for the backends that are spoken to over TLS. Certificates of endpoints are not verified: ingress-nginx
    /// does not, unless it is told to by annotations that are not supported and close an Ingress.
    fn connect(&mut self) -> Connectors {
        let mut connectors = Connectors::default();
        for backend in self.backends.values() {
            let protocol = backend.protocol();
            if !protocol.is_tls() {
                continue;
            }
            let known = self.connectors.get(protocol.as_str()).cloned();
            let connector = known.or_else(|| Connector::new(protocol, Trust::Anybody, None).ok().map(Arc::new));
            if let Some(connector) = connector {
                self.connectors.insert(protocol.as_str(), Arc::clone(&connector));
                connectors.set(backend.id().clone(), connector);
            }
        }
        connectors
    }
}

/// Gives up the room of what is gone, once it is most of it: a map never does by itself.
fn give_back<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    map.shrink_to(4 * map.len());
}

/// What is spoken to a backend.
fn protocol(index: &Index, key: &BackendKey) -> Protocol {
    let by_service = || {
        let service = index.services.get(&key.service)?;
        service.ports.iter().find(|port| port.number.to_string() == *key.port).map(backend::protocol_of)
    };
    let asked = [Protocol::Http, Protocol::Https, Protocol::H2c, Protocol::H2];
    let by_annotation = key.protocol.and_then(|word| asked.into_iter().find(|protocol| protocol.as_str() == word));
    by_annotation.or_else(by_service).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
