//! What the Ingresses of one namespace say together about a host: whether it has TLS, its other names, and its canaries. It is
//! found out once for a translation, however many of them name the host.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::Settings;
use super::bounds::CANARY_PATHS;
use crate::control::kubernetes::annotations::{self, CanaryAsked};
use crate::control::kubernetes::index::{Index, canonical};
use crate::control::kubernetes::objects::Ingress;
use crate::routing::HostPattern;

/// The Ingresses of a cluster, by what they say about each other's hosts.
pub(super) struct Neighbours<'i> {
    pub(super) index: &'i Index,
    pub(super) settings: Arc<Settings>,
    known: RefCell<HashMap<Where, Rc<Said>>>,
}

/// A namespace, and a host.
type Where = (Arc<str>, HostPattern);

/// What is said about a host.
#[derive(Default)]
pub(super) struct Said {
    /// As in ingress-nginx it has TLS, as soon as one of them says anything about TLS: if no certificate is for this host, the
    /// default one is. What canaries say of it does not count, and requests for any host have none of their own.
    pub(super) has_tls: bool,
    /// Its other names, whoever gives them to it: ingress-nginx has one server for all of them.
    pub(super) aliases: Vec<HostPattern>,
    /// The paths beside which a canary may stand; empty if there are no canaries.
    primaries: HashSet<Place>,
    /// Does one of them serve what no host is asked for by name, or any?
    pub(super) serves_any: bool,
    canaries: HashMap<Place, Found>,
    /// The canary that stands beside every other path.
    others: Option<Found>,
}

/// A path as it is written, after its type: a canary's is one with that of the rule it stands beside.
type Place = (String, String);

/// What a canary asks for, and where it leads.
type Found = (Rc<CanaryAsked>, IngressBackend);

impl<'i> Neighbours<'i> {
    pub(super) fn new(index: &'i Index, settings: Arc<Settings>) -> Self {
        Self { index, settings, known: RefCell::default() }
    }

    /// What those of a namespace say about a host.
    pub(super) fn about(&self, namespace: &Arc<str>, host: &HostPattern) -> Rc<Said> {
        let key = (Arc::clone(namespace), host.clone());
        if let Some(known) = self.known.borrow().get(&key) {
            return Rc::clone(known);
        }
        let said = Rc::new(self.listen(namespace, host));
        self.known.borrow_mut().insert(key, Rc::clone(&said));
        said
    }

    fn listen(&self, namespace: &Arc<str>, host: &HostPattern) -> Said {
        let text = if *host == HostPattern::Any { String::new() } else { host.to_string() };
        let prefix = &self.settings.annotations_prefix;
        let sharing = self.index.sharing(namespace, &text);
        let ours = sharing.filter(|ingress| self.settings.ownership.is_ours(self.index, ingress));
        let (canaries, primaries): (Vec<_>, Vec<_>) =
            ours.partition(|ingress| annotations::is_canary(&ingress.annotations, prefix));
        let says_tls = |ingress: &&Arc<Ingress>| ingress.spec.tls.as_ref().is_some_and(|tls| !tls.is_empty());
        let mut aliases = BTreeSet::new();
        for ingress in &primaries {
            let its = annotations::aliases(&ingress.annotations, prefix);
            // Asked last: it may have many rules.
            if !its.is_empty() && is_named(ingress, &text) {
                aliases.extend(its.into_iter().filter(|alias| alias != host));
            }
        }
        let mut said = Said {
            has_tls: *host != HostPattern::Any && primaries.iter().any(says_tls),
            aliases: aliases.into_iter().collect(),
            ..Said::default()
        };
        if !canaries.is_empty() {
            said.serves_any = primaries.iter().any(|ingress| serves_any_host(ingress));
            said.primaries = primaries.iter().flat_map(|ingress| places(ingress, &text)).collect();
            self.take_canaries(&mut said, canaries, &text);
        }
        said
    }

    /// For each path the oldest canary of those that may be served.
    fn take_canaries(&self, said: &mut Said, mut canaries: Vec<&Arc<Ingress>>, host: &str) {
        canaries.sort_by_key(|canary| (canary.created, &canary.name));
        for canary in canaries {
            let (asked, _) = annotations::read(&canary.annotations, &self.settings.annotations_prefix);
            // What may protect its pods does not protect them behind another Ingress.
            let Some(asked) = asked.canary.filter(|_| asked.closed.is_none()).map(|asked| Rc::new(*asked)) else {
                continue;
            };
            for (_, path) in paths(canary).take(CANARY_PATHS).filter(|(its, _)| canonical(its) == host) {
                said.canaries.entry(place(path)).or_insert_with(|| (Rc::clone(&asked), path.backend.clone()));
            }
            // For rules without a host ingress-nginx puts a canary's default backend beside all of them.
            if let (Some(default), true) = (&canary.spec.default_backend, host.is_empty()) {
                said.others = Some((asked, default.clone()));
                break;
            }
        }
    }
}

impl Said {
    /// The canary beside a path, if there is one.
    pub(super) fn canary(&self, path: &HTTPIngressPath) -> Option<Found> {
        let here = if self.canaries.is_empty() { None } else { self.canaries.get(&place(path)) };
        here.or(self.others.as_ref()).cloned()
    }

    /// Is there a rule beside which a canary with this path may stand?
    pub(super) fn has_primary(&self, path: &HTTPIngressPath) -> bool {
        self.primaries.contains(&place(path))
    }
}

/// All paths of an Ingress, each with its host.
pub(super) fn paths(ingress: &Ingress) -> impl Iterator<Item = (&str, &HTTPIngressPath)> {
    ingress.spec.rules.iter().flatten().flat_map(|rule| {
        let host = rule.host.as_deref().unwrap_or_default();
        rule.http.iter().flat_map(|http| &http.paths).map(move |path| (host, path))
    })
}

fn place(path: &HTTPIngressPath) -> Place {
    (path.path_type.clone(), typed(path).to_owned())
}

/// A path as it is written.
pub(super) fn typed(path: &HTTPIngressPath) -> &str {
    path.path.as_deref().unwrap_or("/")
}

/// The paths of a host beside which a canary may stand. A default backend alone serves any host.
fn places(ingress: &Ingress, host: &str) -> impl Iterator<Item = Place> {
    let is_any = host.is_empty() && ingress.spec.default_backend.is_some();
    let its = paths(ingress).filter(move |(its, _)| canonical(its) == host).map(|(_, path)| place(path));
    its.chain(is_any.then(|| ("Prefix".to_owned(), "/".to_owned())))
}

/// Does it serve something under this name? A default backend alone is for any host.
fn is_named(ingress: &Ingress, host: &str) -> bool {
    let mut rules = ingress.spec.rules.iter().flatten();
    rules.any(|rule| canonical(rule.host.as_deref().unwrap_or_default()) == host)
        || (host.is_empty() && ingress.spec.default_backend.is_some())
}

/// Has it rules without a host, or a default backend and no rules?
fn serves_any_host(ingress: &Ingress) -> bool {
    let mut rules = ingress.spec.rules.iter().flatten().peekable();
    match rules.peek() {
        None => ingress.spec.default_backend.is_some(),
        Some(_) => rules.any(|rule| rule.host.as_deref().unwrap_or_default().is_empty()),
    }
}
