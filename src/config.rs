//! What this process is told to do.

pub mod args;
#[cfg(feature = "kubernetes")]
mod everywhere;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use crate::file::{AccessLog, File, Listener, TlsVersion};
#[cfg(feature = "kubernetes")]
use crate::limits::Limits;
use crate::proxy;

/// What each plane is told when it starts. What may change while it runs is not in here: that is in the snapshot.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data plane.
    pub proxy: proxy::Config,
    /// Where the admin API listens; none: nowhere.
    pub admin: Option<SocketAddr>,
    /// Where health and metrics alone are shown; none: nowhere.
    pub health: Option<SocketAddr>,
}

impl From<&File> for Config {
    fn from(file: &File) -> Self {
        let listener = |listener: &Listener| proxy::Listener {
            address: listener.address,
            trusted_proxies: listener.trusted_proxies.clone(),
            proxy_protocol: listener.proxy_protocol.clone(),
            tls: listener.tls.as_ref().map(|tls| proxy::Tls {
                min_version: match tls.min_version {
                    TlsVersion::V1_2 => proxy::TlsVersion::V1_2,
                    TlsVersion::V1_3 => proxy::TlsVersion::V1_3,
                },
            }),
        };
        Self {
            proxy: proxy::Config {
                listeners: file.listeners.iter().map(listener).collect(),
                workers: workers(file.workers),
                limits: file.limits.clone(),
                access_log: format(file.access_log),
            },
            admin: file.admin,
            health: None,
        }
    }
}

/// So many threads as were asked for, or as there are cores.
fn workers(asked: Option<NonZeroUsize>) -> usize {
    // The cgroup's quota is in this number.
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.map_or_else(cores, NonZeroUsize::get)
}

fn format(asked: AccessLog) -> proxy::Format {
    match asked {
        AccessLog::Off => proxy::Format::Off,
        AccessLog::Combined => proxy::Format::Combined,
        AccessLog::Json => proxy::Format::Json,
    }
}

#[cfg(feature = "kubernetes")]
impl From<&args::IngressArgs> for Config {
    fn from(args: &args::IngressArgs) -> Self {
        let listener = |address, tls| proxy::Listener {
            address,
            trusted_proxies: args.trusted_proxies.clone(),
            proxy_protocol: (!args.proxy_protocol_from.is_empty()).then(|| args.proxy_protocol_from.clone()),
            tls,
        };
        let limits = Limits { shutdown_grace: args.shutdown_grace_period, ..Limits::default() };
        Self {
            proxy: proxy::Config {
                listeners: vec![
                    listener(args.http(), None),
                    listener(args.https(), Some(proxy::Tls { min_version: proxy::TlsVersion::V1_2 })),
                ],
                workers: workers(args.workers),
                limits,
                access_log: format(args.access_log),
            },
            admin: args.admin.address(),
            health: Some(args.healthz()),
        }
    }
}
