//! The latest state of every object that is watched, and what has changed in it since it was asked last.
//!
//! A synchronous structure: [`apply`](Index::apply), [`delete`](Index::delete), [`reset`](Index::reset). In which order
//! things happen to it makes no difference to what it holds in the end.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::objects::{Class, Ingress, Kind, Name, Object, Pod, Service, Set, Slice};

/// Everything that is known of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub(super) ingresses: BTreeMap<Name, Arc<Ingress>>,
    pub(super) classes: BTreeMap<Name, Class>,
    pub(super) services: BTreeMap<Name, Service>,
    /// By the Service that they are about.
    pub(super) slices: BTreeMap<Name, BTreeMap<Name, Slice>>,
    pub(super) sets: BTreeMap<Name, Set>,
    pub(super) pods: BTreeMap<Name, Pod>,
    pub(super) namespaces: BTreeSet<Name>,
    /// Of slices, the Service that each is about.
    services_of: BTreeMap<Name, Name>,
    /// The Ingresses that name a host: what one says about it (a certificate, a canary) may be about another's rule.
    by_host: BTreeMap<Box<str>, BTreeSet<Name>>,
    dirty: Dirty,
    /// The Ingresses that have changed themselves.
    changed: BTreeSet<Name>,
}

/// What has to be made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// These Ingresses.
    pub ingresses: BTreeSet<Name>,
    /// The endpoints of these Services.
    pub services: BTreeSet<Name>,
    /// The endpoints of every Service in these namespaces.
    pub pods: BTreeSet<Arc<str>>,
    /// Whose Ingress is ours, and all that follows from it.
    pub all: bool,
}

impl Index {
    /// This is what an object looks like now.
    pub fn apply(&mut self, object: Object) {
        let name = object.name().clone();
        match object {
            Object::Ingress(new) => {
                let old = self.ingresses.insert(name.clone(), Arc::clone(&new));
                if old.as_ref().is_none_or(|old| !is_same(old, &new)) {
                    self.replace_ingress(old.as_deref(), Some(&new));
                    self.changed.insert(name);
                }
            }
            Object::Class(new) => self.dirty.all |= replaced(&mut self.classes, name, new),
            Object::Service(new) => {
                if replaced(&mut self.services, name.clone(), new) {
                    self.dirty.services.insert(name);
                }
            }
            Object::Slice(new) => self.apply_slice(name, new),
            Object::Set(new) => {
                if replaced(&mut self.sets, name.clone(), new) {
                    self.dirty.pods.insert(name.namespace);
                }
            }
            Object::Pod(new) => {
                if replaced(&mut self.pods, name.clone(), new) {
                    self.dirty.pods.insert(name.namespace);
                }
            }
            Object::Namespace(_) => self.dirty.all |= self.namespaces.insert(name),
        }
    }

    /// An object is gone.
    pub fn delete(&mut self, kind: Kind, name: &Name) {
        match kind {
            Kind::Ingress => {
                let old = self.ingresses.remove(name);
                self.replace_ingress(old.as_deref(), None);
                self.changed.remove(name);
            }
            Kind::Class => self.dirty.all |= self.classes.remove(name).is_some(),
            Kind::Service => {
                if self.services.remove(name).is_some() {
                    self.dirty.services.insert(name.clone());
                }
            }
            Kind::Slice => self.delete_slice(name),
            Kind::Set => {
                if self.sets.remove(name).is_some() {
                    self.dirty.pods.insert(Arc::clone(&name.namespace));
                }
            }
            Kind::Pod => {
                if self.pods.remove(name).is_some() {
                    self.dirty.pods.insert(Arc::clone(&name.namespace));
                }
            }
            Kind::Namespace => self.dirty.all |= self.namespaces.remove(name),
        }
    }

    /// These are all objects of a kind, in these namespaces (`None`: in all): what is not among them is gone, but for
    /// those of these names, which are what they were.
    pub fn reset(&mut self, kind: Kind, namespace: Option<&str>, objects: Vec<Object>, kept: &BTreeSet<Name>) {
        let there: BTreeSet<Name> = objects.iter().map(Object::name).chain(kept).cloned().collect();
        for name in self.names(kind) {
            if namespace.is_none_or(|namespace| *name.namespace == *namespace) && !there.contains(&name) {
                self.delete(kind, &name);
            }
        }
        for object in objects {
            self.apply(object);
        }
    }

    /// What has changed since this was asked last.
    pub fn take_dirty(&mut self) -> Dirty {
        std::mem::take(&mut self.dirty)
    }

