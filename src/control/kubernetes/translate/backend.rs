//! A port of a Service → its endpoints, each under an identity that can be believed.
//!
//! ## Whom we take for a StatefulSet's pod
//! Its label says its name; the name is the StatefulSet's with a number; the owner that controls it is that very
//! StatefulSet; the slice means this very pod, at an address that the pod has. A pod that fails one of these is a pod like
//! any other: it serves, and nobody is brought back to it under that name.
//!
//! ## Why an address can be unverified for a moment
//! Slices and pods come by different watches. A slice that names a pod whose new address has not been seen yet is no
//! forgery; so for a moment such a pod is *away*, and only if it stays so it becomes one like any other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{ENDPOINTS, EXPECTED};
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::{Name, PodReference, Service, ServicePort, Set, SliceEndpoint};
use crate::routing::{Backend, BackendId, Condition, Endpoint, EndpointId, Incarnation, Millis, Protocol, Return};

/// How long what a slice says may be ahead of what a pod says.
const VERIFIED_WITHIN: Duration = Duration::from_secs(5);
/// As many entries of a namespace are given this moment. The others are taken for what they are at once: were those
/// forgotten that were there first, their time would begin again and again.
const UNVERIFIED: usize = 10_000;

/// A port of a Service, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// The Service.
    pub service: Name,
    /// The number of its port, or whatever was typed if it has no such port.
    pub port: Arc<str>,
    /// What is spoken, if somebody other than the Service says so.
    pub protocol: Option<&'static str>,
}

/// What has to be remembered about endpoints that objects do not tell.
#[derive(Clone, Debug, Default)]
pub struct Times {
    away: HashMap<EndpointId, Millis>,
    told: HashMap<EndpointId, Millis>,
    /// What slices say about pods and pods do not say, by namespace.
    unverified: HashMap<Arc<str>, HashMap<Claim, Waiting>>,
}

/// A pod at these addresses. A slice that has it elsewhere says something else.
type Claim = (Arc<str>, Box<[IpAddr]>);

/// What is not verified yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Millis,
    /// Is its time over? Then nothing has to be looked at because of it.
    is_over: bool,
    /// Has it been said since it was asked who still says it?
    is_seen: bool,
}

/// Who an entry of a slice is.
enum Identity<'i> {
    /// A pod of this StatefulSet, with this number.
    Stateful(&'i Set, u32, &'i PodReference),
    /// A pod that never comes back.
    Passing(&'i PodReference),
    /// Nobody but an address.
    Address,
    /// A pod that is not known well enough yet.
    Unverified,
}

/// An endpoint in the making: several slices may have a part of it.
struct Found {
    name: Arc<str>,
    incarnation: Incarnation,
    addresses: Vec<SocketAddr>,
    ready: bool,
    serving: bool,
    terminating: bool,
    returns: Return,
    drain: bool,
}

impl BackendKey {
    /// What the backend is called.
    #[must_use]
    pub fn id(&self) -> BackendId {
        let id = BackendId::new(format!("{}:{}", self.service, self.port));
        match self.protocol {
            Some(protocol) => id.speaking(protocol),
            None => id,
        }
    }
}

impl Times {
    /// When something has to be looked at again although nothing has changed.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        let waiting = self.unverified.values().flat_map(HashMap::values).filter(|waiting| !waiting.is_over);
        waiting.map(|waiting| waiting.since).min().map(|since| since.plus(VERIFIED_WITHIN))
    }

    /// The namespaces in which a moment is over.
    pub fn overdue(&mut self, now: Millis) -> HashSet<Arc<str>> {
        let mut namespaces = HashSet::new();
        for (namespace, claims) in &mut self.unverified {
            for waiting in claims.values_mut() {
                if !waiting.is_over && waiting.since.plus(VERIFIED_WITHIN) <= now {
                    waiting.is_over = true;
                    namespaces.insert(Arc::clone(namespace));
                }
            }
        }
        namespaces
    }

    /// Everything that slices of this namespace say is about to be looked at.
    pub fn look_again(&mut self, namespace: &Arc<str>) {
        for waiting in self.unverified.get_mut(namespace).into_iter().flat_map(HashMap::values_mut) {
            waiting.is_seen = false;
        }
    }

    /// Everything has been looked at: what nobody has said is forgotten.
    pub fn forget_unseen(&mut self, namespace: &Arc<str>) {
        if let Some(claims) = self.unverified.get_mut(namespace) {
            claims.retain(|_, waiting| waiting.is_seen);
            if claims.is_empty() {
                self.unverified.remove(namespace);
            }
        }
    }

    /// Forgets the endpoints of a backend that it has not any more: should one come again, it is another's beginning.
    pub fn forget_others(&mut self, before: Option<&Arc<Backend>>, now: &Backend) {
        let are: HashSet<&EndpointId> = now.endpoints().iter().map(|endpoint| &endpoint.id).collect();
        let before = before.into_iter().flat_map(|backend| backend.endpoints());
        for endpoint in before.filter(|endpoint| !are.contains(&endpoint.id)) {
            self.forget(std::slice::from_ref(endpoint));
        }
    }

    /// Forgets a backend that nobody leads to any more.
    pub fn forget(&mut self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            self.away.remove(&endpoint.id);
            self.told.remove(&endpoint.id);
        }
    }

    /// Has the moment passed in which a pod may still say what a slice says about it?
    fn is_verified_late(&mut self, namespace: &Arc<str>, claim: Claim, now: Millis) -> bool {
        let claims = self.unverified.entry(Arc::clone(namespace)).or_default();
        if claims.len() >= UNVERIFIED && !claims.contains_key(&claim) {
            return true;
        }
        let waiting = claims.entry(claim).or_insert(Waiting { since: now, is_over: false, is_seen: true });
        waiting.is_seen = true;
        waiting.since.plus(VERIFIED_WITHIN) <= now
    }

    fn verified(&mut self, namespace: &Arc<str>, uid: &Arc<str>, addresses: &[IpAddr]) {
        if let Some(claims) = self.unverified.get_mut(namespace) {
            claims.remove(&(Arc::clone(uid), addresses.into()));
        }
    }
}

