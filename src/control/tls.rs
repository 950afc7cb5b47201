//! Certificates: PEM files → what TLS listeners show, and whom endpoints are taken for (`roots`).
//!
//! ## What happens to a pair that is broken
//! At the start nothing is served: there is nothing else to show. Later the last good state of that pair serves on, as
//! it will while somebody has replaced the certificate and not yet its key.

mod own;
mod roots;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use self::roots::Authorities;
pub use self::roots::inspect_ca;
use crate::file::{CertificatePair, File, MAX_SIZE};
use crate::snapshot::{Certificate, CertificateSet, Certificates, Connectors, X509Error};

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no certificate in a file.
    #[error("{0} has no certificate in PEM in it")]
    NoCertificate(String),
    /// There is no key in a file. What stands in there instead is nobody's business.
    #[error("{0} has no private key in PEM in it, or an encrypted one, which is not read")]
    NoKey(String),
    /// The certificate is none.
    #[error("{path}: {source}")]
    Certificate {
        /// Which one.
        path: String,
        /// What is wrong.
        source: X509Error,
    },
    /// The key belongs to another certificate.
    #[error("the key {key} does not fit the certificate {cert}")]
    Mismatch {
        /// The certificate.
        cert: String,
        /// The key.
        key: String,
    },
    /// The key is of a kind that is not served.
    #[error("the key {path} cannot be used: {source}")]
    Key {
        /// Which one.
        path: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// A certificate of a CA file is none.
    #[error("a certificate in {path} cannot be used: {source}")]
    Authority {
        /// Which one.
        path: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The system trusts nobody.
    #[error("this system has no trusted certificates to verify endpoints by: install them, or name a file in tls.ca")]
    NoSystemRoots,
    /// A name that no certificate covers.
    #[error("{0:?} is no name of a server")]
    ServerName(String),
    /// rustls cannot do what is asked of it.
    #[error("endpoints cannot be spoken to over TLS: {0}")]
    Connector(#[source] rustls::Error),
    /// A certificate of our own cannot be made.
    #[error("cannot make a certificate: {0}")]
    Own(#[from] rcgen::Error),
}

/// The certificates that a file names, each in its last good state.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pairs: HashMap<CertificatePair, Kept>,
    /// Made once: a client that has taken it for good is not to meet another one after each reload.
    own: Option<Arc<Certificate>>,
    authorities: Authorities,
}

#[derive(Clone, Debug)]
struct Kept {
    /// Of both files.
    fingerprint: Box<[u8]>,
    certificate: Arc<Certificate>,
}

impl Store {
    /// Reads every pair and every CA file that the file names. Those that are broken now and were good before stay as
    /// they were, and are told. Relative paths begin in `folder`.
    ///
    /// # Errors
    /// If one is broken that has never been good.
    pub fn read(&self, file: &File, folder: &Path) -> Result<(Self, Vec<CertificateError>), CertificateError> {
        let mut broken = Vec::new();
        let authorities = self.authorities.read(file, folder, &mut broken)?;
        let mut store = Self { pairs: HashMap::new(), own: self.own.clone(), authorities };
        for tls in file.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            if tls.certificates.is_empty() && store.own.is_none() {
                store.own = Some(Arc::new(own::make()?));
            }
            for pair in &tls.certificates {
                let known = self.pairs.get(pair);
                let kept = match (Files::read(pair, folder).and_then(|files| files.kept(known)), known) {
                    (Ok(kept), _) => kept,
                    (Err(error), Some(known)) => {
                        broken.push(error);
                        known.clone()
                    }
                    (Err(error), None) => return Err(error),
                };
                store.pairs.insert(pair.clone(), kept);
            }
        }
        Ok((store, broken))
    }

    /// Puts what the listeners of a file show in the place of what they showed before. A listener that the file does not
    /// have any more keeps what it had: it serves until the process ends.
    pub fn install(&self, file: &File, certificates: &mut Certificates) {
        for listener in &file.listeners {
            let Some(tls) = &listener.tls else { continue };
            let mut named =
                tls.certificates.iter().filter_map(|pair| self.pairs.get(pair)).map(|kept| &kept.certificate);
            if let Some(default) = named.next().or(self.own.as_ref()) {
                let set = CertificateSet::new(Arc::clone(default), named.map(Arc::clone));
                certificates.set(listener.address, set);
            }
        }
    }

    /// Is there no TLS, on either side?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.own.is_none() && self.connectors().is_empty()
    }

    /// How endpoints are spoken to over TLS.
    #[must_use]
    pub fn connectors(&self) -> &Arc<Connectors> {
        &self.authorities.connectors
    }

    /// All certificates, in the order of their names.
    #[must_use]
    pub fn certificates(&self) -> Vec<&Arc<Certificate>> {
        let mut all: Vec<_> = self.pairs.values().map(|kept| &kept.certificate).chain(&self.own).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// What was read from the same bytes is the same.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        let same = |(pair, kept): (&CertificatePair, &Kept)| {
            other.pairs.get(pair).is_some_and(|other| other.fingerprint == kept.fingerprint)
        };
        self.pairs.len() == other.pairs.len()
            && self.pairs.iter().all(same)
            && self.own.is_some() == other.own.is_some()
            && self.connectors() == other.connectors()
    }
}

