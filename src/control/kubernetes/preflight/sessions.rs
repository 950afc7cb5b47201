//! What stands behind the Services of our Ingresses, and whether sessions can stay there. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::{Facts, Line, Mark};
use crate::control::kubernetes::advice;
use crate::control::kubernetes::objects::Name;
use crate::control::kubernetes::translate::Served;
use crate::routing::{Backend, Condition, Endpoint, Return};

/// What is known of a Service: what of it is used, and for sessions?
struct Used<'s> {
    backend: &'s Arc<Backend>,
    is_sticky: bool,
}

/// Says what is to be said about every Service that something is served of.
pub(super) fn judge(facts: &Facts, served: &BTreeMap<Name, Vec<Served>>, lines: &mut Vec<Line>) {
    let mut used: BTreeMap<&str, (Name, Used<'_>)> = BTreeMap::new();
    for (ingress, rule) in served.iter().flat_map(|(name, rules)| rules.iter().map(move |rule| (name, rule))) {
        let Some(service) = advice::service(ingress, rule).filter(|_| rule.is_served) else { continue };
        // What is not there has been said already.
        if facts.index.service(&service).is_none() {
            continue;
        }
        let new = (service, Used { backend: &rule.backend, is_sticky: false });
        let (_, known) = used.entry(rule.backend.id().as_str()).or_insert(new);
        known.is_sticky |= rule.is_sticky;
    }
    for (service, used) in used.into_values() {
        let before = lines.len();
        lines.extend(ready(&service, &used));
        if used.is_sticky {
            lines.extend(pods(facts, &service, used.backend));
        }
        if used.is_sticky && lines.len() == before {
            let pods = pods_counted(used.backend.endpoints().len());
            lines.push(Line::new(Mark::Good, format!("Service {service}: sessions stay on {pods}")));
        }
    }
}

/// Is anybody there?
fn ready(service: &Name, used: &Used<'_>) -> Option<Line> {
    let endpoints = used.backend.endpoints();
    let ready = endpoints.iter().filter(|endpoint| endpoint.condition == Condition::Ready).count();
    let see =
        format!("kubectl -n {} get endpointslices -l kubernetes.io/service-name={}", service.namespace, service.name);
    match (endpoints.len(), ready) {
        (0, _) => Some(Line::new(Mark::Error, format!("Service {service} has no pods: requests get 503")).hint(see)),
        (all, 0) => {
            let text = format!("Service {service} has {}, and none is ready: requests get 503", pods_counted(all));
            Some(Line::new(Mark::Error, text).hint(see))
        }
        (1, _) if used.is_sticky => {
            let text = format!(
                "Service {service} has one pod: sessions wait, and newcomers get nothing, whenever it restarts"
            );
            Some(Line::new(Mark::Warning, text).hint("more replicas of its StatefulSet"))
        }
        _ => None,
    }
}

/// Will they still be the same ones after a restart?
fn pods(facts: &Facts, service: &Name, backend: &Backend) -> Vec<Line> {
    let passing = backend.endpoints().iter().filter(|endpoint| is_passing(endpoint));
    let mut makers: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for endpoint in passing {
        let name = service.beside(&endpoint.name);
        match facts.owners.get(&name) {
            Some(owner) if owner.kind == "StatefulSet" => {
                let why = match owner.label.as_deref() {
                    None => "it has no label statefulset.kubernetes.io/pod-name".to_owned(),
                    Some(label) if *label != *endpoint.name => {
                        format!("its label statefulset.kubernetes.io/pod-name says {label}")
                    }
                    Some(_) => format!(
                        "StatefulSet {} does not own it, or its addresses are not those of its slice",
                        owner.name
                    ),
                };
                let text = format!("pod {name} is not taken for one of a StatefulSet: {why}");
                let hint = "its sessions end with it; let its StatefulSet make it again";
                lines.push(Line::new(Mark::Error, text).hint(hint));
            }
            Some(owner) => *makers.entry(format!("{} {}", owner.kind, owner.name)).or_default() += 1,
            None if endpoint.incarnation.as_str().is_empty() => {
                *makers.entry("no pod, but an address".to_owned()).or_default() += 1
            }
            None => *makers.entry("nobody".to_owned()).or_default() += 1,
        }
    }
    let passing: BTreeSet<String> = makers.into_iter().map(|(maker, number)| format!("{number} of {maker}")).collect();
    if !passing.is_empty() {
        let passing: Vec<_> = passing.into_iter().collect();
        let text = format!("Service {service}: sessions end with their pod ({})", passing.join(", "));
        let hint = "the pods of a StatefulSet come back under their names, and sessions with them";
        lines.push(Line::new(Mark::Warning, text).hint(hint));
    }
    lines
}

/// A pod or an address that never comes back. One of a StatefulSet that is scaled down does not either, but has its name.
fn is_passing(endpoint: &Endpoint) -> bool {
    let id = endpoint.id.as_str();
    let is_named = id.rsplit_once('/').is_some_and(|(_, name)| *name == *endpoint.name);
    endpoint.returns == Return::Never && (!is_named || endpoint.incarnation.as_str().is_empty())
}

fn pods_counted(number: usize) -> String {
    if number == 1 { "1 pod".to_owned() } else { format!("{number} pods") }
}
