//! The verbs that serve requests: `proxy` and `run`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;

use super::{AdminSwitch, examples};
use crate::file::{AccessLog, Direct, File, ListedTwice, Target, scalar};
use crate::routing::SessionPolicy;
use crate::routing::session::{CookieName, CookieNameError, OnLost};

/// `moorline proxy`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::PROXY)]
pub struct ProxyArgs {
    /// The servers: ADDRESS, or NAME=ADDRESS for one that comes back under its name after a restart
    #[arg(required = true, value_name = "ENDPOINT")]
    pub endpoints: Vec<Target>,
    /// Where to listen (repeatable); port 0 takes a free one
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = scalar::listen_address)]
    pub listen: Vec<SocketAddr>,
    /// Where the admin API listens, or off
    #[arg(long, value_name = "ADDRESS|off", default_value = "127.0.0.1:9901")]
    pub admin: AdminSwitch,
    /// Proxy threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// How requests are logged
    #[arg(long, value_name = "FORMAT", default_value = "combined", value_parser = access_log())]
    pub access_log: AccessLog,
    /// Whose X-Forwarded-* headers are believed (repeatable)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = scalar::network)]
    pub trusted_proxies: Vec<IpNet>,
    /// What it keeps of sessions
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Session persistence on the command line
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sessions")]
pub struct SessionArgs {
    /// Keep no sessions: every request goes to the endpoint with the fewest
    #[arg(long, conflicts_with_all = ["cookie", "keys", "hold", "on_lost"])]
    pub no_session: bool,
    /// The name of the session cookie
    #[arg(long, value_name = "NAME", default_value = "moorline", value_parser = cookie_name)]
    pub cookie: CookieName,
    /// The key file (see moorline keys); without it sessions end with the process
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// How long requests wait for a named endpoint that is away
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = scalar::duration)]
    pub hold: Duration,
    /// What happens to a session whose endpoint is lost
    #[arg(long, value_name = "WHAT", default_value = "reassign", value_parser = on_lost())]
    pub on_lost: OnLost,
}

/// `moorline run`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    /// The configuration file; it is read again when it changes and on SIGHUP
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "moorline.yaml",
        env = "MOORLINE_CONFIG",
        hide_env_values = true
    )]
    pub config: PathBuf,
    /// Where the admin API listens, or off, whatever the file says
    #[arg(long, value_name = "ADDRESS|off")]
    pub admin: Option<AdminSwitch>,
    /// Proxy threads, whatever the file says
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// How requests are logged, whatever the file says
    #[arg(long, value_name = "FORMAT", value_parser = access_log())]
    pub access_log: Option<AccessLog>,
}

impl ProxyArgs {
    /// The configuration that was typed.
    ///
    /// # Errors
    /// If an endpoint is listed twice.
    pub fn to_file(&self) -> Result<File, ListedTwice> {
        let args = self.clone();
        let session = (!args.session.no_session).then(|| {
            let mut policy =
                SessionPolicy { hold: args.session.hold, on_lost: args.session.on_lost, ..SessionPolicy::default() };
            policy.cookie.name = args.session.cookie;
            policy
        });
        let direct = Direct {
            listen: args.listen,
            trusted_proxies: args.trusted_proxies,
            admin: args.admin.address(),
            session_keys: args.session.keys,
            access_log: args.access_log,
            workers: args.workers,
            endpoints: args.endpoints,
            session,
        };
        direct.into_file()
    }
}

impl RunArgs {
    /// Puts what was typed over what the file says.
    pub fn apply(&self, file: &mut File) {
        if let Some(admin) = self.admin {
            file.admin = admin.address();
        }
        file.workers = self.workers.or(file.workers);
        file.access_log = self.access_log.unwrap_or(file.access_log);
    }
}

pub(super) fn access_log() -> impl TypedValueParser<Value = AccessLog> {
    PossibleValuesParser::new(["off", "combined", "json"]).try_map(|text| text.parse::<AccessLog>())
}

fn on_lost() -> impl TypedValueParser<Value = OnLost> {
    PossibleValuesParser::new(["reassign", "temporary", "reject"]).map(|text| match text.as_str() {
        "temporary" => OnLost::Temporary,
        "reject" => OnLost::Reject,
        _ => OnLost::Reassign,
    })
}

fn cookie_name(text: &str) -> Result<CookieName, CookieNameError> {
    CookieName::new(text)
}