/// What is spoken at a port, if it says so in a way that is known
/// ([KEP-3726](https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/3726-standard-application-protocols)).
pub fn protocol_of(port: &ServicePort) -> Protocol {
    match port.app_protocol.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("kubernetes.io/h2c" | "grpc") => Protocol::H2c,
        Some("https" | "kubernetes.io/wss" | "wss") => Protocol::Https,
        _ => Protocol::Http,
    }
}

/// The endpoints of a Service at one of its ports, in the order of their names.
pub fn endpoints(
    index: &Index,
    id: &BackendId,
    service: &Service,
    port: &ServicePort,
    times: &mut Times,
    now: Millis,
) -> Vec<Endpoint> {
    let namespace = &service.name.namespace;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for slice in index.slices.get(&service.name).into_iter().flat_map(BTreeMap::values) {
        let Some((_, number)) = slice.ports.iter().find(|(name, _)| *name == port.name) else { continue };
        for entry in &slice.endpoints {
            let identity = identify(index, namespace, entry, times, now);
            collect(&mut found, index, namespace, &identity, entry, *number);
        }
    }
    let built = found.into_iter().filter_map(|(name, found)| found.build(id, &name, times, now));
    let mut endpoints: Vec<_> = built.take(ENDPOINTS).collect();
    let there: HashSet<EndpointId> = endpoints.iter().map(|endpoint| endpoint.id.clone()).collect();
    let names = sets(index, service).flat_map(|set| {
        let numbers = set.start..set.start.saturating_add(set.replicas);
        numbers.map(|number| format!("{}-{number}", set.name.name))
    });
    // All StatefulSets of a Service together: whoever has many may otherwise have as many times the pods that are not there.
    let absent = names.filter(|name| !there.contains(&EndpointId::new(id, name)));
    let room = EXPECTED.min(ENDPOINTS - endpoints.len());
    endpoints.extend(absent.take(room).map(|name| away(id, &name, times, now)));
    endpoints.sort_by(|a, b| a.id.cmp(&b.id));
    endpoints.dedup_by(|a, b| a.id == b.id);
    endpoints
}

/// The StatefulSets whose pods a Service stands for, whether or not there are any now.
pub(in crate::control::kubernetes) fn sets<'i>(
    index: &'i Index,
    service: &'i Service,
) -> impl Iterator<Item = &'i Set> {
    let namespace = &service.name.namespace;
    let selector = &service.selector;
    let from = Name { namespace: Arc::clone(namespace), name: "".into() };
    let here = index.sets.range(from..).map(|(_, set)| set).take_while(move |set| set.name.namespace == *namespace);
    here.filter(move |set| {
        !selector.is_empty() && selector.iter().all(|(key, value)| set.labels.get(key) == Some(value))
    })
}

