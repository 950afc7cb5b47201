//! Hosts → certificates, from the Secrets that Ingresses name.
//!
//! A certificate is shown for the hosts that the Ingress lists beside it, and for those of its rules that it lists nowhere,
//! as far as it covers them, and for no others: a Secret of one namespace cannot take the place of another's certificate by
//! what stands in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::bounds::{SECRETS, TLS_HOSTS};
use super::work::Translated;
use crate::control::kubernetes::objects::{Ingress, Name};
use crate::control::kubernetes::problem::{Problem, Reason};
use crate::routing::{HostPattern, Origin};
use crate::snapshot::Certificate;

/// What has been read of a Secret.
#[derive(Clone, Debug)]
pub enum SecretState {
    /// There is none of this name.
    Missing,
    /// There is one, and no certificate can be made of it: why.
    Broken(String),
    /// A certificate.
    Good(Arc<Certificate>),
    /// There was a certificate; what is there now is none: why.
    Kept(Arc<Certificate>, String),
}

impl SecretState {
    /// What is shown from it.
    #[must_use]
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        match self {
            Self::Good(certificate) | Self::Kept(certificate, _) => Some(certificate),
            Self::Missing | Self::Broken(_) => None,
        }
    }

    /// This state, after another one: what was good serves on where what follows is broken.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        match (self, before.and_then(Self::certificate)) {
            (Self::Broken(why), Some(certificate)) => Self::Kept(Arc::clone(certificate), why),
            (new, _) => new,
        }
    }
}

/// What has been read of the Secrets that Ingresses name. One that is not in here has not been read yet.
pub type Secrets = BTreeMap<Name, SecretState>;

/// What an Ingress says about TLS.
#[derive(Debug, Default)]
pub(super) struct Tls {
    /// The hosts that get a certificate, each with the Secret that it is in.
    pub(super) hosts: Vec<(HostPattern, Name)>,
    /// Every Secret that it names.
    pub(super) secrets: BTreeSet<Name>,
}

/// What an Ingress says about TLS, and what is wrong with that. It is made anew when one of its Secrets has been read. `served`: the
/// hosts of its rules, with their aliases.
pub(super) fn of(
    ingress: &Ingress,
    mut served: BTreeSet<HostPattern>,
    secrets: &Secrets,
    problems: &mut Vec<Problem>,
) -> Tls {
    let mut all = Tls::default();
    let (mut listed, mut named) = (HashSet::new(), Vec::new());
    let above: HashSet<HostPattern> = rule_hosts(ingress).filter_map(|host| wildcard(&host)).collect();
    for tls in ingress.spec.tls.iter().flatten() {
        let hosts: Vec<HostPattern> = tls.hosts.iter().flatten().filter_map(|host| host.parse().ok()).collect();
        listed.extend(hosts.iter().cloned());
        let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let secret = ingress.name.beside(secret);
        let has_room = all.secrets.contains(&secret) || all.secrets.len() < SECRETS;
        if !has_room || all.hosts.len() + hosts.len() > TLS_HOSTS {
            let text = format!(
                "an Ingress has certificates from at most {SECRETS} Secrets for at most {TLS_HOSTS} hosts: from Secret {secret} on, the default one is shown"
            );
            problems.insert(0, Problem { reason: Reason::Rejected, text });
            break;
        }
        let state = secrets.get(&secret);
        if all.secrets.insert(secret.clone()) {
            problems.extend(state.and_then(|state| broken(&secret, state)));
            named.push((secret.clone(), state));
        }
        if let Some(certificate) = state.and_then(SecretState::certificate) {
            let is_shown = |host: &HostPattern| match host {
                HostPattern::Exact(name) => certificate.covers(name),
                // Then it is for the rules' hosts below it, one by one.
                HostPattern::Wildcard(_) => certificate.hosts().contains(host) || above.contains(host),
                HostPattern::Any => true,
            };
            problems.extend(hosts.iter().filter(|host| !is_shown(host)).map(|host| uncovered(&secret, host)));
        }
        all.hosts.extend(hosts.into_iter().map(|host| (host, secret.clone())));
    }
    served.retain(|host| *host != HostPattern::Any && !listed.contains(host));
    by_names(served, &named, &mut all.hosts, problems);
    all
}

