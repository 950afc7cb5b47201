//! An Ingress on its way to its rules: what it asks for, what has been found of it, and what there is to say.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend, IngressServiceBackend};

use super::backend::BackendKey;
use super::bounds::{ALL_EXPRESSIONS, EXPRESSIONS, PROBLEMS, RULES};
use super::neighbours::{Neighbours, Said};
use super::tls::Tls;
use crate::control::kubernetes::annotations::Asked;
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::{Ingress, Name};
use crate::control::kubernetes::problem::{Problem, Reason};
use crate::routing::filters::{Access, Filters, Pattern, Rewrite, Template};
use crate::routing::session::{Homes, LegacyKey};
use crate::routing::{Backend, BackendId, Endpoint, HostPattern, KeyRing, Millis, Origin, PathMatch, Rule};

/// What ingress-nginx has for bodies.
const BODY_SIZE: u64 = 1 << 20;
/// What ingress-nginx has for hosts with certificates.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// What has become of an Ingress.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) rules: Vec<(HostPattern, PathMatch, Arc<Rule>, Origin)>,
    pub(super) backends: BTreeSet<BackendKey>,
    /// The Services that it names, there or not.
    pub(super) services: BTreeSet<Name>,
    pub(super) tls: Tls,
    pub(super) problems: Vec<Problem>,
    pub(super) origin: Origin,
}

/// A Service's port as an Ingress means it.
pub(super) struct Target {
    pub(super) key: BackendKey,
    /// As it was typed: ingress-nginx has it in the names of its backends.
    pub(super) typed_port: String,
}

/// An Ingress on its way.
pub(super) struct Work<'w> {
    pub(super) ingress: &'w Ingress,
    pub(super) index: &'w Index,
    neighbours: &'w Neighbours<'w>,
    pub(super) keys: &'w KeyRing,
    pub(super) now: Millis,
    pub(super) asked: Asked,
    pub(super) out: Translated,
    /// How many expressions each host has, and all of them.
    expressions: (HashMap<HostPattern, usize>, usize),
    /// Where the cookies of ingress-nginx lead, by backend and port as it was typed: one may have many paths.
    homes: HashMap<(BackendId, String), Homes>,
}

impl<'w> Work<'w> {
    /// Nothing has been found of an Ingress but what its annotations ask for, and what is wrong with those.
    pub(super) fn new(
        ingress: &'w Ingress,
        neighbours: &'w Neighbours<'w>,
        keys: &'w KeyRing,
        now: Millis,
        (asked, problems): (Asked, Vec<Problem>),
    ) -> Self {
        let origin = Origin { is_default: false, created: ingress.created, name: ingress.name.to_string().into() };
        let (rules, backends, services, tls) = Default::default();
        let out = Translated { rules, backends, services, tls, problems, origin };
        let (index, expressions, homes) = (neighbours.index, Default::default(), HashMap::new());
        Self { ingress, index, neighbours, keys, now, asked, out, expressions, homes }
    }

    pub(super) fn say(&mut self, reason: Reason, text: String) {
        self.out.problems.push(Problem { reason, text });
    }

    /// Is there room for one more rule? If there is not, it is said where the room has ended.
    pub(super) fn has_room(&mut self, host: &HostPattern, path: Option<&str>) -> bool {
        let has_room = self.out.rules.len() + 1 + self.about(host).aliases.len() <= RULES;
        if !has_room {
            let path = path.unwrap_or("/");
            let text = format!(
                "an Ingress has at most {RULES} rules, each counted once for every name of its host: {host} {path:?} and what follows is not served"
            );
            self.say_first(Reason::Rejected, text);
        }
        has_room
    }

    /// Says what must not be lost: of an Ingress of which there is much to say, not all of it is said.
    pub(super) fn say_first(&mut self, reason: Reason, text: String) {
        self.out.problems.insert(0, Problem { reason, text });
    }

    /// What is wrong is remembered and compared whenever anything changes anywhere, so there is an end to it.
    pub(super) fn shorten(&mut self) {
        let problems = &mut self.out.problems;
        problems.dedup();
        let more = problems.len().saturating_sub(PROBLEMS);
        if more > 0 {
            problems.truncate(PROBLEMS);
            problems.push(Problem { reason: Reason::Rejected, text: format!("and {more} more like these") });
        }
    }

    /// What is said about a host in this namespace.
    pub(super) fn about(&self, host: &HostPattern) -> Rc<Said> {
        self.neighbours.about(&self.ingress.name.namespace, host)
    }

    pub(super) fn host(&mut self, host: Option<&str>) -> Option<HostPattern> {
        let Some(host) = host.filter(|host| !host.is_empty()) else { return Some(HostPattern::Any) };
        match host.parse::<HostPattern>() {
            Ok(HostPattern::Any) | Err(_) => {
                self.say(Reason::Rejected, format!("{host:?} is no host"));
                None
            }
            Ok(pattern) => Some(pattern),
        }
    }

