//! Facts → what is to be said about them. Pure.

use super::facts::{Facts, Line, Mark};
use super::permissions::{Answer, Place, Without};
use super::{sessions, translated};
use crate::control::kubernetes::annotations;
use crate::control::kubernetes::objects::{Ingress, Kind, Name};
use crate::control::kubernetes::problem::{Problem, Reason};
use crate::control::kubernetes::translate::{Settings, Translator};

/// The oldest version that the manifests are for.
const OLDEST: (u32, u32) = (1, 29);
/// The controller that classes of ingress-nginx name.
const NGINX: &str = "k8s.io/ingress-nginx";

/// Everything that is to be said, in the order in which it would have to be mended.
#[must_use]
pub fn lines(facts: &mut Facts, settings: &Settings) -> Vec<Line> {
    let mut lines = vec![server(facts)];
    lines.extend(stranger(facts));
    lines.extend(facts.permissions.iter().map(|answer| permission(answer, &facts.namespace)));
    lines.extend(facts.unlisted.iter().map(|(kind, error)| unlisted(*kind, error)));
    lines.extend(facts.unreadable.iter().map(|(kind, name, error)| unreadable(*kind, name, error)));
    lines.extend(class(facts, settings));
    ingresses(facts, settings, &mut lines);
    lines
}

fn server(facts: &Facts) -> Line {
    let user = facts.user.as_ref().map(|user| format!(", as {user}")).unwrap_or_default();
    let text = format!("API server {}{user}", facts.server);
    match facts.version {
        Some(version) if version < OLDEST => Line::new(Mark::Warning, text)
            .hint(format!("Kubernetes {}.{} or newer is what Moorline is tested with", OLDEST.0, OLDEST.1)),
        _ => Line::new(Mark::Good, text),
    }
}

/// Permissions of a person say nothing about those of a pod.
fn stranger(facts: &Facts) -> Option<Line> {
    let user = facts.user.as_deref().filter(|user| !user.starts_with("system:serviceaccount:"))?;
    let hint = "--pod-namespace moorline --as system:serviceaccount:moorline:moorline, or wherever yours runs";
    Some(Line::new(Mark::Note, format!("the permissions below are those of {user}, not of a pod")).hint(hint))
}

fn permission(answer: &Answer, namespace: &str) -> Line {
    let Answer { permission, denied, unknown } = answer;
    let place = if permission.place == Place::Own { format!(" in {namespace}") } else { String::new() };
    let shown = format!("{}{place}", permission.shown());
    if let Some(why) = unknown {
        return Line::new(
            Mark::Warning,
            format!("whether we may {} {shown} is not known: {why}", permission.verbs.join(", ")),
        );
    }
    if denied.is_empty() {
        return Line::new(Mark::Good, format!("may {} {shown}", permission.verbs.join(", ")));
    }
    let (mark, consequence) = match permission.without {
        Without::Nothing => (Mark::Error, "nothing is served without it"),
        Without::Less(what) => (Mark::Warning, what),
    };
    let role = if permission.place == Place::Own { "role" } else { "cluster-role" };
    Line::new(mark, format!("may not {} {shown}: {consequence}", denied.join(", ")))
        .hint(format!("deploy/base/{role}.yaml has it; the chart, too"))
}

fn unlisted(kind: Kind, error: &str) -> Line {
    let text = format!("what there is of {} is not known: {error}", kind.as_str());
    Line::new(Mark::Error, text).hint("what follows says nothing about it")
}

fn unreadable(kind: Kind, name: &Name, error: &str) -> Line {
    let text = format!("{} {name} cannot be read: {error}", kind.as_str());
    Line::new(Mark::Error, text).hint("Moorline takes it for absent, or for what it was when it could be read")
}

fn class(facts: &Facts, settings: &Settings) -> Option<Line> {
    let ownership = &settings.ownership;
    let (name, controller) = (&ownership.class, &ownership.controller);
    let line = match facts.index.classes.get(&Name::new("", name)) {
        Some(class) if class.controller == *controller => {
            let default = if class.is_default { ", and the default one" } else { "" };
            Line::new(Mark::Good, format!("IngressClass {name} is ours{default}"))
        }
        _ if ownership.by_name => Line::new(Mark::Good, format!("IngressClass {name} is ours by its name")),
        Some(class) => {
            let text = format!("IngressClass {name} is for the controller {}, not for {controller}", class.controller);
            Line::new(Mark::Error, text)
                .hint("another name (--ingress-class), or --controller-class, or --ingress-class-by-name")
        }
        None if !facts.knows(Kind::Class) => return None,
        None => Line::new(Mark::Error, format!("there is no IngressClass {name}: no Ingress can be ours"))
            .hint("kubectl apply -f deploy/base/ingressclass.yaml, or --ingress-class-by-name"),
    };
    Some(line)
}

