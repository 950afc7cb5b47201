//! A file with objects → what would be served of it, and what would not: `moorline check` of manifests. Pure.
//!
//! A file is no cluster. What an Ingress names and is not in the file may well be there, so nobody is told that it is
//! missing; which these are is said once.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::HTTPIngressPath;

use super::index::Index;
use super::manifests::{Manifests, Placed};
use super::objects::{Ingress, Name, Object};
use super::problem::{self, Reason};
use super::translate::{Served, Settings, Translator};
use super::{advice, annotations};
use crate::file::{Place, Problem, Problems, Severity};
use crate::routing::session::{Key, KeyId, SECRET_LEN};
use crate::routing::{KeyRing, Millis};

/// What has become of a file.
#[derive(Debug)]
pub struct Review {
    /// Its Ingresses, in their order.
    pub ingresses: Vec<Reviewed>,
    /// What could not be read, or means nothing.
    pub unreadable: Problems,
    /// What is to be known about the file as a whole.
    pub notes: Problems,
}

/// What has become of an Ingress.
#[derive(Debug)]
pub struct Reviewed {
    /// What it is called.
    pub name: Name,
    /// Where it stands.
    pub place: Place,
    /// What is served of it.
    pub served: Vec<Served>,
    /// It is a canary: served by the rules of another Ingress.
    pub is_canary: bool,
    /// What is to be said about it.
    pub problems: Vec<Problem>,
}

/// Reads a file and says what would be done with it.
#[must_use]
pub fn review(text: &str, mut settings: Settings) -> Review {
    let Manifests { objects, workloads, secrets, skipped, problems: unreadable, .. } = Manifests::read(text);
    let mut index = Index::default();
    let mut places: Vec<(Name, Place)> = Vec::new();
    let mut notes = Vec::new();
    for Placed { object, place } in objects {
        if let Object::Ingress(ingress) = &object {
            if index.ingress(&ingress.name).is_some() {
                notes.push(twice(&ingress.name, place));
                places.retain(|(name, _)| *name != ingress.name);
            }
            places.push((ingress.name.clone(), place));
        }
        index.apply(object);
    }
    // A class that is not in the file is taken for what it is called.
    settings.ownership.by_name |= !index.classes.contains_key(&Name::new("", &settings.ownership.class));
    let mut translator = Translator::new(settings.clone());
    let made = ring().and_then(|ring| translator.translate(&mut index, &secrets, &ring, Millis(0)));
    let verdicts = made.into_iter().flat_map(|made| made.verdicts);
    let mut verdicts: BTreeMap<_, _> = verdicts.map(|verdict| (verdict.ingress, verdict.problems)).collect();
    let mut served = translator.served(&index);
    let mut absent = BTreeSet::new();
    let one = |(name, place): (Name, Place)| {
        let ingress = index.ingress(&name)?;
        let mut problems = refused(ingress);
        match verdicts.remove(&name) {
            None => problems.push(foreign(&settings, &index, ingress)),
            Some(said) => {
                let missing: Vec<_> = translator.services(&name).filter(|name| index.service(name).is_none()).collect();
                let granted: Vec<_> = missing.iter().map(|name| problem::Problem::no_service(name)).collect();
                problems.extend(said.iter().filter(|problem| !granted.contains(problem)).map(judged));
                absent.extend(missing.iter().map(|name| format!("Service {name}")));
            }
        }
        let served = served.remove(&name).unwrap_or_default();
        problems.extend(advice::behind(&index, &workloads, &name, &served));
        let is_canary = annotations::is_canary(&ingress.annotations, &settings.annotations_prefix);
        Some(Reviewed { name, place, served, is_canary, problems })
    };
    let ingresses = places.into_iter().filter_map(one).collect();
    let unread = translator.secrets().into_keys().filter(|name| !secrets.contains_key(name));
    absent.extend(unread.map(|name| format!("Secret {name}")));
    notes.extend(granted(&absent));
    notes.extend(passed_over(&skipped));
    Review { ingresses, unreadable: unreadable.into_iter().collect(), notes: notes.into_iter().collect() }
}

fn judged(problem: &problem::Problem) -> Problem {
    let severity = if problem.reason == Reason::UnknownAnnotation { Severity::Warning } else { Severity::Error };
    // Whoever is older in a file without ages is a matter of its order.
    let hint = (problem.reason == Reason::Conflict)
        .then(|| "without creationTimestamp, the first in the file is the older".to_owned());
    Problem { severity, message: problem.text.clone(), hint, place: None }
}

/// Why an Ingress is not ours.
fn foreign(settings: &Settings, index: &Index, ingress: &Ingress) -> Problem {
    let ours = &settings.ownership.class;
    let class = ingress.legacy_class.as_deref().or(ingress.spec.ingress_class_name.as_deref());
    let (message, hint) = match class {
        None => (
            "not served: it names no class".to_owned(),
            format!("ingressClassName: {ours}, or --watch-ingress-without-class"),
        ),
        Some(class) if *class == **ours => {
            let named = index.classes.get(&Name::new("", class)).map_or("", |class| &class.controller);
            (
                format!("not served: IngressClass {class} is for the controller {named}"),
                format!("--controller-class {named}, or --ingress-class-by-name"),
            )
        }
        Some(class) => (
            format!("not served: its class is {class}, not {ours}"),
            format!("ingressClassName: {ours}, or --ingress-class {class} to see what would be served"),
        ),
    };
    Problem { severity: Severity::Warning, message, hint: Some(hint), place: None }
}

/// Paths that the API server does not take.
fn refused(ingress: &Ingress) -> Vec<Problem> {
    let rules = ingress.spec.rules.iter().flatten();
    let paths = rules.filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
    let wrong = paths.filter(|path| !matches!(&*path.path_type, "Exact" | "Prefix" | "ImplementationSpecific"));
    let problem = |path: &HTTPIngressPath| Problem {
        severity: Severity::Error,
        message: match &*path.path_type {
            "" => format!("path {:?} has no pathType: the API server refuses it", path.path.as_deref().unwrap_or("/")),
            other => format!("pathType {other:?} is unknown: the API server refuses it"),
        },
        hint: Some("Prefix, Exact or ImplementationSpecific".to_owned()),
        place: None,
    };
    wrong.map(problem).collect()
}

fn granted(absent: &BTreeSet<String>) -> Option<Problem> {
    let all: Vec<_> = absent.iter().map(String::as_str).collect();
    (!all.is_empty()).then(|| note(format!("not in this file, and taken for granted: {}", all.join(", "))))
}

fn passed_over(skipped: &BTreeMap<String, usize>) -> Option<Problem> {
    let all: Vec<_> = skipped.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    (!all.is_empty()).then(|| note(format!("not looked at: {}", all.join(", "))))
}

fn note(message: String) -> Problem {
    Problem { severity: Severity::Note, message, hint: None, place: None }
}

fn twice(ingress: &Name, place: Place) -> Problem {
    let message = format!("Ingress {ingress} is in the file twice: the last one counts");
    Problem { severity: Severity::Warning, message, hint: None, place: Some(place) }
}

/// No token is made: any key will do.
pub(super) fn ring() -> Option<KeyRing> {
    KeyRing::new(vec![Key::new(KeyId::new(0).ok()?, 0, &[0; SECRET_LEN])]).ok()
}

#[cfg(test)]
mod tests;