fn identify<'i>(
    index: &'i Index,
    namespace: &Arc<str>,
    entry: &'i SliceEndpoint,
    times: &mut Times,
    now: Millis,
) -> Identity<'i> {
    let Some(reference) = &entry.pod else { return Identity::Address };
    let name = Name { namespace: Arc::clone(namespace), name: Arc::clone(&reference.name) };
    let pod = index.pods.get(&name).filter(|pod| pod.uid == reference.uid);
    let numbered = numbered(&reference.name);
    let set = numbered.and_then(|(set, _)| index.sets.get(&name.beside(set)));
    let says_so = pod.is_some_and(|pod| pod.label == reference.name && pod.set.is_some());
    let fits = match (pod, set, numbered) {
        (Some(pod), Some(set), Some((_, number))) if says_so && pod.set.as_ref() == Some(&set.uid) => {
            if entry.addresses.iter().all(|address| pod.addresses.contains(address)) {
                times.verified(namespace, &reference.uid, &entry.addresses);
                return Identity::Stateful(set, number, reference);
            }
            true
        }
        // It says that it belongs to another StatefulSet of this name: the new one, or the old one, is still to be seen.
        (Some(_), _, Some(_)) => says_so,
        // The pod itself is still to be seen, or this life of it; only a StatefulSet's pod will be.
        (None, Some(_), Some(_)) => true,
        _ => false,
    };
    let claim = || (Arc::clone(&reference.uid), entry.addresses.clone());
    if fits && !times.is_verified_late(namespace, claim(), now) {
        Identity::Unverified
    } else {
        Identity::Passing(reference)
    }
}

/// `web-3` → `web` and 3. `web-03` is nobody's pod.
fn numbered(pod: &str) -> Option<(&str, u32)> {
    let (set, digits) = pod.rsplit_once('-')?;
    let number = digits.parse().ok()?;
    (digits == "0" || !digits.starts_with('0')).then_some((set, number))
}

fn collect(
    found: &mut BTreeMap<String, Found>,
    index: &Index,
    namespace: &Arc<str>,
    identity: &Identity<'_>,
    entry: &SliceEndpoint,
    port: u16,
) {
    let at = |address: &IpAddr| SocketAddr::new(*address, port);
    let mut put = |key: String, name: Arc<str>, uid: Option<&Arc<str>>, returns, drain, addresses: Vec<SocketAddr>| {
        let known = found.entry(key).or_insert_with(|| Found {
            name,
            incarnation: uid.map(|uid| Incarnation::new(Arc::clone(uid))).unwrap_or_default(),
            addresses: Vec::new(),
            ready: false,
            serving: false,
            terminating: false,
            returns,
            drain,
        });
        known.addresses.extend(addresses);
        known.ready |= entry.ready;
        known.serving |= entry.serving;
        known.terminating |= entry.terminating;
    };
    let all = entry.addresses.iter().map(at);
    match identity {
        Identity::Stateful(set, number, reference) => {
            let is_expected = (set.start..set.start.saturating_add(set.replicas)).contains(number);
            let returns = if is_expected { Return::Expected } else { Return::Never };
            let name = Name { namespace: Arc::clone(namespace), name: Arc::clone(&reference.name) };
            let drain = index.pods.get(&name).is_some_and(|pod| pod.drain);
            put(
                reference.name.to_string(),
                Arc::clone(&reference.name),
                Some(&reference.uid),
                returns,
                drain,
                all.collect(),
            );
        }
        Identity::Passing(reference) => {
            let key = format!("{}.{}", reference.name, reference.uid);
            put(key, Arc::clone(&reference.name), Some(&reference.uid), Return::Never, false, all.collect());
        }
        Identity::Address => {
            for address in all {
                let name: Arc<str> = address.to_string().into();
                put(name.to_string(), name, None, Return::Never, false, vec![address]);
            }
        }
        Identity::Unverified => {}
    }
}

impl Found {
    /// The endpoint, unless there is nothing that could be asked of it, now or later.
    fn build(self, id: &BackendId, key: &str, times: &mut Times, now: Millis) -> Option<Endpoint> {
        let mut addresses = self.addresses;
        addresses.sort_unstable();
        addresses.dedup();
        let mut endpoint = Endpoint::new(id, key, addresses);
        endpoint.name = self.name;
        endpoint.incarnation = self.incarnation;
        endpoint.returns = self.returns;
        if self.drain {
            let told = *times.told.entry(endpoint.id.clone()).or_insert(now);
            endpoint.condition = Condition::Draining { told: Some(told) };
        } else {
            times.told.remove(&endpoint.id);
        }
        let is_up = if self.terminating { self.serving } else { self.ready };
        if self.terminating && is_up {
            endpoint.condition = match endpoint.condition {
                Condition::Ready => Condition::Draining { told: None },
                told => told,
            };
        }
        if is_up {
            times.away.remove(&endpoint.id);
            return Some(endpoint);
        }
        (self.returns == Return::Expected).then(|| {
            let since = *times.away.entry(endpoint.id.clone()).or_insert(now);
            endpoint.addresses = Box::default();
            endpoint.condition = Condition::Away { since };
            endpoint
        })
    }
}

/// A pod that is expected and not there at all.
fn away(id: &BackendId, name: &str, times: &mut Times, now: Millis) -> Endpoint {
    let mut endpoint = Endpoint::new(id, name, Vec::new());
    let since = *times.away.entry(endpoint.id.clone()).or_insert(now);
    endpoint.condition = Condition::Away { since };
    endpoint.returns = Return::Expected;
    endpoint
}
