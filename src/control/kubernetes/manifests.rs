//! A file with objects → the objects, as the API server would send them. Pure.
//!
//! A file says less than a cluster: objects in it have no unique name, no age, and often no namespace. They get stand-ins by
//! their order, so that the first of two that quarrel is the older one. What is wrong in one document or item keeps no other
//! from being read.

mod fields;
mod item;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::fields::Tree;
use self::item::{Item, ItemSeed, ListSeed, Sort};
use super::objects::{Name, Object};
use super::translate::Secrets;
use crate::file::documents::{Document, documents};
use crate::file::{Place, Problem, Severity};

/// What has been found in a file.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects that routing is made of, in their order.
    pub objects: Vec<Placed>,
    /// What makes pods without lasting names.
    pub workloads: Vec<Workload>,
    /// The Secrets, as far as they are certificates.
    pub secrets: Secrets,
    /// How many objects there are of the kinds that nothing is done with.
    pub skipped: BTreeMap<String, usize>,
    /// What could not be read, or means nothing.
    pub problems: Vec<Problem>,
    /// How many objects there were, of whatever kind.
    count: usize,
}

/// An object and where it stands.
#[derive(Debug)]
#[expect(missing_docs, reason = "an object and its place")]
pub struct Placed {
    pub object: Object,
    pub place: Place,
}

/// A Deployment, or another thing whose pods have no lasting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// `Deployment`, `DaemonSet` or `ReplicaSet`.
    pub kind: &'static str,
    /// What it is called.
    pub name: Name,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
}

/// What every object begins with.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    version: Option<String>,
    kind: Option<String>,
    metadata: Option<HeadMeta>,
    items: Option<Vec<PlacedHead>>,
}

#[derive(Debug, Deserialize)]
struct HeadMeta {
    name: Option<String>,
    namespace: Option<String>,
    #[serde(rename = "generateName")]
    prefix: Option<String>,
}

type PlacedHead = crate::file::At<Head>;

