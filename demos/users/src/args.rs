//! What the operator typed. Only the binary sees it.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use moorline_service::args;
use moorline_users::InstanceName;

/// A users API over MongoDB, or over memory where there is none
#[derive(Debug, Parser)]
#[command(name = "moorline-users", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,

    /// This instance's name, as X-Served-By shows it [default: $HOSTNAME, which is the pod's name in Kubernetes]
    #[arg(long, env = "USERS_NAME")]
    name: Option<InstanceName>,

    /// The replica set, such as mongodb://mongo-0.mongo,mongo-1.mongo/?replicaSet=rs0; without it users are kept in memory
    #[cfg(feature = "mongodb")]
    #[arg(long, value_name = "URI", env = "MONGODB_URI", hide_env_values = true)]
    pub(crate) mongodb: Option<String>,

    /// The database in that replica set
    #[cfg(feature = "mongodb")]
    #[arg(long, value_name = "NAME", env = "MONGODB_DATABASE", default_value = "users")]
    pub(crate) database: String,

    /// How long a client waits for MongoDB before it gets a 503: 15s, 500ms
    #[cfg(feature = "mongodb")]
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = args::duration)]
    pub(crate) deadline: Duration,

    /// How long to serve on after SIGTERM, so that whoever routes here learns of it: 5s, 500ms
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = args::duration)]
    pub(crate) linger: Duration,
}

impl Args {
    /// The name that was typed, or else the host's.
    pub(crate) fn instance_name(&self) -> InstanceName {
        args::name(self.name.as_ref(), std::env::var("HOSTNAME").ok(), "users")
    }
}

const EXAMPLES: &str = "\
Examples:
  moorline-users --listen 127.0.0.1:9011
  curl http://127.0.0.1:9011/user --data '{\"username\": \"walker\"}'
  curl http://127.0.0.1:9011/user";
