//! TLS with an endpoint: the handshake, and what an operator should know when it fails.
//!
//! ## Why each worker remembers the sessions of each endpoint for itself
//! An endpoint opens its own tickets only. One cache for a backend would offer each endpoint the tickets of the others;
//! one for all workers would be one more lock that they share. New authorities begin a new cache: nobody whom they do
//! not know comes in on an old ticket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, InvalidMessage};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::snapshot::Connector;

/// An endpoint has one name, or one for each of its addresses; rustls keeps eight tickets for each name.
const SESSIONS: usize = 16;

/// What webpki says of a certificate that signs others and is shown for itself.
const AUTHORITY: &str = "CaUsedAsEndEntity";

/// One worker's way to one endpoint over TLS.
#[derive(Debug)]
pub(super) struct Secure {
    connector: Arc<Connector>,
    /// The endpoint's own name.
    name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
}

/// An endpoint is there, and cannot be spoken to as it should: nobody has to wait for it, somebody has to mend it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// The handshake failed.
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
    /// Another protocol was agreed upon, or none.
    #[error("no HTTP/2 was agreed upon over TLS")]
    NoAlpn,
    /// What it has sent first is not what HTTP/2 begins with.
    #[error("it does not speak HTTP/2")]
    NoHttp2,
    /// The configuration does not say whom to take it for. Without TLS it is not spoken to all the same.
    #[error("nothing says which certificates are good")]
    Unknown,
}

impl Secure {
    pub(super) fn new(connector: &Arc<Connector>, name: Option<&ServerName<'static>>) -> Self {
        let mut config = ClientConfig::clone(&connector.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Self { connector: Arc::clone(connector), name: name.cloned(), config: Arc::new(config) }
    }

    /// Is it the way that this connector makes?
    pub(super) fn is(&self, connector: &Arc<Connector>, name: Option<&ServerName<'static>>) -> bool {
        Arc::ptr_eq(&self.connector, connector) && self.name.as_ref() == name
    }

    /// The handshake.
    pub(super) async fn connect(&self, stream: TcpStream, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let name = self.connector.server_name.clone().or_else(|| self.name.clone());
        let name = name.unwrap_or_else(|| ServerName::IpAddress(address.ip().to_canonical().into()));
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

impl Unfit {
    /// What rustls says of a handshake, if it is rustls that speaks and not the network.
    pub(super) fn from_handshake(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<rustls::Error>().cloned().map(Self::Tls)
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext, Other, UnknownIssuer,
        };
        match self {
            Self::Tls(rustls::Error::InvalidCertificate(error)) => match error {
                Expired | ExpiredContext { .. } => "renew the endpoint's certificate",
                NotValidYet | NotValidYetContext { .. } => "look at the clocks of both sides",
                NotValidForName | NotValidForNameContext { .. } => {
                    "set tls.server_name of the backend to a name that the certificate covers"
                }
                // Another key under the name of the authority is another authority.
                UnknownIssuer | BadSignature => {
                    "name the file of the authority that signed the certificate in tls.ca of the backend"
                }
                // rustls has no name for it, webpki below has.
                Other(error) if error.to_string().contains(AUTHORITY) => {
                    "the endpoint shows the certificate of an authority (CA:TRUE): give it one of its own, signed by that"
                }
                _ => "look at the endpoint's certificate",
            },
            Self::Tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "does the endpoint speak TLS? otherwise the backend's protocol is http or h2c"
            }
            Self::Tls(_) => "see whether versions and certificates of both sides fit together",
            Self::NoHttp2 => "if the endpoint speaks HTTP/1.1, the backend's protocol is http or https",
            Self::Unknown => "look for errors of the last reload",
            Self::NoAlpn => "does the endpoint speak HTTP/2? otherwise the backend's protocol is https",
        }
    }
}

/// Was HTTP/2 agreed upon?
pub(super) fn agreed_on_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_advice_and_what_the_network_says_is_none_of_tls() {
        let tls = |error| Unfit::from_handshake(&io::Error::other(rustls::Error::InvalidCertificate(error))).unwrap();
        assert!(tls(CertificateError::Expired).advice().contains("renew"));
        assert!(tls(CertificateError::UnknownIssuer).advice().contains("tls.ca"));
        assert!(tls(CertificateError::NotValidForName).advice().contains("server_name"));
        assert!(Unfit::from_handshake(&io::ErrorKind::ConnectionReset.into()).is_none());
        assert!(Unfit::from_handshake(&io::Error::other("something else")).is_none());
    }
}
