//! Canaries: an Ingress beside another one of the same namespace, for the same host and path.

use std::rc::Rc;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::HTTPIngressPath;

use super::Translator;
use super::bounds::CANARY_PATHS;
use super::neighbours::{paths, typed};
use super::work::{Target, Work};
use crate::control::kubernetes::annotations::CanaryAsked;
use crate::control::kubernetes::problem::Reason;
use crate::routing::{Backend, HostPattern};

impl Translator {
    /// A canary has no rules of its own.
    pub(super) fn canary_alone(work: &mut Work<'_>) {
        for (number, (host, path)) in paths(work.ingress).enumerate() {
            let typed = typed(path);
            if number == CANARY_PATHS {
                let text =
                    format!("a canary has at most {CANARY_PATHS} paths: {host} {typed:?} and what follows is none");
                return work.say_first(Reason::Rejected, text);
            }
            let _: Option<Target> = work.target(&path.backend);
            let pattern = if host.is_empty() { Ok(HostPattern::Any) } else { host.parse() };
            if !pattern.is_ok_and(|host| work.about(&host).has_primary(path)) {
                let text = format!("a canary of nobody: no Ingress of this namespace has {host} {typed}");
                work.say(Reason::Rejected, text);
            }
        }
        if let Some(default) = &work.ingress.spec.default_backend {
            let _: Option<Target> = work.target(default);
            if !work.about(&HostPattern::Any).serves_any {
                let text = "a canary of nobody: no Ingress of this namespace serves any host".to_owned();
                work.say(Reason::Rejected, text);
            }
        }
    }

    /// The canary beside a rule, if there is one.
    pub(super) fn canary_of(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
    ) -> Option<(Rc<CanaryAsked>, Arc<Backend>)> {
        let (canary, backend) = work.about(host).canary(path)?;
        let target = work.target(&backend);
        let backend = self.led_to(work, target.as_ref());
        Some((canary, backend))
    }
}
