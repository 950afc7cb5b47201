//! A configuration without a file: what `moorline proxy` is told on its command line.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use super::scalar::{self, AddressError, NameError};
use super::{AccessLog, BackendSpec, EndpointSpec, File, Listener, RouteSpec, RuleSpec, UpstreamTls};
use crate::limits::Limits;
use crate::routing::{BackendId, HostPattern, PathMatch, Protocol, SessionPolicy, Strategy};

/// One backend for every host and path.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The sockets that clients connect to.
    pub listen: Vec<SocketAddr>,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The socket of the admin API, unless it is switched off.
    pub admin: Option<SocketAddr>,
    /// The key file.
    pub session_keys: Option<PathBuf>,
    /// How requests are logged.
    pub access_log: AccessLog,
    /// Proxy threads; none: as many as there are cores.
    pub workers: Option<NonZeroUsize>,
    /// Who serves the requests.
    pub endpoints: Vec<Target>,
    /// Session persistence, unless it is switched off.
    pub session: Option<SessionPolicy>,
}

/// A server on the command line: `127.0.0.1:9001`, or `posts-0=127.0.0.1:9001` if it has a name to come back under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its identity, if it has another than its address.
    pub name: Option<Arc<str>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Why a text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// What stands before the `=`.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands behind it.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Two servers of the command line are the same one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is listed twice")]
pub struct ListedTwice(pub String);

impl Direct {
    /// The configuration.
    ///
    /// # Errors
    /// If an endpoint is listed twice: its sessions could not be told apart.
    pub fn into_file(self) -> Result<File, ListedTwice> {
        let mut seen = HashSet::new();
        for name in self.endpoints.iter().map(Target::identity) {
            if !seen.insert(name.clone()) {
                return Err(ListedTwice(name));
            }
        }
        let endpoints = self.endpoints.into_iter().map(|target| EndpointSpec {
            name: target.name,
            address: target.address,
            host: None,
            drain: false,
        });
        let rule = RuleSpec {
            path: PathMatch::Prefix("".into()),
            backends: vec![(0, 1)],
            balance: Strategy::LeastRequests,
            session: self.session,
        };
        let trusted = self.trusted_proxies;
        let listener =
            |address| Listener { address, trusted_proxies: trusted.clone(), proxy_protocol: None, tls: None };
        Ok(File {
            listeners: self.listen.into_iter().map(listener).collect(),
            admin: self.admin,
            session_keys: self.session_keys,
            limits: Limits::default(),
            access_log: self.access_log,
            workers: self.workers,
            backends: vec![BackendSpec {
                id: BackendId::new("proxy"),
                protocol: Protocol::default(),
                tls: UpstreamTls::default(),
                endpoints: endpoints.collect(),
            }],
            routes: vec![RouteSpec { hosts: vec![HostPattern::Any], redirect_to_https: None, rules: vec![rule] }],
        })
    }
}

impl Target {
    fn identity(&self) -> String {
        self.name.as_ref().map_or_else(|| self.address.to_string(), ToString::to_string)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(scalar::name(name)?.into()), address),
            None => (None, text),
        };
        Ok(Self { name, address: scalar::endpoint_address(address)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(endpoints: &[&str]) -> Direct {
        Direct {
            listen: vec!["127.0.0.1:8080".parse().unwrap()],
            trusted_proxies: Vec::new(),
            admin: None,
            session_keys: None,
            access_log: AccessLog::Off,
            workers: None,
            endpoints: endpoints.iter().map(|text| text.parse().unwrap()).collect(),
            session: Some(SessionPolicy::default()),
        }
    }

    #[test]
    fn a_target_is_an_address_with_or_without_a_name() {
        let address = "127.0.0.1:9001".parse().unwrap();
        assert_eq!("127.0.0.1:9001".parse(), Ok(Target { name: None, address }));
        assert_eq!("posts-0=localhost:9001".parse(), Ok(Target { name: Some("posts-0".into()), address }));
        for bad in ["", "=127.0.0.1:9001", "a/b=127.0.0.1:9001", "posts-0=", "posts-0", "http://127.0.0.1:9001"] {
            assert!(bad.parse::<Target>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn endpoints_of_the_command_line_are_told_apart() {
        assert!(direct(&["127.0.0.1:9001", "127.0.0.1:9002", "a=127.0.0.1:9003"]).into_file().is_ok());
        let twice = direct(&["127.0.0.1:9001", "localhost:9001"]).into_file();
        assert_eq!(twice, Err(ListedTwice("127.0.0.1:9001".into())));
    }
}
