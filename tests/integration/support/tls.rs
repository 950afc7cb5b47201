//! An authority that issues certificates, and clients that trust it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Client;

/// An authority of its own, and a folder in which its certificates are.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// Something that speaks TLS as a browser does: one configuration for all its connections, so it remembers tickets.
#[derive(Clone)]
pub(crate) struct Browser(Arc<ClientConfig>);

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be one whose signatures are wrong.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `NAME.pem` and `NAME.key` for these hosts; gives the certificate back.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) -> CertificateDer<'static> {
        let (certificate, cert, key) = self.made(hosts);
        self.put(&format!("{name}.key"), &key);
        self.put(&format!("{name}.pem"), &cert);
        certificate
    }

    /// A certificate for these hosts, and what would stand in its files.
    pub(crate) fn made(&self, hosts: &[&str]) -> (CertificateDer<'static>, String, String) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &self.issuer).unwrap();
        let pem = pem("CERTIFICATE", certificate.der());
        (certificate.der().clone(), pem, self::pem("PRIVATE KEY", key.serialized_der()))
    }

    /// A certificate for these hosts in PEM, and its key; its time was over yesterday.
    pub(crate) fn expired(&self, hosts: &[&str]) -> (String, String) {
        let mut params = self.params(hosts);
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2020, 2, 1));
        self.sign(&params)
    }

    /// A certificate for these hosts in PEM, and its key.
    pub(crate) fn pair(&self, hosts: &[&str]) -> (String, String) {
        self.sign(&self.params(hosts))
    }

    /// The certificate of an authority that it shows as if it were a server's, as many a recipe makes them.
    pub(crate) fn itself(hosts: &[&str]) -> (String, String) {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", key.serialized_der()))
    }

    /// Its own certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", self.issuer.der())
    }

    fn params(&self, hosts: &[&str]) -> CertificateParams {
        CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.clone().signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", key.serialized_der()))
    }

    /// Puts a file in the place of another, as whoever renews certificates does.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let (new, path) = (self.folder().join(format!(".{name}")), self.folder().join(name));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// A browser that trusts this authority.
    pub(crate) fn browser(&self) -> Browser {
        self.browser_with(rustls::ALL_VERSIONS, &[])
    }

    /// The same, with these versions and protocols.
    pub(crate) fn browser_with(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Browser {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let mut config =
            builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Browser(Arc::new(config))
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64_STANDARD.encode(der))
}

impl Browser {
    /// One that takes every certificate.
    pub(crate) fn careless() -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().dangerous();
        Self(Arc::new(builder.with_custom_certificate_verifier(Arc::new(Careless)).with_no_client_auth()))
    }

    pub(crate) async fn connect(&self, address: SocketAddr, name: &str) -> Client<TlsStream<TcpStream>> {
        self.try_connect(address, name).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) async fn try_connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        self.over(TcpStream::connect(address).await?, name).await
    }

    /// Over a connection that has been made already.
    pub(crate) async fn over(&self, stream: TcpStream, name: &str) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let address = stream.peer_addr()?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await?;
        Ok(Client::over(stream, address))
    }
}

impl Client<TlsStream<TcpStream>> {
    /// What was agreed upon.
    pub(crate) fn tls(&self) -> &rustls::ClientConnection {
        self.stream.get_ref().1
    }

    /// The certificate that the server showed.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        self.tls().peer_certificates().expect("certificates")[0].clone().into_owned()
    }
}

#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
