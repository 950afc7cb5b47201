//! Which Ingresses are ours.

use std::sync::Arc;

use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::{Ingress, Name};

/// How Ingresses say that they are ours.
#[derive(Clone, Debug)]
pub struct Ownership {
    /// The name of our class.
    pub class: Arc<str>,
    /// The controller that classes of ours name.
    pub controller: Arc<str>,
    /// Is the class with our name ours, whatever controller it names?
    pub by_name: bool,
    /// Are Ingresses without any class ours?
    pub without_class: bool,
    /// Are only those ours whose namespace a selector has let through?
    pub selected_namespaces: bool,
}

impl Ownership {
    /// Is this Ingress ours?
    #[must_use]
    pub fn is_ours(&self, index: &Index, ingress: &Ingress) -> bool {
        if self.selected_namespaces {
            let namespace = Name { namespace: "".into(), name: Arc::clone(&ingress.name.namespace) };
            if !index.namespaces.contains(&namespace) {
                return false;
            }
        }
        match (&ingress.legacy_class, &ingress.spec.ingress_class_name) {
            (Some(class), _) => *class == self.class,
            (None, Some(class)) => self.is_our_class(index, class),
            (None, None) => self.without_class || self.is_default(index),
        }
    }

    fn is_our_class(&self, index: &Index, class: &str) -> bool {
        match index.classes.get(&Name::new("", class)) {
            _ if self.by_name && *class == *self.class => true,
            Some(class) => class.controller == self.controller,
            None => false,
        }
    }

    /// Is a class of ours the one for Ingresses that name none?
    fn is_default(&self, index: &Index) -> bool {
        index.classes.values().any(|class| {
            class.is_default && (class.controller == self.controller || (self.by_name && class.name.name == self.class))
        })
    }
}
