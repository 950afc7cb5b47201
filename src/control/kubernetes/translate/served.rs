//! What is served, in words: for whoever wants to know before the first request comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Translator;
use super::work::Translated;
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::Name;
use crate::file::scalar::{show_duration, show_size};
use crate::routing::filters::{Access, Canary, Filters, HeaderWant, Location, Redirect, Timeouts};
use crate::routing::session::{OnLost, OnRestart, SameSite, Secure};
use crate::routing::{Backend, HostPattern, Origin, PathMatch, Protocol, Rule, SessionPolicy};

/// What happens to the requests of a host and path.
#[derive(Debug)]
pub struct Served {
    /// The host, or `any host`.
    pub host: String,
    /// The path: as it is, with `…` for what may follow, or an expression behind `~`.
    pub path: String,
    /// Who gets them, or what they are answered with.
    pub to: String,
    /// What is to be known beside.
    pub details: Vec<String>,
    /// Does anybody get anything?
    pub is_served: bool,
    /// Are sessions kept?
    pub is_sticky: bool,
    /// The primary.
    pub backend: Arc<Backend>,
}

impl Translator {
    /// What is served of each Ingress of ours, in the order in which it says it. Services that are not there are taken for
    /// granted: that they are missing is a problem that somebody else tells.
    #[must_use]
    pub fn served(&self, index: &Index) -> BTreeMap<Name, Vec<Served>> {
        let mut winners: HashMap<(&HostPattern, String), &Origin> = HashMap::new();
        for (host, path, _, origin) in self.ingresses.values().flat_map(|translated| &translated.rules) {
            let winner = winners.entry((host, path.to_string())).or_insert(origin);
            *winner = origin.min(winner);
        }
        let of = |(name, translated): (&Name, &Translated)| {
            let mut all = Vec::new();
            for (host, path, rule, origin) in &translated.rules {
                let winner = winners.get(&(host, path.to_string())).filter(|winner| **winner != origin);
                let is_default = origin.is_default;
                // A default backend takes what is left: it quarrels with other default backends only.
                if winner.is_none_or(|winner| winner.is_default || !is_default) {
                    let served = served(name, host, path, rule, is_default);
                    all.push(served.unless_lost(winner.copied()).unless_without_port(index, name));
                }
            }
            (name.clone(), all)
        };
        self.ingresses.iter().map(of).collect()
    }
}

impl Served {
    fn unless_lost(self, winner: Option<&Origin>) -> Self {
        let Some(winner) = winner else { return self };
        Self { to: format!("served by {}", winner.name), ..self.not_served() }
    }

    fn unless_without_port(self, index: &Index, ingress: &Name) -> Self {
        let parts = self.backend.id().as_str().rsplit_once(':');
        let Some((service, port)) = parts.filter(|_| self.is_served && self.backend.endpoints().is_empty()) else {
            return self;
        };
        let port = port.split_once('+').map_or(port, |(port, _)| port);
        let known = service.split_once('/').and_then(|(_, name)| index.service(&ingress.beside(name)));
        match known {
            Some(service) if !service.ports.iter().any(|known| known.number.to_string() == port) => {
                Self { to: format!("503: Service {} has no port {port}", service.name.name), ..self.not_served() }
            }
            _ => self,
        }
    }

    fn not_served(self) -> Self {
        Self { is_served: false, is_sticky: false, details: Vec::new(), ..self }
    }
}

fn served(ingress: &Name, host: &HostPattern, path: &PathMatch, rule: &Rule, is_default: bool) -> Served {
    let backend = &rule.backends[0].backend;
    let filters = rule.filters.as_deref();
    let redirect = filters.and_then(|filters| filters.redirect.as_ref());
    let served = Served {
        host: if *host == HostPattern::Any { "any host".to_owned() } else { host.to_string() },
        path: match path {
            _ if is_default => " everything else".to_owned(),
            PathMatch::Exact(text) => text.to_string(),
            PathMatch::Prefix(text) => format!("{text}/…"),
            PathMatch::Regex(pattern) => format!(" ~ {}", pattern.text()),
        },
        to: redirect.map_or_else(|| target(ingress, backend), redirected),
        details: if redirect.is_some() { Vec::new() } else { details(ingress, rule) },
        is_served: true,
        is_sticky: rule.session.is_some() && redirect.is_none(),
        backend: Arc::clone(backend),
    };
    match filters.map(|filters| &filters.access) {
        Some(Access::Closed(_)) => Served { to: "503 for everybody".to_owned(), ..served.not_served() },
        _ if redirect.is_none() && backend.id().as_str().ends_with(":none") => {
            Served { to: "503: it names no Service".to_owned(), ..served.not_served() }
        }
        _ => served,
    }
}

fn redirected(redirect: &Redirect) -> String {
    let (place, followed) = match &redirect.location {
        Location::Fixed(place) => (place, ""),
        Location::WithTarget(place) => (place, " and the path that was asked for"),
    };
    format!("{} to {}{followed}", redirect.status.as_u16(), String::from_utf8_lossy(place.as_bytes()))
}

