//! Hosts → certificates, from the Secrets that Ingresses name.
//!
//! A certificate is shown for the hosts that the Ingress lists beside it, as far as it covers them, and for no others: a
//! Secret of one namespace cannot take the place of another's certificate by what stands in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ingress::Translated;
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

/// The hosts and Secrets of an Ingress, and what is wrong with them.
pub(super) fn of(ingress: &Ingress, secrets: &Secrets, problems: &mut Vec<Problem>) -> Vec<(HostPattern, Name)> {
    let mut all = Vec::new();
    for tls in ingress.spec.tls.iter().flatten() {
        let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let secret = ingress.name.beside(secret);
        let mut say = |reason, text| problems.push(Problem { reason, text });
        let state = secrets.get(&secret);
        match state {
            Some(SecretState::Missing) => {
                say(Reason::SecretNotFound, format!("Secret {secret} is not there: the default certificate is shown"));
            }
            Some(SecretState::Broken(why)) => say(
                Reason::SecretNotFound,
                format!("Secret {secret} has no certificate that can be shown ({why}): the default one is"),
            ),
            Some(SecretState::Kept(_, why)) => say(
                Reason::SecretNotFound,
                format!("Secret {secret} has no certificate that can be shown any more ({why}): the last good one is"),
            ),
            None | Some(SecretState::Good(_)) => {}
        }
        let certificate = state.and_then(SecretState::certificate);
        for host in tls.hosts.iter().flatten().filter_map(|host| host.parse::<HostPattern>().ok()) {
            if let (Some(certificate), HostPattern::Exact(name)) = (certificate, &host)
                && !certificate.covers(name)
            {
                say(
                    Reason::Rejected,
                    format!("the certificate in Secret {secret} does not cover {name}: the default one is shown"),
                );
            }
            all.push((host, secret.clone()));
        }
    }
    all
}

/// Has this host TLS, by what these Ingresses of one namespace say?
pub(super) fn has_tls<'i>(mut ingresses: impl Iterator<Item = &'i Arc<Ingress>>, host: &HostPattern) -> bool {
    ingresses.any(|ingress| {
        let listed = ingress.spec.tls.iter().flatten().flat_map(|tls| tls.hosts.iter().flatten());
        listed.filter_map(|text| text.parse::<HostPattern>().ok()).any(|listed| match (&listed, host) {
            (HostPattern::Wildcard(parent), HostPattern::Exact(name)) => {
                name.split_once('.').is_some_and(|(_, rest)| *rest == **parent)
            }
            (listed, host) => listed == host,
        })
    })
}

/// Which certificate each host has. Of several Ingresses that give one host a certificate, the oldest does.
pub(super) fn certificates<'t>(
    ingresses: impl Iterator<Item = &'t Translated>,
    secrets: &Secrets,
) -> Vec<(HostPattern, Arc<Certificate>)> {
    let mut best: HashMap<&HostPattern, (&Origin, &Arc<Certificate>)> = HashMap::new();
    for translated in ingresses {
        for (host, secret) in &translated.tls {
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
