//! What the controller may do, and what it cannot do without. `docs/kubernetes.md` has the same table, and a test compares
//! the two. Pure.

/// Some verbs on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Where.
    pub place: Place,
    /// The API groups; the empty one is the core.
    pub groups: &'static [&'static str],
    /// The resource, with its subresource behind a slash.
    pub resource: &'static str,
    /// The only object that is meant.
    pub name: Option<String>,
    /// What is done.
    pub verbs: &'static [&'static str],
    /// What does not work without it.
    pub without: Without,
}

/// Where a permission is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every namespace that is watched.
    Watched,
    /// In the cluster as a whole.
    Cluster,
    /// In the controller's own namespace.
    Own,
}

/// What does not work without a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Nothing is served.
    Nothing,
    /// It is served; this is missing.
    Less(&'static str),
}

/// What has been answered about a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which one.
    pub permission: Permission,
    /// The verbs that are not allowed, with the namespace, if it is one of several.
    pub denied: Vec<String>,
    /// Why nothing is known about it.
    pub unknown: Option<String>,
}

/// Everything that is needed, in the order of the documentation; with namespaces only if they are selected by their labels.
#[must_use]
pub fn needed(lease: &str, keys: &str, with_classes: bool, with_namespaces: bool) -> Vec<Permission> {
    const LOOK: &[&str] = &["list", "watch"];
    let of =
        |place, groups, resource, verbs, without| Permission { place, groups, resource, name: None, verbs, without };
    let watched = |group, resource| of(Place::Watched, group, resource, LOOK, Without::Nothing);
    let cluster = |group, resource| of(Place::Cluster, group, resource, LOOK, Without::Nothing);
    let own = |group, resource, verbs, without| of(Place::Own, group, resource, verbs, without);
    let leader = Without::Less("no replica writes statuses and Events");
    let mut needed = vec![watched(&["networking.k8s.io"], "ingresses")];
    if with_classes {
        needed.push(cluster(&["networking.k8s.io"], "ingressclasses"));
    }
    if with_namespaces {
        needed.push(cluster(&[""], "namespaces"));
    }
    needed.extend([
        watched(&[""], "services"),
        watched(&["discovery.k8s.io"], "endpointslices"),
        watched(&[""], "pods"),
        watched(&["apps"], "statefulsets"),
        of(Place::Watched, &[""], "secrets", &["get"], Without::Less("hosts get the default certificate")),
        of(
            Place::Watched,
            &["networking.k8s.io"],
            "ingresses/status",
            &["patch"],
            Without::Less("kubectl get ingress shows no ADDRESS"),
        ),
        of(
            Place::Watched,
            &["", "events.k8s.io"],
            "events",
            &["create", "patch"],
            Without::Less("nothing is said at an Ingress that is wrong"),
        ),
        own(&["coordination.k8s.io"], "leases", &["create"], leader),
        Permission {
            name: Some(lease.to_owned()),
            ..own(&["coordination.k8s.io"], "leases", &["get", "update"], leader)
        },
        own(&[""], "secrets", &["create"], Without::Nothing),
        Permission { name: Some(keys.to_owned()), ..own(&[""], "secrets", LOOK, Without::Nothing) },
        own(&[""], "pods", &["list"], Without::Less("without a Service that has an address, no ADDRESS is shown")),
    ]);
    needed
}

impl Permission {
    /// The resource as RBAC has it, with its group.
    #[must_use]
    pub fn shown(&self) -> String {
        let groups: Vec<_> = self.groups.iter().map(|group| if group.is_empty() { "core" } else { *group }).collect();
        let name = self.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{}{name} ({})", self.resource, groups.join(", "))
    }
}
