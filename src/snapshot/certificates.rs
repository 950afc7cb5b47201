//! Certificates, and which of them a client gets: by the name it asked for.
//!
//! Nothing here reads a file or asks the time. What a certificate covers is what its subject alternative names say;
//! the common name, which no client has looked at for years, is not asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::x509::{self, X509Error};
use crate::routing::{HostPattern, host};

/// A certificate with its chain and its key.
#[derive(Debug)]
pub struct Certificate {
    /// What an operator knows it by.
    pub name: Arc<str>,
    /// From when on it is valid, in unix seconds.
    pub not_before: i64,
    /// Until when it is valid, in unix seconds.
    pub not_after: i64,
    /// What rustls serves.
    pub key: Arc<CertifiedKey>,
    hosts: Box<[HostPattern]>,
}

/// The certificates of one listener.
#[derive(Clone, Debug)]
pub struct CertificateSet {
    exact: HashMap<Box<str>, Arc<Certificate>>,
    wildcard: HashMap<Box<str>, Arc<Certificate>>,
    default: Arc<Certificate>,
}

/// Why a client gets this certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It covers the name that the client asked for.
    ByName,
    /// No other does, or the client asked for none.
    ByDefault,
}

/// The certificates of every listener, by the address that the listener is configured with.
#[derive(Clone, Debug, Default)]
pub struct Certificates(HashMap<SocketAddr, CertificateSet>);

impl Certificate {
    /// A certificate that covers what its first link says.
    ///
    /// # Errors
    /// If that link cannot be read.
    pub fn new(name: Arc<str>, key: Arc<CertifiedKey>) -> Result<Self, X509Error> {
        let facts = x509::read(key.end_entity_cert().map_err(|_| X509Error::Malformed)?)?;
        Ok(Self { name, not_before: facts.not_before, not_after: facts.not_after, key, hosts: facts.hosts.into() })
    }

    /// The same certificate for whoever gets no other: it covers no name.
    #[must_use]
    pub fn only_by_default(self) -> Self {
        Self { hosts: Box::default(), ..self }
    }

    /// Does it cover this host, which is in its canonical form ([`host::canonical`])?
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| match pattern {
            HostPattern::Exact(name) => **name == *host,
            HostPattern::Wildcard(name) => host.split_once('.').is_some_and(|(_, rest)| **name == *rest),
            HostPattern::Any => false,
        })
    }

    /// The hosts that it covers.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }
}

impl CertificateSet {
    /// The first certificate is the default one. Of two that cover the same name, the first one has it.
    #[must_use]
    pub fn new(default: Arc<Certificate>, others: impl IntoIterator<Item = Arc<Certificate>>) -> Self {
        let mut set = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Arc::clone(&default) };
        for certificate in std::iter::once(default).chain(others) {
            for pattern in &certificate.hosts {
                let (names, name) = match pattern {
                    HostPattern::Exact(name) => (&mut set.exact, name),
                    HostPattern::Wildcard(name) => (&mut set.wildcard, name),
                    HostPattern::Any => continue,
                };
                names.entry(name.clone()).or_insert_with(|| Arc::clone(&certificate));
            }
        }
        set
    }

    /// Each host has the certificate that it is given; whoever asks for another name gets the default one.
    #[must_use]
    pub fn by_host(
        default: Arc<Certificate>,
        certificates: impl IntoIterator<Item = (HostPattern, Arc<Certificate>)>,
    ) -> Self {
        let mut set = Self { exact: HashMap::new(), wildcard: HashMap::new(), default };
        for (host, certificate) in certificates {
            match host {
                HostPattern::Exact(name) => drop(set.exact.insert(name, certificate)),
                HostPattern::Wildcard(name) => drop(set.wildcard.insert(name, certificate)),
                HostPattern::Any => {}
            }
        }
        set
    }

    /// The certificate for a client that asks for this name: an exact one, a wildcard of one label, the default.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> (&Arc<Certificate>, Chosen) {
        let found = name.and_then(|name| host::canonical(name).ok()).and_then(|name| {
            self.exact.get(&*name).or_else(|| self.wildcard.get(name.split_once('.').map(|(_, rest)| rest)?))
        });
        found.map_or((&self.default, Chosen::ByDefault), |found| (found, Chosen::ByName))
    }
}

impl Certificates {
    /// The certificates of the listener with this address, if it has any.
    #[must_use]
    pub fn of(&self, listener: SocketAddr) -> Option<&CertificateSet> {
        self.0.get(&listener)
    }

    /// What the listener with this address serves from now on.
    pub fn set(&mut self, listener: SocketAddr, certificates: CertificateSet) {
        self.0.insert(listener, certificates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Arc<Certificate> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let label: Arc<str> = names.first().map_or("none", String::as_str).into();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
        Arc::new(Certificate::new(label, Arc::new(key)).unwrap())
    }

    #[track_caller]
    fn check(set: &CertificateSet, name: Option<&str>, expected: &str, chosen: Chosen) {
        let (found, why) = set.find(name);
        assert_eq!((&*found.name, why), (expected, chosen), "{name:?}");
    }

    #[test]
    fn exact_beats_wildcard_beats_default() {
        let all = ["default.example", "*.shop.example", "a.shop.example", "A.SHOP.example"];
        let [default, wildcard, exact, again] = all.map(|name| certificate(&[name]));
        let set = CertificateSet::new(default, [wildcard, exact, again]);
        check(&set, Some("a.shop.example"), "a.shop.example", Chosen::ByName);
        check(&set, Some("A.Shop.Example"), "a.shop.example", Chosen::ByName);
        check(&set, Some("b.shop.example"), "*.shop.example", Chosen::ByName);
        check(&set, Some("default.example"), "default.example", Chosen::ByName);
        for other in ["shop.example", "a.b.shop.example", "elsewhere.example", "example", "..", ""] {
            check(&set, Some(other), "default.example", Chosen::ByDefault);
        }
        check(&set, None, "default.example", Chosen::ByDefault);
    }

    #[test]
    fn a_certificate_covers_what_its_alternative_names_say() {
        let certificate = certificate(&["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"]);
        for host in ["a.example", "x.b.example", "192.0.2.1", "[2001:db8::1]"] {
            assert!(certificate.covers(host), "{host}");
        }
        for host in ["b.example", "x.y.b.example", "x.a.example", "192.0.2.2", "", "rcgen self signed cert"] {
            assert!(!certificate.covers(host), "{host}");
        }
        assert!(!certificate.hosts().is_empty());
    }
}