    pub(super) fn path(&mut self, host: &HostPattern, path: &HTTPIngressPath) -> Option<PathMatch> {
        let text = path.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
        let is_expression = (self.asked.use_regex || self.asked.rewrite_target.is_some()) && path.path_type != "Exact";
        let matched = if is_expression {
            let (of_hosts, all) = &mut self.expressions;
            let known = of_hosts.entry(host.clone()).or_default();
            if *known >= EXPRESSIONS || *all >= ALL_EXPRESSIONS {
                Err(format!(
                    "an Ingress has at most {EXPRESSIONS} expressions for a host, and {ALL_EXPRESSIONS} in all"
                ))
            } else {
                *known += 1;
                *all += 1;
                PathMatch::regex(text).map_err(|error| error.to_string())
            }
        } else if path.path_type == "Exact" {
            PathMatch::exact(text).map_err(|error| error.to_string())
        } else {
            PathMatch::prefix(text).map_err(|error| error.to_string())
        };
        matched.map_err(|error| self.say(Reason::Rejected, format!("path {text:?} is not served: {error}"))).ok()
    }

    /// The Service's port that a backend means. It need not be there: then requests are answered with 503 until it is.
    pub(super) fn target(&mut self, backend: &IngressBackend) -> Option<Target> {
        let Some(IngressServiceBackend { name, port }) = &backend.service else {
            self.say(Reason::Rejected, "a resource as backend is not supported: name a Service".to_owned());
            return None;
        };
        let service = self.ingress.name.beside(name);
        self.out.services.insert(service.clone());
        let number = port.as_ref().and_then(|port| port.number);
        let port_name = port.as_ref().and_then(|port| port.name.as_deref());
        let typed_port = number.map_or_else(|| port_name.unwrap_or_default().to_owned(), |number| number.to_string());
        let protocol = self.asked.protocol.map(crate::routing::Protocol::as_str);
        let target = |port: &str| Target {
            key: BackendKey { service: service.clone(), port: port.into(), protocol },
            typed_port: typed_port.clone(),
        };
        let Some(found) = self.index.services.get(&service) else {
            self.out.problems.push(Problem::no_service(&service));
            return Some(target(&typed_port));
        };
        if found.is_external {
            self.say(Reason::Rejected, format!("Service {service} is an ExternalName, which is not followed"));
            return None;
        }
        let fits = |port: &&crate::control::kubernetes::objects::ServicePort| match (number, port_name) {
            (Some(number), _) => i32::from(port.number) == number,
            (None, Some(name)) => *port.name == *name,
            (None, None) => false,
        };
        match found.ports.iter().find(fits) {
            Some(port) => Some(target(&port.number.to_string())),
            None => {
                self.say(Reason::BackendNotFound, format!("Service {service} has no port {typed_port}"));
                Some(target(&typed_port))
            }
        }
    }

    /// Where the cookies of ingress-nginx lead that name this target.
    pub(super) fn homes(&mut self, target: &Target, backend: &Backend) -> Homes {
        let known = self.homes.entry((backend.id().clone(), target.typed_port.clone()));
        let homes = known.or_insert_with(|| {
            let name = format!("{}-{}-{}", self.ingress.name.namespace, target.key.service.name, target.typed_port);
            let of = |endpoint: &Endpoint| {
                let key = |address: &SocketAddr| (LegacyKey::of(&name, *address), endpoint.id.clone());
                endpoint.addresses.iter().map(key).collect::<Vec<_>>()
            };
            Arc::new(backend.endpoints().iter().flat_map(of).collect())
        });
        Arc::clone(homes)
    }

    pub(super) fn filters(
        &mut self,
        path: &HTTPIngressPath,
        matched: &PathMatch,
        like_nginx: bool,
        has_tls: bool,
    ) -> Option<Box<Filters>> {
        let access = match (&self.asked.closed, &self.asked.allowed) {
            (Some(why), _) => Access::Closed(Arc::clone(why)),
            (None, Some(networks)) => Access::Only(networks.clone()),
            (None, None) => Access::Open,
        };
        let rewrite = self.asked.rewrite_target.clone().and_then(|target| {
            let pattern = match matched {
                PathMatch::Regex(pattern) => Some(pattern.clone()),
                PathMatch::Exact(_) | PathMatch::Prefix(_) => Pattern::path(path.path.as_deref().unwrap_or("/")).ok(),
            };
            match Template::new(&target, pattern.as_ref()) {
                Ok(template) => Some(Rewrite { pattern, template }),
                Err(error) => {
                    self.say(Reason::Rejected, format!("rewrite-target {target:?} is ignored: {error}"));
                    None
                }
            }
        });
        let asked = &self.asked;
        let filters = Filters {
            access,
            redirect: asked.redirect.clone(),
            app_root: asked.app_root.clone(),
            rewrite,
            upstream_host: asked.upstream_host.clone(),
            forwarded_prefix: asked.forwarded_prefix.clone(),
            cors: asked.cors.clone(),
            strict_transport: (like_nginx && has_tls).then_some(STRICT_TRANSPORT),
            body_size: asked.body_size.or(like_nginx.then_some(BODY_SIZE)).filter(|size| *size > 0),
            timeouts: asked.timeouts,
        };
        (!filters.is_empty()).then(|| Box::new(filters))
    }

    /// Lists a rule under its host, and under the other names of it. A default comes after everybody's rules.
    pub(super) fn list(&mut self, host: &HostPattern, path: &PathMatch, rule: &Arc<Rule>, is_default: bool) {
        let origin = Origin { is_default, ..self.out.origin.clone() };
        self.out.rules.push((host.clone(), path.clone(), Arc::clone(rule), origin.clone()));
        for alias in &self.about(host).aliases {
            self.out.rules.push((alias.clone(), path.clone(), Arc::clone(rule), origin.clone()));
        }
    }
}