/// `posts:80`: backends of an Ingress are in its namespace.
fn target(ingress: &Name, backend: &Backend) -> String {
    let id = backend.id().as_str();
    let local = id.strip_prefix(&*ingress.namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id);
    let plain = local.split_once('+').map_or(local, |(name, _)| name);
    match backend.protocol() {
        Protocol::Http => plain.to_owned(),
        other => format!("{plain} over {}", other.as_str()),
    }
}

fn details(ingress: &Name, rule: &Rule) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(session) = &rule.session {
        details.extend(sticky(&session.policy));
        details.extend(session.legacy.as_ref().map(|legacy| match legacy.homes {
            Some(_) => "cookies of ingress-nginx are taken over".to_owned(),
            None => "sessions of ingress-nginx begin anew, each once".to_owned(),
        }));
    }
    if let (Some(canary), [primary, other, ..]) = (&rule.canary, &*rule.backends) {
        let share = format!("{} of {}", other.weight, primary.weight.saturating_add(other.weight));
        details.push(format!("canary {}: {share}{}", target(ingress, &other.backend), preferred(canary)));
    }
    if rule.redirect_to_https.is_some() {
        details.push("without TLS, it is redirected to HTTPS".to_owned());
    }
    if let Some(filters) = &rule.filters {
        filtered(filters, &mut details);
    }
    details
}

fn sticky(policy: &SessionPolicy) -> Vec<String> {
    let cookie = &policy.cookie;
    let mut attributes = vec![format!("Path={}", cookie.path)];
    attributes.extend(cookie.domain.as_ref().map(|domain| format!("Domain={domain}")));
    attributes.extend(cookie.max_age.map(|seconds| format!("Max-Age={seconds}")));
    attributes.extend(cookie.expires.map(|seconds| format!("Expires in {seconds} s")));
    attributes.extend(cookie.http_only.then(|| "HttpOnly".to_owned()));
    attributes.extend(match cookie.secure {
        Secure::Auto | Secure::Here => Some("Secure over TLS".to_owned()),
        Secure::Always => Some("Secure".to_owned()),
        Secure::Never => None,
    });
    attributes.extend(cookie.same_site.map(|same_site| {
        let word = match same_site {
            SameSite::None => "None",
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        format!("SameSite={word}")
    }));
    attributes.extend(cookie.partitioned.then(|| "Partitioned".to_owned()));
    let lost = match policy.on_lost {
        OnLost::Reassign => "the session moves to another",
        OnLost::Temporary => "another one serves until it is back",
        OnLost::Reject => "it is answered with 503 until it is back",
    };
    let away = if policy.hold.is_zero() {
        format!("while its pod is away, {lost}")
    } else {
        format!("while its pod is away, a session waits up to {}; then {lost}", show_duration(policy.hold))
    };
    let mut lines = vec![format!("sticky by the cookie {}: {}", cookie.name.as_str(), attributes.join(", ")), away];
    if policy.on_restart == OnRestart::Reassign {
        lines.push("when its pod has restarted, a session moves to another".to_owned());
    }
    lines
}

fn preferred(canary: &Canary) -> String {
    let header = canary.header.as_ref().map(|header| {
        let want = match &header.want {
            HeaderWant::AlwaysOrNever => "always or never".to_owned(),
            HeaderWant::Value(value) => format!("{value:?}"),
            HeaderWant::Pattern(pattern) => format!("~ {}", pattern.text()),
        };
        format!("; by the header {}: {want}", header.name)
    });
    let cookie = canary.cookie.as_ref().map(|name| format!("; by the cookie {name}: always or never"));
    header.into_iter().chain(cookie).collect()
}

fn filtered(filters: &Filters, details: &mut Vec<String>) {
    if let Access::Only(networks) = &filters.access {
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        details.push(format!("for {} only, 403 for all others", networks.join(", ")));
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    details.extend(filters.app_root.as_ref().map(|root| format!("/ is redirected to {}", text(root))));
    details.extend(filters.rewrite.as_ref().map(|rewrite| format!("the path becomes {}", rewrite.template)));
    details.extend(filters.upstream_host.as_ref().map(|host| format!("pods get Host: {}", text(host))));
    details.extend(filters.forwarded_prefix.as_ref().map(|at| format!("pods get X-Forwarded-Prefix: {}", text(at))));
    details.extend(filters.cors.as_ref().map(|_| "CORS is answered here".to_owned()));
    details.extend(filters.strict_transport.as_ref().map(|_| "over TLS with Strict-Transport-Security".to_owned()));
    if let Some(size) = filters.body_size {
        let size = usize::try_from(size).map_or_else(|_| format!("{size} bytes"), show_size);
        details.push(format!("bodies of at most {size}"));
    }
    let Timeouts { connect, read, send } = filters.timeouts;
    let named = [("connecting", connect), ("reading", read), ("sending", send)];
    let limits: Vec<_> =
        named.into_iter().filter_map(|(what, limit)| Some(format!("{what} {}", show_duration(limit?)))).collect();
    if !limits.is_empty() {
        details.push(format!("time limits: {}", limits.join(", ")));
    }
}
