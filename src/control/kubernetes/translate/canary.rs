//! Canaries: an Ingress beside another one of the same namespace, for the same host and path.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::Translator;
use super::bounds::CANARY_PATHS;
use super::ingress::{Target, Work};
use crate::control::kubernetes::annotations::{self, CanaryAsked};
use crate::control::kubernetes::objects::Ingress;
use crate::control::kubernetes::problem::Reason;
use crate::routing::{Backend, HostPattern};

impl Translator {
    /// A canary has no rules of its own.
    pub(super) fn canary_alone(&mut self, work: &mut Work<'_>) {
        let mut room = CANARY_PATHS;
        for rule in work.ingress.spec.rules.iter().flatten() {
            let host = rule.host.as_deref().unwrap_or_default();
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                if room == 0 {
                    let path = path.path.as_deref().unwrap_or("/");
                    let text =
                        format!("a canary has at most {CANARY_PATHS} paths: {host} {path:?} and what follows is none");
                    return work.say_first(Reason::Rejected, text);
                }
                room -= 1;
                let _: Option<Target> = work.target(&path.backend);
                let is_root =
                    host.is_empty() && path.path.as_deref().unwrap_or("/") == "/" && path.path_type == "Prefix";
                let has = |other: &Ingress| {
                    path_of(other, host, path).is_some() || (is_root && other.spec.default_backend.is_some())
                };
                if !self.is_beside(work, host, has) {
                    let path = path.path.as_deref().unwrap_or("/");
                    let text = format!("a canary of nobody: no Ingress of this namespace has {host} {path}");
                    work.say(Reason::Rejected, text);
                }
            }
        }
        if let Some(default) = &work.ingress.spec.default_backend {
            let _: Option<Target> = work.target(default);
            if !self.is_beside(work, "", serves_any_host) {
                let text = "a canary of nobody: no Ingress of this namespace serves any host".to_owned();
                work.say(Reason::Rejected, text);
            }
        }
    }

    /// Is there an Ingress of this namespace that has what a canary wants to stand beside?
    fn is_beside(&self, work: &Work<'_>, host: &str, has: impl Fn(&Ingress) -> bool) -> bool {
        work.index.sharing(host).any(|other| {
            other.name.namespace == work.ingress.name.namespace
                && !annotations::is_canary(&other.annotations, &self.settings.annotations_prefix)
                && self.settings.ownership.is_ours(work.index, other)
                && has(other)
        })
    }

    /// The canary beside a rule, if there is one: the oldest of those that may be served.
    pub(super) fn canary_of(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
    ) -> Option<(CanaryAsked, Arc<Backend>)> {
        let text = if *host == HostPattern::Any { String::new() } else { host.to_string() };
        let prefix = &self.settings.annotations_prefix;
        let index = work.index;
        let mut beside: Vec<_> = index
            .sharing(&text)
            .filter(|other| other.name.namespace == work.ingress.name.namespace)
            .filter(|other| annotations::is_canary(&other.annotations, prefix))
            .filter(|other| self.settings.ownership.is_ours(index, other))
            .filter_map(|other| Some((other, backend_of(other, &text, path)?)))
            .collect();
        beside.sort_by_key(|(other, _)| (other.created, &other.name));
        let (canary, backend) = beside.into_iter().find_map(|(other, backend)| {
            let read = || {
                let (asked, _) = annotations::read(&other.annotations, prefix);
                // What may protect its pods does not protect them behind another Ingress.
                asked.canary.filter(|_| asked.closed.is_none())
            };
            let canary = work.canaries.entry(other.name.clone()).or_insert_with(read).clone()?;
            Some((*canary, backend))
        })?;
        let target = work.target(backend);
        let backend = self.led_to(work, target.as_ref());
        Some((canary, backend))
    }
}

/// What a canary has for a rule: its path that is the same, or for rules without a host its default backend, which
/// ingress-nginx puts beside all of them.
fn backend_of<'i>(canary: &'i Ingress, host: &str, wanted: &HTTPIngressPath) -> Option<&'i IngressBackend> {
    let default = canary.spec.default_backend.as_ref().filter(|_| host.is_empty());
    let mut counted = paths(canary, host).take_while(|(place, _)| *place < CANARY_PATHS);
    counted.find(|(_, path)| is_same(path, wanted)).map(|(_, path)| &path.backend).or(default)
}

/// Has it rules without a host, or a default backend and no rules?
fn serves_any_host(ingress: &Ingress) -> bool {
    let mut rules = ingress.spec.rules.iter().flatten().peekable();
    match rules.peek() {
        None => ingress.spec.default_backend.is_some(),
        Some(_) => rules.any(|rule| rule.host.as_deref().unwrap_or_default().is_empty()),
    }
}

/// The path of an Ingress that is the same as this one.
fn path_of<'i>(ingress: &'i Ingress, host: &str, wanted: &HTTPIngressPath) -> Option<&'i HTTPIngressPath> {
    paths(ingress, host).find(|(_, path)| is_same(path, wanted)).map(|(_, path)| path)
}

/// The paths of a host, each with its place among all paths of the Ingress.
fn paths<'i>(ingress: &'i Ingress, host: &str) -> impl Iterator<Item = (usize, &'i HTTPIngressPath)> {
    let rules = ingress.spec.rules.iter().flatten();
    let all = rules.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths).map(move |path| (rule, path)));
    let placed = all.enumerate().map(|(place, (rule, path))| (rule, place, path));
    placed
        .filter(move |(rule, ..)| rule.host.as_deref().unwrap_or_default() == host)
        .map(|(_, place, path)| (place, path))
}

fn is_same(one: &HTTPIngressPath, other: &HTTPIngressPath) -> bool {
    one.path_type == other.path_type && one.path.as_deref().unwrap_or("/") == other.path.as_deref().unwrap_or("/")
}
