//! One Ingress → its rules.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::Translator;
use super::backend::BackendKey;
use super::bounds::ENDPOINTS;
use super::neighbours::{Neighbours, typed};
use super::tls::{self, Secrets};
use super::work::{Target, Translated, Work};
use crate::control::kubernetes::annotations::{self, LegacyCookies, SessionAsked};
use crate::control::kubernetes::objects::Ingress;
use crate::control::kubernetes::problem::Reason;
use crate::routing::session::{Legacy, attribute};
use crate::routing::{Backend, HostPattern, KeyRing, Millis, PathMatch, Persistence, Rule, Scope, Weighted};

/// Where clients find HTTPS: the port of the Service in front of us.
const HTTPS: u16 = 443;

impl Translator {
    pub(super) fn ingress(
        &mut self,
        neighbours: &Neighbours<'_>,
        secrets: &Secrets,
        keys: &KeyRing,
        ingress: &Ingress,
        now: Millis,
    ) -> Translated {
        let read = annotations::read(&ingress.annotations, &self.settings.annotations_prefix);
        let mut work = Work::new(ingress, neighbours, keys, now, read);
        if work.asked.canary.is_some() {
            // The TLS of a host is the business of the Ingress that a canary stands beside.
            Self::canary_alone(&mut work);
        } else {
            self.rules(&mut work);
            if ingress.spec.tls.as_ref().is_some_and(|tls| !tls.is_empty()) {
                let aliases = work.out.rules.iter().map(|(host, ..)| host.clone());
                let served = tls::rule_hosts(ingress).chain(aliases).collect();
                // Without its certificate a host is not reached at all: that is said before what its paths lack.
                let mut problems = Vec::new();
                work.out.tls = tls::of(ingress, served, secrets, &mut problems);
                work.out.problems.splice(..0, problems);
            }
        }
        work.shorten();
        work.out
    }

    fn rules(&mut self, work: &mut Work<'_>) {
        let spec = &work.ingress.spec;
        for rule in spec.rules.iter().flatten() {
            let Some(host) = work.host(rule.host.as_deref()) else { continue };
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                if !work.has_room(&host, path.path.as_deref()) {
                    return;
                }
                let Some(matched) = work.path(&host, path) else { continue };
                let made = self.rule(work, &host, path, &matched);
                work.list(&host, &matched, &made, false);
            }
            if let Some(default) = &spec.default_backend {
                if !work.has_room(&host, None) {
                    return;
                }
                self.default(work, &host, default);
            }
        }
        if let (Some(default), true) = (&spec.default_backend, spec.rules.iter().flatten().next().is_none()) {
            self.default(work, &HostPattern::Any, default);
        }
    }

    /// What a host gets where no rule of anybody fits.
    fn default(&mut self, work: &mut Work<'_>, host: &HostPattern, backend: &IngressBackend) {
        let path = HTTPIngressPath { backend: backend.clone(), path: None, path_type: "Prefix".to_owned() };
        let root = PathMatch::Prefix("".into());
        let made = self.rule(work, host, &path, &root);
        work.list(host, &root, &made, *host != HostPattern::Any);
    }

    fn rule(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
        matched: &PathMatch,
    ) -> Arc<Rule> {
        let has_tls = work.about(host).has_tls;
        let like_nginx = self.settings.like_nginx || work.asked.like_nginx;
        let redirects = work.asked.force_ssl_redirect || (has_tls && work.asked.ssl_redirect.unwrap_or(like_nginx));
        let target = work.target(&path.backend);
        let primary = self.led_to(work, target.as_ref());
        let canary = self.canary_of(work, host, path);
        let mut backends = vec![Weighted { weight: 1, backend: Arc::clone(&primary) }];
        let canary = canary.map(|(asked, backend)| {
            backends[0].weight = asked.total - asked.weight;
            backends.push(Weighted { weight: asked.weight, backend });
            Box::new(asked.canary.clone())
        });
        let session = work.asked.session.clone().zip(target).map(|(session, target)| {
            let cookie_path = cookie_path(path, matched);
            persistence(work, self.settings.legacy_until, session, &target, cookie_path, &primary)
        });
        Arc::new(Rule {
            backends: backends.into(),
            balance: work.asked.balance(),
            session,
            redirect_to_https: redirects.then_some(HTTPS),
            canary,
            filters: work.filters(path, matched, like_nginx, has_tls),
        })
    }

    /// The backend behind a target; none at all has no endpoints (503).
    pub(super) fn led_to(&mut self, work: &mut Work<'_>, target: Option<&Target>) -> Arc<Backend> {
        let Some(Target { key, .. }) = target else {
            let id = crate::routing::BackendId::new(format!("{}:none", work.ingress.name));
            return Arc::new(Backend::empty(id));
        };
        let is_new = work.out.backends.insert(key.clone());
        let backend = self.backend(work.index, key, work.keys, work.now);
        if is_new && backend.endpoints().len() >= ENDPOINTS {
            work.say(
                Reason::Rejected,
                format!("Service {} has {ENDPOINTS} endpoints or more: no more than these are used", key.service),
            );
        }
        backend
    }
}

fn persistence(
    work: &mut Work<'_>,
    legacy_until: Option<u64>,
    session: SessionAsked,
    target: &Target,
    cookie_path: &str,
    backend: &Backend,
) -> Persistence {
    let mut policy = session.policy;
    if session.path_of_rule {
        policy.cookie.path = cookie_path.to_owned();
    }
    let BackendKey { service, port, .. } = &target.key;
    let legacy = legacy_until.filter(|_| session.legacy != LegacyCookies::None).map(|until| {
        let homes = (session.legacy != LegacyCookies::Nameless).then(|| work.homes(target, backend));
        Box::new(Legacy { until, homes })
    });
    Persistence { scope: Scope::new(&service.namespace, &service.name, port, &policy.cookie.name), policy, legacy }
}

/// Below which path a session's cookie comes back to its rule: as it is written, as in ingress-nginx, but for what is an
/// expression, which no browser would find anything below.
fn cookie_path<'p>(path: &'p HTTPIngressPath, matched: &PathMatch) -> &'p str {
    let typed = typed(path);
    attribute::path_above(typed, if matches!(matched, PathMatch::Regex(_)) { is_expression } else { |_| false })
}

/// Does this stand for something else in an expression? A dot mostly stands for itself.
fn is_expression(byte: u8) -> bool {
    br"\^$*+?()[]{}|".contains(&byte)
}
