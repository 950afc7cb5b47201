//! Canaries: an Ingress beside another one of the same namespace, for the same host and path.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::Translator;
use super::bounds::CANARY_PATHS;
use super::work::{Target, Work};
use crate::control::kubernetes::annotations::{self, CanaryAsked};
use crate::control::kubernetes::objects::Ingress;
use crate::control::kubernetes::problem::Reason;
use crate::routing::{Backend, HostPattern};

/// A path as it is written, after its type: a canary's is one with that of the rule it stands beside.
type Place<'i> = (&'i str, &'i str);

/// What stands beside the rules of a host: looked up, since there may be many paths on both sides.
#[derive(Default)]
pub(super) struct Beside<'i> {
    paths: HashMap<Place<'i>, Found<'i>>,
    /// What stands beside every other path.
    others: Option<Found<'i>>,
}

/// What a canary has for a path, and what it asks for.
type Found<'i> = (Rc<CanaryAsked>, &'i IngressBackend);

impl Translator {
    /// A canary has no rules of its own.
    pub(super) fn canary_alone(&mut self, work: &mut Work<'_>) {
        let mut served: HashMap<&str, HashSet<Place<'_>>> = HashMap::new();
        for (number, (host, path)) in paths(work.ingress).enumerate() {
            let (path_type, typed) = place(path);
            if number == CANARY_PATHS {
                let text =
                    format!("a canary has at most {CANARY_PATHS} paths: {host} {typed:?} and what follows is none");
                return work.say_first(Reason::Rejected, text);
            }
            let _: Option<Target> = work.target(&path.backend);
            if !served.entry(host).or_insert_with(|| self.primaries(work, host)).contains(&(path_type, typed)) {
                let text = format!("a canary of nobody: no Ingress of this namespace has {host} {typed}");
                work.say(Reason::Rejected, text);
            }
        }
        if let Some(default) = &work.ingress.spec.default_backend {
            let _: Option<Target> = work.target(default);
            if !self.neighbours(work, "", false).any(|other| serves_any_host(other)) {
                let text = "a canary of nobody: no Ingress of this namespace serves any host".to_owned();
                work.say(Reason::Rejected, text);
            }
        }
    }

    /// The paths of a host beside which a canary may stand.
    fn primaries<'w>(&self, work: &Work<'w>, host: &str) -> HashSet<Place<'w>> {
        let mut served = HashSet::new();
        for other in self.neighbours(work, host, false) {
            served.extend(paths(other).filter(|(its, _)| *its == host).map(|(_, path)| place(path)));
            // A default backend alone serves any host.
            let is_any = host.is_empty() && other.spec.default_backend.is_some();
            served.extend(is_any.then_some(("Prefix", "/")));
        }
        served
    }

    /// The Ingresses of ours in this namespace that name a host: its canaries, or all others.
    fn neighbours<'w>(
        &self,
        work: &Work<'w>,
        host: &str,
        are_canaries: bool,
    ) -> impl Iterator<Item = &'w Arc<Ingress>> {
        let (index, namespace) = (work.index, &work.ingress.name.namespace);
        index.sharing(host).filter(move |other| {
            other.name.namespace == *namespace
                && annotations::is_canary(&other.annotations, &self.settings.annotations_prefix) == are_canaries
                && self.settings.ownership.is_ours(index, other)
        })
    }

    /// The canary beside a rule, if there is one.
    pub(super) fn canary_of(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
    ) -> Option<(Rc<CanaryAsked>, Arc<Backend>)> {
        if !work.canaries.contains_key(host) {
            let beside = self.beside(work, host);
            work.canaries.insert(host.clone(), beside);
        }
        let beside = work.canaries.get(host)?;
        let (canary, backend) = beside.paths.get(&place(path)).or(beside.others.as_ref()).cloned()?;
        let target = work.target(backend);
        let backend = self.led_to(work, target.as_ref());
        Some((canary, backend))
    }

    /// What stands beside the rules of a host: for each path the oldest canary of those that may be served.
    fn beside<'w>(&self, work: &Work<'w>, host: &HostPattern) -> Beside<'w> {
        let host = if *host == HostPattern::Any { String::new() } else { host.to_string() };
        let mut canaries: Vec<_> = self.neighbours(work, &host, true).collect();
        canaries.sort_by_key(|canary| (canary.created, &canary.name));
        let mut beside = Beside::default();
        for canary in canaries {
            let (asked, _) = annotations::read(&canary.annotations, &self.settings.annotations_prefix);
            // What may protect its pods does not protect them behind another Ingress.
            let Some(asked) = asked.canary.filter(|_| asked.closed.is_none()).map(|asked| Rc::new(*asked)) else {
                continue;
            };
            for (_, path) in paths(canary).take(CANARY_PATHS).filter(|(its, _)| *its == host) {
                beside.paths.entry(place(path)).or_insert_with(|| (Rc::clone(&asked), &path.backend));
            }
            // For rules without a host ingress-nginx puts a canary's default backend beside all of them.
            if let (Some(default), true) = (&canary.spec.default_backend, host.is_empty()) {
                beside.others = Some((asked, default));
                break;
            }
        }
        beside
    }
}

/// Has it rules without a host, or a default backend and no rules?
fn serves_any_host(ingress: &Ingress) -> bool {
    let mut rules = ingress.spec.rules.iter().flatten().peekable();
    match rules.peek() {
        None => ingress.spec.default_backend.is_some(),
        Some(_) => rules.any(|rule| rule.host.as_deref().unwrap_or_default().is_empty()),
    }
}

/// All paths of an Ingress, each with its host.
fn paths(ingress: &Ingress) -> impl Iterator<Item = (&str, &HTTPIngressPath)> {
    ingress.spec.rules.iter().flatten().flat_map(|rule| {
        let host = rule.host.as_deref().unwrap_or_default();
        rule.http.iter().flat_map(|http| &http.paths).map(move |path| (host, path))
    })
}

fn place(path: &HTTPIngressPath) -> Place<'_> {
    (&path.path_type, path.path.as_deref().unwrap_or("/"))
}
