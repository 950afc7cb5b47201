//! Canaries: an Ingress beside another one of the same namespace, for the same host and path.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::HTTPIngressPath;

use super::Translator;
use super::ingress::{Target, Work};
use crate::control::kubernetes::annotations::{self, CanaryAsked};
use crate::control::kubernetes::objects::Ingress;
use crate::control::kubernetes::problem::Reason;
use crate::routing::{Backend, HostPattern};

impl Translator {
    /// A canary has no rules of its own.
    pub(super) fn canary_alone(&mut self, work: &mut Work<'_>) {
        for rule in work.ingress.spec.rules.iter().flatten() {
            let host = rule.host.as_deref().unwrap_or_default();
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let _: Option<Target> = work.target(&path.backend);
                let beside = work.index.sharing(host).filter(|other| {
                    other.name.namespace == work.ingress.name.namespace
                        && !annotations::is_canary(&other.annotations)
                        && path_of(other, host, path).is_some()
                });
                if beside.count() == 0 {
                    let path = path.path.as_deref().unwrap_or("/");
                    let text = format!("a canary of nobody: no Ingress of this namespace has {host} {path}");
                    work.say(Reason::Rejected, text);
                }
            }
        }
    }

    /// The canary beside a rule, if there is one: the oldest.
    pub(super) fn canary_of(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
    ) -> Option<(CanaryAsked, Arc<Backend>)> {
        let text = if *host == HostPattern::Any { String::new() } else { host.to_string() };
        let index = work.index;
        let found = index
            .sharing(&text)
            .filter(|other| other.name.namespace == work.ingress.name.namespace)
            .filter(|other| annotations::is_canary(&other.annotations))
            .filter(|other| self.settings.ownership.is_ours(index, other))
            .filter_map(|other| Some((other, path_of(other, &text, path)?)))
            .min_by_key(|(other, _)| (other.created, &other.name))?;
        let (asked, _) = annotations::read(&found.0.annotations, &self.settings.annotations_prefix);
        let canary = *asked.canary?;
        let target = work.target(&found.1.backend);
        let backend = self.led_to(work, target.as_ref());
        Some((canary, backend))
    }
}

/// The path of an Ingress that is the same as this one.
fn path_of<'i>(ingress: &'i Ingress, host: &str, wanted: &HTTPIngressPath) -> Option<&'i HTTPIngressPath> {
    let of_host = ingress.spec.rules.iter().flatten().filter(|rule| rule.host.as_deref().unwrap_or_default() == host);
    let mut paths = of_host.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths));
    let text = |path: &HTTPIngressPath| path.path.as_deref().unwrap_or("/").to_owned();
    paths.find(|path| text(path) == text(wanted) && path.path_type == wanted.path_type)
}
