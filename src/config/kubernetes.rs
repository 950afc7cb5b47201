//! What was typed about Ingresses → what the control plane is told. `ingress` and `check` ask here, so that they agree.

use super::args::ClassArgs;
use crate::control::kubernetes::translate::{Ownership, Settings};

/// What holds for all Ingresses.
#[must_use]
pub fn settings(class: &ClassArgs) -> Settings {
    Settings {
        ownership: Ownership {
            class: class.ingress_class.as_str().into(),
            controller: class.controller().into(),
            by_name: class.ingress_class_by_name,
            without_class: class.watch_ingress_without_class,
            selected_namespaces: !class.watch_namespace_selector.is_empty(),
        },
        annotations_prefix: format!("{}/", class.annotations_prefix.trim_end_matches('/')),
        like_nginx: class.ingress_class == "nginx",
        default_backend: None,
        legacy_until: None,
    }
}