impl Manifests {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut manifests = Self::default();
        for (number, document) in (1..).zip(documents(text)) {
            manifests.document(number, &document);
        }
        manifests
    }

    fn document(&mut self, number: usize, document: &Document<'_>) {
        let before = self.problems.len();
        match document.read::<Head>() {
            Ok(head) => match head.items.as_deref().filter(|_| head.is_list()) {
                Some(items) => self.list(number, document, items),
                None => self.alone(number, document, &head),
            },
            Err(problem) => self.unreadable(&format!("document {number}"), problem, document),
        }
        if self.problems.len() > before && has_secret(document) {
            self.problems[before..].iter_mut().for_each(unquoted);
        }
    }

    fn alone(&mut self, number: usize, document: &Document<'_>, head: &Head) {
        let place = document.place();
        let Some(sort) = self.sort(head, place) else { return };
        let called = format!("{} (document {number})", head.called());
        match document.read_seed(ItemSeed { sort, age: self.count }) {
            Ok(item) => {
                let tree = if sort == Sort::Ingress { document.read().ok() } else { None };
                self.unknown(&item, document, tree.as_ref(), &called);
                self.keep(item, place);
            }
            Err(problem) => self.unreadable_item(sort, &called, problem, document),
        }
    }

    fn list(&mut self, number: usize, document: &Document<'_>, items: &[PlacedHead]) {
        let mut sorts = Vec::new();
        for item in items {
            sorts.push(self.sort(&item.value, document.shifted(item.place)));
        }
        let called = |at: usize| format!("{} (document {number}, item {})", items[at].value.called(), at + 1);
        // An item that cannot be read is passed over the next time: it keeps no other from being read.
        loop {
            let mut at = 0;
            let problem = match document.read_seed(ListSeed { sorts: &sorts, age: self.count, at: &mut at }) {
                Ok(found) => {
                    let tree: Option<Tree> =
                        if sorts.contains(&Some(Sort::Ingress)) { document.read().ok() } else { None };
                    for (at, (item, head)) in found.into_iter().zip(items).enumerate() {
                        self.unknown(&item, document, tree.as_ref().and_then(|tree| tree.item(at)), &called(at));
                        self.keep(item, document.shifted(head.place));
                    }
                    return;
                }
                Err(problem) => problem,
            };
            match sorts.get_mut(at).and_then(Option::take) {
                Some(sort) => self.unreadable_item(sort, &called(at), problem, document),
                None => return self.unreadable(&format!("document {number}"), problem, document),
            }
        }
    }

    /// What an object is to us; none if nothing is done with it, which is remembered or said.
    fn sort(&mut self, head: &Head, place: Place) -> Option<Sort> {
        let (Some(version), Some(kind)) = (&head.version, &head.kind) else {
            self.say(place, "this is no object of Kubernetes: it has no apiVersion and kind".to_owned(), None);
            return None;
        };
        if kind == "Ingress" && (version.starts_with("extensions/") || version == "networking.k8s.io/v1beta1") {
            let hint = "networking.k8s.io/v1, whose backends are written in another way".to_owned();
            self.say(
                place,
                format!("{}: there is no Ingress of {version} since Kubernetes 1.22", head.called()),
                Some(hint),
            );
            return None;
        }
        let Some(sort) = Sort::of(version, kind) else {
            let group = version.split_once('/').map(|(group, _)| group).filter(|group| group.contains('.'));
            let shown = group.map_or_else(|| kind.clone(), |group| format!("{kind}.{group}"));
            *self.skipped.entry(shown).or_default() += 1;
            return None;
        };
        let meta = head.metadata.as_ref();
        if meta.is_none_or(|meta| meta.name.as_deref().or(meta.prefix.as_deref()).is_none_or(str::is_empty)) {
            self.say(place, format!("this {kind} has no name"), Some("metadata.name".to_owned()));
            return None;
        }
        Some(sort)
    }

    fn keep(&mut self, item: Item, place: Place) {
        self.count += 1;
        match item {
            Item::Object(object) => self.objects.push(Placed { object, place }),
            Item::Workload(workload) => self.workloads.push(workload),
            Item::Secret(name, Some(state)) => {
                self.secrets.insert(name, state);
            }
            Item::Secret(_, None) | Item::Nothing => {}
        }
    }

    /// Warns of what stands in an Ingress and means nothing. The API server drops it, or refuses all of it.
    fn unknown(&mut self, item: &Item, document: &Document<'_>, tree: Option<&Tree>, called: &str) {
        let (Item::Object(Object::Ingress(ingress)), Some(tree)) = (item, tree) else { return };
        for (path, place, hint) in fields::unknown(tree, &ingress.spec) {
            let message = format!("{called}: there is no {path}");
            let place = Some(document.shifted(place));
            self.problems.push(Problem { severity: Severity::Warning, message, hint, place });
        }
    }

    fn say(&mut self, place: impl Into<Option<Place>>, message: String, hint: Option<String>) {
        self.problems.push(Problem { severity: Severity::Error, message, hint, place: place.into() });
    }

    /// A document as a whole.
    fn unreadable(&mut self, what: &str, problem: Problem, document: &Document<'_>) {
        if has_secret(document) {
            let message = "this cannot be read; it has a Secret in it, so nothing of it is shown";
            return self.say(problem.place, format!("{what}: {message}"), None);
        }
        self.say(problem.place, format!("{what}: {}", problem.message), template(document).or(problem.hint));
    }

    fn unreadable_item(&mut self, sort: Sort, what: &str, problem: Problem, document: &Document<'_>) {
        let Problem { message, place, hint, .. } = problem;
        match sort {
            // Nothing of its text is repeated.
            Sort::Secret => self.say(place, format!("{what}: this is not what a Secret looks like"), None),
            _ => self.say(place, format!("{what}: {message}"), template(document).or(hint)),
        }
    }
}

/// What to do with a file that other files are made from.
fn template(document: &Document<'_>) -> Option<String> {
    document.contains("{{").then(|| "of a chart: helm template … | moorline check -".to_owned())
}

/// May there be a Secret in it? However YAML can write its kind, the word stands there.
fn has_secret(document: &Document<'_>) -> bool {
    document.contains("Secret")
}

/// With the place in words: no line is shown that may have something of a Secret in it.
fn unquoted(problem: &mut Problem) {
    if let Some(Place { line, column }) = problem.place.take() {
        problem.message = format!("line {line}, column {column}: {}", problem.message);
    }
}

impl Head {
    /// `List`, or `IngressList` and the like.
    fn is_list(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.ends_with("List"))
    }

    /// The kind, and the name as far as there is one.
    fn called(&self) -> String {
        let kind = self.kind.as_deref().unwrap_or("an object");
        let Some(meta) = &self.metadata else { return kind.to_owned() };
        let name = meta.name.as_deref().or(meta.prefix.as_deref()).unwrap_or("without a name");
        let namespace = meta.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        format!("{kind} {namespace}{name}")
    }
}

#[cfg(test)]
mod tests;
