//! TLS with endpoints: CA files and the system's roots → connectors.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use super::CertificateError;
use crate::file::{File, UpstreamTls};
use crate::snapshot::{Connector, Connectors, Trust};

/// Whose certificates are good for endpoints, each file in its last good state, and what follows from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Authorities {
    files: HashMap<PathBuf, Kept>,
    /// Read once: a process does not notice what is installed into its system later.
    system: Option<Arc<RootCertStore>>,
    pub(super) connectors: Arc<Connectors>,
}

#[derive(Clone, Debug)]
struct Kept {
    fingerprint: Box<[u8]>,
    roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Reads every CA file that the file names. One that is broken now and was good before stays as it was, and is told
    /// in `broken`.
    ///
    /// # Errors
    /// If one is broken that has never been good, or the system trusts nobody and should.
    pub(super) fn read(
        &self,
        file: &File,
        folder: &Path,
        broken: &mut Vec<CertificateError>,
    ) -> Result<Self, CertificateError> {
        let mut next = Self { system: self.system.clone(), ..Self::default() };
        let mut connectors = Connectors::default();
        for (id, protocol, tls) in file.secured() {
            let trust = match tls {
                UpstreamTls { verify: false, .. } => Trust::Anybody,
                UpstreamTls { ca: Some(path), .. } => Trust::Roots(next.file(self, path, folder, broken)?),
                UpstreamTls { ca: None, .. } => Trust::Roots(next.system()?),
            };
            let name = tls.server_name.as_deref().map(server_name).transpose()?;
            let made = Connector::new(protocol, trust, name).map_err(CertificateError::Connector)?;
            let known = self.connectors.of(id).filter(|known| ***known == made);
            connectors.set(id.clone(), known.map_or_else(|| Arc::new(made), Arc::clone));
        }
        for (endpoint, host) in file.hosts() {
            connectors.call(endpoint, server_name(host)?);
        }
        next.connectors =
            if connectors == *self.connectors { Arc::clone(&self.connectors) } else { Arc::new(connectors) };
        Ok(next)
    }

    fn file(
        &mut self,
        before: &Self,
        path: &Path,
        folder: &Path,
        broken: &mut Vec<CertificateError>,
    ) -> Result<Arc<RootCertStore>, CertificateError> {
        if let Some(kept) = self.files.get(path) {
            return Ok(Arc::clone(&kept.roots));
        }
        let known = before.files.get(path);
        let kept = match (read(&folder.join(path), known), known) {
            (Ok(kept), _) => kept,
            (Err(error), Some(known)) => {
                broken.push(error);
                known.clone()
            }
            (Err(error), None) => return Err(error),
        };
        let roots = Arc::clone(&kept.roots);
        self.files.insert(path.to_path_buf(), kept);
        Ok(roots)
    }

    fn system(&mut self) -> Result<Arc<RootCertStore>, CertificateError> {
        if let Some(roots) = &self.system {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::warn!(%error, "some of the system's trusted certificates cannot be read");
        }
        roots.add_parsable_certificates(loaded.certs);
        if roots.is_empty() {
            return Err(CertificateError::NoSystemRoots);
        }
        Ok(Arc::clone(self.system.insert(Arc::new(roots))))
    }
}

/// Reads a CA file, to see what it is like.
///
/// # Errors
/// Whatever is wrong with it.
pub fn inspect_ca(path: &Path, folder: &Path) -> Result<(), CertificateError> {
    read(&folder.join(path), None).map(drop)
}

/// What is known of the bytes of this file, or what they are. All of its certificates have to be some: an authority
/// that is left out would be missed later, and far from here.
fn read(path: &Path, known: Option<&Kept>) -> Result<Kept, CertificateError> {
    let show = || path.display().to_string();
    let bytes = super::read(path).map_err(|source| CertificateError::Read { path: show(), source })?;
    let fingerprint: Box<[u8]> = digest(&SHA256, &bytes).as_ref().into();
    if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
        return Ok(known.clone());
    }
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate(show()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|source| CertificateError::Authority { path: show(), source })?;
    }
    if roots.is_empty() {
        return Err(CertificateError::NoCertificate(show()));
    }
    Ok(Kept { fingerprint, roots: Arc::new(roots) })
}

fn server_name(text: &str) -> Result<ServerName<'static>, CertificateError> {
    ServerName::try_from(text.to_owned()).map_err(|_| CertificateError::ServerName(text.to_owned()))
}
