//! One Ingress → its rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::backend::BackendKey;
use super::bounds::ENDPOINTS;
use super::tls::{self, Secrets};
use super::work::{Target, Translated, Work};
use super::{Settings, Translator};
use crate::control::kubernetes::annotations::{self, LegacyCookies, SessionAsked};
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::Ingress;
use crate::control::kubernetes::problem::Reason;
use crate::routing::session::{Legacy, LegacyKey};
use crate::routing::{Backend, HostPattern, KeyRing, Millis, PathMatch, Persistence, Rule, Scope, Weighted};

/// Where clients find HTTPS: the port of the Service in front of us.
const HTTPS: u16 = 443;

impl Translator {
    pub(super) fn ingress(
        &mut self,
        index: &Index,
        secrets: &Secrets,
        keys: &KeyRing,
        ingress: &Ingress,
        now: Millis,
    ) -> Translated {
        let read = annotations::read(&ingress.annotations, &self.settings.annotations_prefix);
        let mut work = Work::new(ingress, index, keys, now, read);
        if work.asked.canary.is_some() {
            // The TLS of a host is the business of the Ingress that a canary stands beside.
            self.canary_alone(&mut work);
        } else {
            let mut hosts: BTreeSet<HostPattern> = tls::rule_hosts(ingress).collect();
            let aliases: Vec<_> = hosts.iter().map(|host| work.aliases(host, &self.settings)).collect();
            hosts.extend(aliases.iter().flat_map(|all| all.iter()).chain(&work.asked.aliases).cloned());
            work.out.tls = tls::of(ingress, hosts, secrets, &mut work.out.problems);
            self.rules(&mut work);
        }
        work.shorten();
        work.out
    }

    fn rules(&mut self, work: &mut Work<'_>) {
        let spec = &work.ingress.spec;
        for rule in spec.rules.iter().flatten() {
            let Some(host) = work.host(rule.host.as_deref()) else { continue };
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                if !work.has_room(&host, path.path.as_deref(), &self.settings) {
                    return;
                }
                let Some(matched) = work.path(&host, path) else { continue };
                let made = self.rule(work, &host, path, &matched);
                work.list(&host, &matched, &made, false, &self.settings);
            }
            if let Some(default) = &spec.default_backend {
                if !work.has_room(&host, None, &self.settings) {
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
        work.list(host, &root, &made, *host != HostPattern::Any, &self.settings);
    }

    fn rule(
        &mut self,
        work: &mut Work<'_>,
        host: &HostPattern,
        path: &HTTPIngressPath,
        matched: &PathMatch,
    ) -> Arc<Rule> {
        let has_tls = work.has_tls(host, &self.settings);
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
        let session = work
            .asked
            .session
            .clone()
            .zip(target)
            .map(|(session, target)| persistence(&self.settings, session, work.ingress, &target, path, &backends));
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
    settings: &Settings,
    session: SessionAsked,
    ingress: &Ingress,
    target: &Target,
    path: &HTTPIngressPath,
    backends: &[Weighted],
) -> Persistence {
    let mut policy = session.policy;
    if session.path_of_rule {
        let typed = path.path.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/");
        policy.cookie.path = typed.chars().take_while(|letter| letter.is_ascii_graphic() && *letter != ';').collect();
    }
    let BackendKey { service, port, .. } = &target.key;
    let legacy = settings.legacy_until.filter(|_| session.legacy != LegacyCookies::None).map(|until| {
        if session.legacy == LegacyCookies::Nameless {
            return Box::new(Legacy { until, homes: None });
        }
        let name = format!("{}-{}-{}", ingress.name.namespace, service.name, target.typed_port);
        let endpoints = backends[..1].iter().flat_map(|weighted| weighted.backend.endpoints());
        let homes = endpoints.flat_map(|endpoint| {
            endpoint.addresses.iter().map(|address| (LegacyKey::of(&name, *address), endpoint.id.clone()))
        });
        Box::new(Legacy { until, homes: Some(homes.collect()) })
    });
    Persistence { scope: Scope::new(&service.namespace, &service.name, port, &policy.cookie.name), policy, legacy }
}