/// Every file that certificates are read from.
pub(super) fn paths(file: &File) -> impl Iterator<Item = &Path> {
    let pairs = file.listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| &tls.certificates);
    let authorities = file.secured().filter_map(|(_, _, tls)| tls.ca.as_deref().filter(|_| tls.verify));
    pairs.flat_map(|pair| [&*pair.cert, &*pair.key]).chain(authorities)
}

/// Reads a pair, to see what it is like.
///
/// # Errors
/// Whatever is wrong with it.
pub fn inspect(pair: &CertificatePair, folder: &Path) -> Result<Certificate, CertificateError> {
    Files::read(pair, folder)?.certificate()
}

/// What the validity of a certificate says at this moment; nothing if all is well.
#[must_use]
pub fn untimely(certificate: &Certificate, unix: u64) -> Option<String> {
    let now = i64::try_from(unix).unwrap_or(i64::MAX);
    let show = |at| jiff::Timestamp::from_second(at).map_or_else(|_| "at some time".to_owned(), |at| at.to_string());
    if now > certificate.not_after {
        return Some(format!("the certificate expired {}", show(certificate.not_after)));
    }
    (now < certificate.not_before)
        .then(|| format!("the certificate is not valid before {}", show(certificate.not_before)))
}

/// The bytes of a pair.
struct Files<'a> {
    pair: &'a CertificatePair,
    cert: (PathBuf, Vec<u8>),
    key: (PathBuf, Vec<u8>),
}

impl<'a> Files<'a> {
    fn read(pair: &'a CertificatePair, folder: &Path) -> Result<Self, CertificateError> {
        let read = |path: &Path| {
            let path = folder.join(path);
            let read =
                read(&path).map_err(|source| CertificateError::Read { path: path.display().to_string(), source });
            read.map(|bytes| (path, bytes))
        };
        Ok(Self { pair, cert: read(&pair.cert)?, key: read(&pair.key)? })
    }

    /// What is known of these bytes, or what they are.
    fn kept(&self, known: Option<&Kept>) -> Result<Kept, CertificateError> {
        let fingerprint = self.fingerprint();
        if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
            return Ok(known.clone());
        }
        Ok(Kept { fingerprint, certificate: Arc::new(self.certificate()?) })
    }

    fn fingerprint(&self) -> Box<[u8]> {
        let mut context = digest::Context::new(&SHA256);
        context.update(&self.cert.1.len().to_be_bytes());
        context.update(&self.cert.1);
        context.update(&self.key.1);
        context.finish().as_ref().into()
    }

    fn certificate(&self) -> Result<Certificate, CertificateError> {
        let show = |path: &Path| path.display().to_string();
        let (cert, key) = ((&*show(&self.cert.0), &*self.cert.1), (&*show(&self.key.0), &*self.key.1));
        assemble(self.pair.cert.display().to_string().into(), cert, key)
    }
}

/// A certificate of two PEM texts that somebody else has read: `name` stands in messages, nothing of the texts does.
///
/// # Errors
/// If they are no certificate and its key.
pub fn from_pem(name: &str, cert: &[u8], key: &[u8]) -> Result<Certificate, CertificateError> {
    assemble(name.into(), ("tls.crt", cert), ("tls.key", key))
}

/// A certificate that nobody trusts, for whoever gets no other.
///
/// # Errors
/// If there is no randomness.
pub fn self_made() -> Result<Certificate, CertificateError> {
    own::make()
}

/// A chain and its key, each with what it is called in messages.
fn assemble(name: Arc<str>, cert: (&str, &[u8]), key: (&str, &[u8])) -> Result<Certificate, CertificateError> {
    let (cert_name, key_name) = (cert.0.to_owned(), key.0.to_owned());
    let chain = CertificateDer::pem_slice_iter(cert.1).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(cert_name));
    }
    let secret = PrivateKeyDer::from_pem_slice(key.1).map_err(|_| CertificateError::NoKey(key_name.clone()))?;
    let certified = CertifiedKey::from_der(chain, secret, &default_provider()).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch { cert: cert_name.clone(), key: key_name },
        source => CertificateError::Key { path: key_name, source },
    })?;
    Certificate::new(name, Arc::new(certified))
        .map_err(|source| CertificateError::Certificate { path: cert_name, source })
}

/// Reads a file that may be as large as any file of the configuration.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_SIZE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
