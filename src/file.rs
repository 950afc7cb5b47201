//! The configuration file: its text → what was typed ([`schema`]) → what it means ([`File`]).
//!
//! Nothing here reads a file, opens a socket or asks the time: the text comes in, a [`File`] or a list of
//! [`Problem`]s goes out. So `moorline check`, the reload of `moorline run` and the tests all judge a file
//! by the same code, and none of them can disagree with another.

pub mod documents;
pub mod keys;
pub mod scalar;
pub mod schema;

mod check;
mod direct;
mod problem;
mod table;
mod typed;
mod yaml;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

pub use self::direct::{Direct, ListedTwice, Target, TargetError};
pub use self::problem::{Place, Problem, Problems, Severity};
pub use self::table::Drains;
pub use self::typed::At;
#[cfg(feature = "kubernetes")]
pub(crate) use self::typed::nearest;
use crate::limits::Limits;
use crate::routing::{BackendId, HostPattern, PathMatch, Protocol, SessionPolicy, Strategy};

/// More is no configuration file that a person wrote.
pub const MAX_SIZE: usize = 1024 * 1024;

/// Where the admin API listens unless told otherwise.
pub const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// A configuration that can be served: every name in it leads somewhere, every value is in its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The sockets that clients connect to; at least one.
    pub listeners: Vec<Listener>,
    /// The socket of the admin API; none: it is switched off.
    pub admin: Option<SocketAddr>,
    /// The key file, as it was typed: relative to the folder of the configuration file.
    pub session_keys: Option<PathBuf>,
    /// Bounds on time and resources.
    pub limits: Limits,
    /// How requests are logged.
    pub access_log: AccessLog,
    /// Proxy threads; none: as many as there are cores.
    pub workers: Option<NonZeroUsize>,
    backends: Vec<BackendSpec>,
    routes: Vec<RouteSpec>,
}

/// A socket that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose `X-Forwarded-*` and `Forwarded` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who announces clients by the PROXY protocol, and is the only one to connect; none: nobody does.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// What TLS is done with; none: clients come unencrypted.
    pub tls: Option<Tls>,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates, the default one first; none: a self-made one.
    pub certificates: Vec<CertificatePair>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// The files of a certificate, as they were typed: relative to the folder of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificatePair {
    /// The certificate and those that signed it.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// How requests are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Not at all.
    Off,
    /// A line like that of Apache and nginx, with the outcome and the endpoint at its end.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}

/// TLS with the endpoints of a backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamTls {
    /// Is it verified who answers?
    pub verify: bool,
    /// The file of the authorities whose certificates are good, as it was typed: relative to the folder of the
    /// configuration file; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The name that certificates have to cover; none: that of each endpoint.
    pub server_name: Option<Box<str>>,
}

/// A backend, before it has tags and conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BackendSpec {
    id: BackendId,
    protocol: Protocol,
    tls: UpstreamTls,
    endpoints: Vec<EndpointSpec>,
}

/// A configured server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EndpointSpec {
    /// Its identity, if it has another than its address; it is then worth waiting for.
    name: Option<Arc<str>>,
    address: SocketAddr,
    /// The host of its address, if a name was typed.
    host: Option<Box<str>>,
    drain: bool,
}

/// Some hosts and their rules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RouteSpec {
    hosts: Vec<HostPattern>,
    /// The port to which requests without TLS are sent.
    redirect_to_https: Option<u16>,
    rules: Vec<RuleSpec>,
}

/// What happens to the requests of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RuleSpec {
    path: PathMatch,
    /// Indices into `File::backends` and weights; the first is the primary.
    backends: Vec<(usize, u32)>,
    balance: Strategy,
    session: Option<SessionPolicy>,
}

impl File {
    /// Reads a configuration file. Warnings come along with the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it could be read.
    pub fn parse(text: &str) -> Result<(Self, Problems), Problems> {
        check::file(&yaml::read(text, yaml::Echo::Allowed)?)
    }
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { verify: true, ca: None, server_name: None }
    }
}

impl FromStr for AccessLog {
    type Err = UnknownAccessLog;

    fn from_str(text: &str) -> Result<Self, UnknownAccessLog> {
        match text {
            "off" => Ok(Self::Off),
            "combined" => Ok(Self::Combined),
            "json" => Ok(Self::Json),
            _ => Err(UnknownAccessLog),
        }
    }
}

/// A text names no format of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access log is off, combined or json")]
pub struct UnknownAccessLog;
