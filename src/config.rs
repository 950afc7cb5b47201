//! What this process is told to do.

pub mod args;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use crate::file::{AccessLog, File, Listener, TlsVersion};
use crate::proxy;

/// What each plane is told when it starts. What may change while it runs is not in here: that is in the snapshot.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data plane.
    pub proxy: proxy::Config,
    /// Where the admin API listens; none: nowhere.
    pub admin: Option<SocketAddr>,
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
        let access_log = match file.access_log {
            AccessLog::Off => proxy::Format::Off,
            AccessLog::Combined => proxy::Format::Combined,
            AccessLog::Json => proxy::Format::Json,
        };
        // The cgroup's quota is in this number.
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            proxy: proxy::Config {
                listeners: file.listeners.iter().map(listener).collect(),
                workers: file.workers.map_or_else(cores, NonZeroUsize::get),
                limits: file.limits.clone(),
                access_log,
            },
            admin: file.admin,
        }
    }
}
