//! What the operator typed. Only the binary sees it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, value_parser};
use moorline_logger::{FileSettings, InstanceName};
use moorline_service::args;

/// A legacy application that writes its log to a disk of its own
#[derive(Debug, Parser)]
#[command(name = "moorline-logger", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,

    /// This instance's name, as X-Served-By shows it [default: $HOSTNAME, which is the pod's name in Kubernetes]
    #[arg(long, env = "LOGGER_NAME")]
    name: Option<InstanceName>,

    /// The log
    #[arg(long, value_name = "PATH", env = "LOGGER_FILE", default_value = "/var/log/app.log")]
    file: PathBuf,

    /// The log is rotated before it gets longer
    #[arg(long, value_name = "BYTES", default_value_t = 10 << 20, value_parser = value_parser!(u64).range(1..))]
    max_bytes: u64,

    /// How many old logs are kept, as app.log.1, app.log.2 and so on
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = value_parser!(u8).range(1..=100))]
    keep: u8,

    /// How long to serve on after SIGTERM, so that whoever routes here learns of it: 5s, 500ms
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = args::duration)]
    pub(crate) linger: Duration,
}

impl Args {
    /// The name that was typed, or else the host's.
    pub(crate) fn instance_name(&self) -> InstanceName {
        args::name(self.name.as_ref(), std::env::var("HOSTNAME").ok(), "logger")
    }

    /// The log.
    pub(crate) fn file(&self) -> FileSettings {
        FileSettings { path: self.file.clone(), max_bytes: self.max_bytes, keep: self.keep }
    }
}

const EXAMPLES: &str = "\
Examples:
  moorline-logger --listen 127.0.0.1:9021 --file app.log
  curl http://127.0.0.1:9021/log --data '{\"message\": \"hello\"}'
  curl 'http://127.0.0.1:9021/log?lines=10'";
