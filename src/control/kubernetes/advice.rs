//! What is served as it says, and will probably not do what was meant: sessions on pods that cannot keep them. Pure.

use std::collections::BTreeSet;

use super::index::Index;
use super::manifests::Workload;
use super::objects::{Name, Service};
use super::translate::{Served, backend};
use crate::file::{Problem, Severity};

/// Warnings about what stands behind the sticky rules of an Ingress; each once.
#[must_use]
pub fn behind(index: &Index, workloads: &[Workload], ingress: &Name, served: &[Served]) -> Vec<Problem> {
    let sticky: BTreeSet<Name> =
        served.iter().filter(|rule| rule.is_sticky).filter_map(|rule| service(ingress, rule)).collect();
    let known = sticky.iter().filter_map(|name| index.service(name));
    known.flat_map(|service| about(index, workloads, service)).collect()
}

/// The Service that a rule leads to.
#[must_use]
pub fn service(ingress: &Name, served: &Served) -> Option<Name> {
    let (service, _) = served.backend.id().as_str().rsplit_once(':')?;
    let (namespace, name) = service.split_once('/')?;
    (*namespace == *ingress.namespace).then(|| Name::new(namespace, name))
}

fn about(index: &Index, workloads: &[Workload], service: &Service) -> Vec<Problem> {
    let mut problems = Vec::new();
    for set in backend::sets(index, service) {
        let replicas = match set.replicas {
            0 => "no replica: nobody serves",
            1 => "one replica: sessions wait, and newcomers get nothing, whenever it restarts",
            _ => continue,
        };
        problems.push(warning(format!("StatefulSet {} has {replicas}", set.name), "spec.replicas"));
    }
    for workload in workloads.iter().filter(|workload| is_behind(service, workload)) {
        let Workload { kind, name, .. } = workload;
        let text =
            format!("sessions end with their pod: Service {} stands for the pods of {kind} {name}", service.name);
        problems.push(warning(text, "the pods of a StatefulSet come back under their names, and sessions with them"));
    }
    problems
}

fn is_behind(service: &Service, workload: &Workload) -> bool {
    workload.name.namespace == service.name.namespace
        && !service.selector.is_empty()
        && service.selector.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
}

fn warning(message: String, hint: &str) -> Problem {
    Problem { severity: Severity::Warning, message, hint: Some(hint.to_owned()), place: None }
}