    /// The Ingresses that are other ones since this was asked last: not those that are only to be made anew.
    pub fn take_changed(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.changed)
    }

    /// Are there any?
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Everything is to be made anew.
    pub fn mark_all(&mut self) {
        self.dirty.all = true;
    }

    /// The endpoints of the Services in this namespace are to be looked at again.
    pub fn mark_pods(&mut self, namespace: &Arc<str>) {
        self.dirty.pods.insert(Arc::clone(namespace));
    }

    /// This Ingress is to be made anew, because something that it names has changed.
    pub fn mark(&mut self, ingress: &Name) {
        self.dirty.ingresses.insert(ingress.clone());
    }

    /// The Service of this name.
    #[must_use]
    pub fn service(&self, name: &Name) -> Option<&Service> {
        self.services.get(name)
    }

    /// The Ingress of this name.
    #[must_use]
    pub fn ingress(&self, name: &Name) -> Option<&Arc<Ingress>> {
        self.ingresses.get(name)
    }

    /// The Ingresses of a namespace that name this host; the empty one is that of rules without a host, and of default backends.
    pub(super) fn sharing<'i>(
        &'i self,
        namespace: &'i Arc<str>,
        host: &str,
    ) -> impl Iterator<Item = &'i Arc<Ingress>> + use<'i> {
        self.by_host
            .get(host)
            .into_iter()
            .flat_map(|named| beside(named, namespace))
            .filter_map(|name| self.ingresses.get(name))
    }

    fn replace_ingress(&mut self, old: Option<&Ingress>, new: Option<&Ingress>) {
        if let Some(old) = old {
            for host in hosts(old) {
                let Some(named) = self.by_host.get_mut(&*host) else { continue };
                self.dirty.ingresses.extend(beside(named, &old.name.namespace).cloned());
                named.remove(&old.name);
                if named.is_empty() {
                    self.by_host.remove(&*host);
                }
            }
            self.dirty.ingresses.insert(old.name.clone());
        }
        if let Some(new) = new {
            for host in hosts(new) {
                let named = self.by_host.entry(host.into()).or_default();
                named.insert(new.name.clone());
                // What Ingresses say of each other's hosts counts within a namespace.
                self.dirty.ingresses.extend(beside(named, &new.name.namespace).cloned());
            }
            self.dirty.ingresses.insert(new.name.clone());
        }
    }

    fn apply_slice(&mut self, name: Name, new: Slice) {
        let service = name.beside(&new.service);
        if let Some(before) = self.services_of.insert(name.clone(), service.clone())
            && before != service
        {
            self.forget_slice(&before, &name);
        }
        if replaced(self.slices.entry(service.clone()).or_default(), name, new) {
            self.dirty.services.insert(service);
        }
    }

    fn delete_slice(&mut self, name: &Name) {
        if let Some(service) = self.services_of.remove(name) {
            self.forget_slice(&service, name);
        }
    }

    fn forget_slice(&mut self, service: &Name, name: &Name) {
        let Some(slices) = self.slices.get_mut(service) else { return };
        slices.remove(name);
        if slices.is_empty() {
            self.slices.remove(service);
        }
        self.dirty.services.insert(service.clone());
    }

    fn names(&self, kind: Kind) -> Vec<Name> {
        match kind {
            Kind::Ingress => self.ingresses.keys().cloned().collect(),
            Kind::Class => self.classes.keys().cloned().collect(),
            Kind::Service => self.services.keys().cloned().collect(),
            Kind::Slice => self.services_of.keys().cloned().collect(),
            Kind::Set => self.sets.keys().cloned().collect(),
            Kind::Pod => self.pods.keys().cloned().collect(),
            Kind::Namespace => self.namespaces.iter().cloned().collect(),
        }
    }
}

impl Dirty {
    /// Has nothing changed?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Those of a namespace.
fn beside<'n>(names: &'n BTreeSet<Name>, namespace: &'n Arc<str>) -> impl Iterator<Item = &'n Name> {
    let first = Name { namespace: Arc::clone(namespace), name: Arc::default() };
    names.range(first..).take_while(move |name| name.namespace == *namespace)
}

/// The hosts that an Ingress says something about, however they are spelt: who has a default backend says something about any.
fn hosts(ingress: &Ingress) -> BTreeSet<Cow<'_, str>> {
    let any = ingress.spec.default_backend.as_ref().map(|_| "");
    let rules = ingress.spec.rules.iter().flatten().map(|rule| rule.host.as_deref().unwrap_or_default());
    let tls = ingress.spec.tls.iter().flatten().flat_map(|tls| tls.hosts.iter().flatten()).map(String::as_str);
    rules.chain(tls).chain(any).map(canonical).collect()
}

/// A host as [`HostPattern`](crate::routing::HostPattern) shows it, whatever it is.
pub(super) fn canonical(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

/// Does it ask for the same? The status is ours, and the version says nothing by itself.
fn is_same(one: &Ingress, other: &Ingress) -> bool {
    (&one.uid, one.created, &one.legacy_class, &one.annotations, &one.spec)
        == (&other.uid, other.created, &other.legacy_class, &other.annotations, &other.spec)
}

/// Puts an object in the place of the one before it. Is it another?
fn replaced<T: PartialEq>(objects: &mut BTreeMap<Name, T>, name: Name, new: T) -> bool {
    match objects.get_mut(&name) {
        Some(old) if *old == new => false,
        Some(old) => {
            *old = new;
            true
        }
        None => {
            objects.insert(name, new);
            true
        }
    }
}
