//! TLS with endpoints: whom we take them to be, by backend.
//!
//! Nothing here reads a file. A connector that says the same as the one before it is the one before it, so that
//! connections made with it go on being used; one that says something else lets them end.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::routing::{BackendId, EndpointId, Protocol};

/// How the endpoints of one backend are spoken to over TLS.
#[derive(Debug)]
pub struct Connector {
    /// What rustls connects with.
    pub config: Arc<ClientConfig>,
    /// The name that certificates have to cover, and that is asked for; none: that of each endpoint.
    pub server_name: Option<ServerName<'static>>,
    protocol: Protocol,
    trust: Trust,
}

/// Whose certificates are good.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those that one of these has signed.
    Roots(Arc<RootCertStore>),
    /// Everybody's: whoever answers is taken for the endpoint.
    Anybody,
}

/// The connectors of all backends, and the names of those endpoints that have one.
#[derive(Clone, Debug, Default)]
pub struct Connectors {
    backends: HashMap<BackendId, Arc<Connector>>,
    names: HashMap<EndpointId, ServerName<'static>>,
}

impl Connector {
    /// A connector for this protocol.
    ///
    /// # Errors
    /// If nobody is trusted, or rustls knows none of the versions that it is built with.
    pub fn new(
        protocol: Protocol,
        trust: Trust,
        server_name: Option<ServerName<'static>>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match &trust {
            Trust::Roots(roots) => {
                WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| rustls::Error::General(error.to_string()))?
            }
            Trust::Anybody => Arc::new(Unverified(provider.signature_verification_algorithms)),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![if protocol.is_http2() { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Ok(Self { config: Arc::new(config), server_name, protocol, trust })
    }
}

/// What is made of the same things is the same.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.server_name == other.server_name && self.trust == other.trust
    }
}

/// The same roots are those that were read from the same bytes: they are shared.
impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Roots(one), Self::Roots(other)) => Arc::ptr_eq(one, other),
            (Self::Anybody, Self::Anybody) => true,
            _ => false,
        }
    }
}

impl Connectors {
    /// Is no backend spoken to over TLS?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.backends.is_empty()
    }

    /// How the endpoints of this backend are spoken to, if it is over TLS.
    #[must_use]
    pub fn of(&self, backend: &BackendId) -> Option<&Arc<Connector>> {
        self.backends.get(backend)
    }

    /// The name of an endpoint, if it has another than its IP address.
    #[must_use]
    pub fn name(&self, endpoint: &EndpointId) -> Option<&ServerName<'static>> {
        self.names.get(endpoint)
    }

    /// The endpoints of this backend are spoken to like this.
    pub fn set(&mut self, backend: BackendId, connector: Arc<Connector>) {
        self.backends.insert(backend, connector);
    }

    /// This endpoint is called so.
    pub fn call(&mut self, endpoint: EndpointId, name: ServerName<'static>) {
        self.names.insert(endpoint, name);
    }
}

/// The same connectors: none has been made anew.
impl PartialEq for Connectors {
    fn eq(&self, other: &Self) -> bool {
        let same = |(id, one): (&BackendId, &Arc<Connector>)| other.of(id).is_some_and(|other| Arc::ptr_eq(one, other));
        self.backends.len() == other.backends.len() && self.backends.iter().all(same) && self.names == other.names
    }
}

/// Takes every certificate. That whoever shows it has its key is still asked for.
#[derive(Debug)]
struct Unverified(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