/// Hosts of rules, and their aliases, that are listed nowhere have the first certificate that covers them, as in ingress-nginx.
fn by_names(
    hosts: BTreeSet<HostPattern>,
    named: &[(Name, Option<&SecretState>)],
    all: &mut Vec<(HostPattern, Name)>,
    problems: &mut Vec<Problem>,
) {
    let mut covered: HashMap<HostPattern, usize> = HashMap::new();
    for (at, (_, state)) in named.iter().enumerate() {
        for pattern in state.and_then(SecretState::certificate).into_iter().flat_map(|certificate| certificate.hosts())
        {
            covered.entry(pattern.clone()).or_insert(at);
        }
    }
    // What cannot be shown, or has not been read yet, is another matter.
    let are_good =
        !named.is_empty() && named.iter().all(|(_, state)| state.is_some_and(|state| state.certificate().is_some()));
    for host in hosts {
        match covered.get(&host).into_iter().chain(wildcard(&host).and_then(|above| covered.get(&above))).min() {
            Some(_) if all.len() == TLS_HOSTS => {
                let text = format!(
                    "an Ingress has certificates for at most {TLS_HOSTS} hosts: from {host} on, the default one is shown"
                );
                return problems.insert(0, Problem { reason: Reason::Rejected, text });
            }
            Some(at) => all.push((host, named[*at].0.clone())),
            None if are_good => {
                let text = format!("no certificate of this Ingress covers {host}: the default one is shown");
                problems.push(Problem { reason: Reason::Rejected, text });
            }
            None => {}
        }
    }
}

/// The hosts of an Ingress's rules.
pub(super) fn rule_hosts(ingress: &Ingress) -> impl Iterator<Item = HostPattern> + '_ {
    let hosts = ingress.spec.rules.iter().flatten().filter_map(|rule| rule.host.as_deref());
    hosts.filter_map(|host| host.parse().ok())
}

/// The wildcard that stands for a host.
fn wildcard(host: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = host else { return None };
    name.split_once('.').map(|(_, parent)| HostPattern::Wildcard(parent.into()))
}

/// What is wrong with a Secret.
fn broken(secret: &Name, state: &SecretState) -> Option<Problem> {
    let text = match state {
        SecretState::Missing => format!("Secret {secret} is not there: the default certificate is shown"),
        SecretState::Broken(why) => {
            format!("Secret {secret} has no certificate that can be shown ({why}): the default one is")
        }
        SecretState::Kept(_, why) => {
            format!("Secret {secret} has no certificate that can be shown any more ({why}): the last good one is")
        }
        SecretState::Good(_) => return None,
    };
    Some(Problem { reason: Reason::SecretNotFound, text })
}

fn uncovered(secret: &Name, host: &HostPattern) -> Problem {
    let text = format!("the certificate in Secret {secret} does not cover {host}: the default one is shown");
    Problem { reason: Reason::Rejected, text }
}

/// Which certificate each host has. Of several Ingresses that give one host a certificate, the oldest does.
pub(super) fn certificates<'t>(
    ingresses: impl Iterator<Item = &'t Translated>,
    secrets: &Secrets,
) -> Vec<(HostPattern, Arc<Certificate>)> {
    let mut best: HashMap<&HostPattern, (&Origin, &Arc<Certificate>)> = HashMap::new();
    for translated in ingresses {
        for (host, secret) in &translated.tls.hosts {
            let Some(certificate) = secrets.get(secret).and_then(SecretState::certificate) else { continue };
            let covers = match host {
                HostPattern::Exact(name) => certificate.covers(name),
                wildcard => certificate.hosts().contains(wildcard),
            };
            let is_older = best.get(host).is_none_or(|(origin, _)| translated.origin < **origin);
            if covers && is_older {
                best.insert(host, (&translated.origin, certificate));
            }
        }
    }
    let mut all: Vec<_> =
        best.into_iter().map(|(host, (_, certificate))| (host.clone(), Arc::clone(certificate))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
