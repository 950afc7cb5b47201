//! The verb that serves a cluster: `ingress`. Flags are called as users of ingress-nginx know them, where it has them.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::cluster::{ClassArgs, ConnectionArgs};
use super::server::access_log;
use super::{AdminSwitch, examples};
use crate::config::everywhere::everywhere;
use crate::file::{AccessLog, scalar};

/// `moorline ingress`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::INGRESS)]
pub struct IngressArgs {
    /// Which Ingresses are served
    #[command(flatten)]
    pub class: ClassArgs,
    /// The Service whose address is written into the status of Ingresses
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = name, env = "MOORLINE_PUBLISH_SERVICE", hide_env_values = true, help_heading = "Status")]
    pub publish_service: Option<(String, String)>,
    /// The addresses that are written instead
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        env = "MOORLINE_PUBLISH_STATUS_ADDRESS",
        hide_env_values = true,
        help_heading = "Status"
    )]
    pub publish_status_address: Vec<String>,
    /// Is the status written?
    #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set, env = "MOORLINE_UPDATE_STATUS", hide_env_values = true, help_heading = "Status")]
    pub update_status: bool,
    /// The Lease that decides which replica writes status and Events
    #[arg(
        long,
        value_name = "NAME",
        default_value = "moorline-ingress-leader",
        env = "MOORLINE_ELECTION_ID",
        hide_env_values = true,
        help_heading = "Status"
    )]
    pub election_id: String,
    /// Who gets what no Ingress wants
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = name, env = "MOORLINE_DEFAULT_BACKEND_SERVICE", hide_env_values = true, help_heading = "Serving")]
    pub default_backend_service: Option<(String, String)>,
    /// The Secret with the certificate for hosts that have none [default: a self-made one]
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = name, env = "MOORLINE_DEFAULT_SSL_CERTIFICATE", hide_env_values = true, help_heading = "Serving")]
    pub default_ssl_certificate: Option<(String, String)>,
    /// The port for HTTP
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8080,
        env = "MOORLINE_HTTP_PORT",
        hide_env_values = true,
        help_heading = "Serving"
    )]
    pub http_port: u16,
    /// The port for HTTPS
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8443,
        env = "MOORLINE_HTTPS_PORT",
        hide_env_values = true,
        help_heading = "Serving"
    )]
    pub https_port: u16,
    /// The port for /livez, /readyz and /metrics
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 10254,
        env = "MOORLINE_HEALTHZ_PORT",
        hide_env_values = true,
        help_heading = "Serving"
    )]
    pub healthz_port: u16,
    /// Where the admin API listens, or off
    #[arg(
        long,
        value_name = "ADDRESS|off",
        default_value = "127.0.0.1:9901",
        env = "MOORLINE_ADMIN",
        hide_env_values = true,
        help_heading = "Serving"
    )]
    pub admin: AdminSwitch,
    /// Whose X-Forwarded-* headers are believed
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = scalar::network, env = "MOORLINE_TRUSTED_PROXIES", hide_env_values = true, help_heading = "Serving")]
    pub trusted_proxies: Vec<IpNet>,
    /// Take connections from these networks only, each of which begins with a PROXY header
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = scalar::network, env = "MOORLINE_PROXY_PROTOCOL_FROM", hide_env_values = true, help_heading = "Serving")]
    pub proxy_protocol_from: Vec<IpNet>,
    /// How long new connections are still served after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = scalar::duration, env = "MOORLINE_SHUTDOWN_GRACE_PERIOD", hide_env_values = true, help_heading = "Serving")]
    pub shutdown_grace_period: Duration,
    /// How requests are logged
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = access_log(), env = "MOORLINE_ACCESS_LOG", hide_env_values = true, help_heading = "Serving")]
    pub access_log: AccessLog,
    /// Proxy threads [default: one per core]
    #[arg(long, value_name = "N", env = "MOORLINE_WORKERS", hide_env_values = true, help_heading = "Serving")]
    pub workers: Option<NonZeroUsize>,
    /// The Secret of our own namespace that has the session keys; it is made if it is not there
    #[arg(
        long,
        value_name = "NAME",
        default_value = "moorline-session-keys",
        env = "MOORLINE_SESSION_KEYS_SECRET",
        hide_env_values = true,
        help_heading = "Sessions"
    )]
    pub session_keys_secret: String,
    /// Until when cookies of ingress-nginx are honoured, such as 2027-01-31
    #[arg(long, value_name = "DATE", value_parser = date, env = "MOORLINE_LEGACY_COOKIES_UNTIL", hide_env_values = true, help_heading = "Sessions")]
    pub legacy_cookies_until: Option<u64>,
    /// What this pod is called
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true, help_heading = "Cluster")]
    pub pod_name: Option<String>,
    /// How the cluster is reached
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl IngressArgs {
    /// Where HTTP is served.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        everywhere(self.http_port)
    }

    /// Where HTTPS is served.
    #[must_use]
    pub fn https(&self) -> SocketAddr {
        everywhere(self.https_port)
    }

    /// Where health and metrics are shown.
    #[must_use]
    pub fn healthz(&self) -> SocketAddr {
        everywhere(self.healthz_port)
    }
}

fn name(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME"),
    }
}

/// A day, to its end, or a moment; in unix seconds.
fn date(text: &str) -> Result<u64, String> {
    let moment = match text.parse::<Date>() {
        Ok(day) => day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC)).map(|next| next.timestamp()),
        Err(_) => text.parse::<Timestamp>(),
    };
    let seconds = moment.map_err(|error| error.to_string())?.as_second();
    u64::try_from(seconds).map_err(|_| "that was long ago".to_owned())
}