fn ingresses(facts: &mut Facts, settings: &Settings, lines: &mut Vec<Line>) {
    let mut translator = Translator::new(settings.clone());
    facts.index.mark_all();
    let mut said = translated(&mut translator, &mut facts.index, &facts.secrets);
    let served = translator.served(&facts.index);
    if served.is_empty() && facts.unlisted.is_empty() {
        let hint = format!("ingressClassName: {}", settings.ownership.class);
        lines.push(Line::new(Mark::Warning, "no Ingress is ours").hint(hint));
    }
    for (name, rules) in &served {
        let problems = said.remove(name).unwrap_or_default();
        // Whoever has seen no Service misses none.
        let is_known = |problem: &&Problem| facts.knows(Kind::Service) || problem.reason != Reason::BackendNotFound;
        let problems: Vec<_> = problems.iter().filter(is_known).collect();
        if problems.is_empty() {
            let prefix = &settings.annotations_prefix;
            let is_canary =
                facts.index.ingress(name).is_some_and(|one| annotations::is_canary(&one.annotations, prefix));
            let rules = if is_canary { "a canary".to_owned() } else { counted(rules.len(), "rule") };
            lines.push(Line::new(Mark::Good, format!("Ingress {name}: {rules}")));
        }
        lines.extend(problems.into_iter().map(|problem| judged(name, problem)));
    }
    if [Kind::Service, Kind::Slice, Kind::Set, Kind::Pod].into_iter().all(|kind| facts.knows(kind)) {
        sessions::judge(facts, &served, lines);
    }
    lines.extend(left(facts, settings));
}

fn judged(ingress: &Name, problem: &Problem) -> Line {
    let mark = if problem.reason == Reason::UnknownAnnotation { Mark::Warning } else { Mark::Error };
    let line = Line::new(mark, format!("Ingress {ingress}: {}", problem.text));
    match problem.reason {
        Reason::SecretNotFound => line.hint("a Secret of type kubernetes.io/tls, in the namespace of the Ingress"),
        Reason::BackendNotFound => line.hint(format!("kubectl -n {} get services", ingress.namespace)),
        Reason::UnknownAnnotation => line.hint("docs/annotations.md"),
        Reason::Synced | Reason::Rejected | Reason::Conflict => line,
    }
}

/// Ingresses that ingress-nginx has, or nobody.
fn left(facts: &Facts, settings: &Settings) -> Vec<Line> {
    let index = &facts.index;
    let others = index.ingresses.values().filter(|ingress| !settings.ownership.is_ours(index, ingress));
    let (mut nginx, mut nobodys) = (0, 0);
    for ingress in others {
        match class_of(ingress) {
            None => nobodys += 1,
            Some(class) => {
                let known = index.classes.get(&Name::new("", class));
                nginx += usize::from(known.map_or(class == "nginx", |known| *known.controller == *NGINX));
            }
        }
    }
    let mut lines = Vec::new();
    if nginx > 0 {
        let text = format!("{} of ingress-nginx: not ours", counted(nginx, "Ingress"));
        let hint = "to move them: --ingress-class nginx, or one after the other; docs/kubernetes.md, In the place of ingress-nginx";
        lines.push(Line::new(Mark::Note, text).hint(hint));
    }
    if nobodys > 0 {
        let text = format!("{} without a class: not ours", counted(nobodys, "Ingress"));
        lines.push(Line::new(Mark::Note, text).hint("--watch-ingress-without-class takes them"));
    }
    lines
}

fn class_of(ingress: &Ingress) -> Option<&str> {
    ingress.legacy_class.as_deref().or(ingress.spec.ingress_class_name.as_deref())
}

fn counted(number: usize, what: &str) -> String {
    match (number, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{number} {what}es"),
        (_, false) => format!("{number} {what}s"),
    }
}
