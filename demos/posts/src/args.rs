//! What the operator typed. Only the binary sees it.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use moorline_posts::InstanceName;
use moorline_service::args;

/// A posts service whose login sessions live in the memory of this one instance
#[derive(Debug, Parser)]
#[command(name = "moorline-posts", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,

    /// This instance's name, as X-Served-By shows it [default: $HOSTNAME, which is the pod's name in Kubernetes]
    #[arg(long, env = "POSTS_NAME")]
    name: Option<InstanceName>,

    /// How long to serve on after SIGTERM while sessions are left: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = args::duration)]
    pub(crate) drain_time: Duration,
}

impl Args {
    /// The name that was typed, or else the host's.
    pub(crate) fn instance_name(&self) -> InstanceName {
        args::name(self.name.as_ref(), std::env::var("HOSTNAME").ok(), "posts")
    }
}

const EXAMPLES: &str = "\
Examples:
  moorline-posts --listen 127.0.0.1:9001 --name posts-0
  curl -c jar 'http://127.0.0.1:9001/login?username=walker'
  curl -b jar http://127.0.0.1:9001/post";
