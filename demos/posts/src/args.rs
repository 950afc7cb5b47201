//! What the operator typed. Only the binary sees it.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use moorline_posts::InstanceName;

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
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) drain_time: Duration,
}

impl Args {
    /// The name that was typed, or else `hostname`, or else one that is at least a name.
    pub(crate) fn name(&self, hostname: Option<String>) -> InstanceName {
        let fallback = || hostname.and_then(|hostname| hostname.parse().ok());
        // The literal has only characters that a name may have.
        self.name.clone().or_else(fallback).unwrap_or_else(|| "posts".parse().expect("a good name"))
    }
}

fn duration(typed: &str) -> Result<Duration, String> {
    let digits = typed.len() - typed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = typed.split_at(digits);
    let number = number.parse::<u64>().ok();
    let duration = match unit {
        "ms" => number.map(Duration::from_millis),
        "s" | "" => number.map(Duration::from_secs),
        "m" => number.and_then(|minutes| minutes.checked_mul(60)).map(Duration::from_secs),
        _ => None,
    };
    duration.ok_or_else(|| "expected a whole number with ms, s or m, such as 30s".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  moorline-posts --listen 127.0.0.1:9001 --name posts-0
  curl -c jar 'http://127.0.0.1:9001/login?username=walker'
  curl -b jar http://127.0.0.1:9001/post";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_was_typed_then_the_host_then_a_default() {
        let typed = Args::parse_from(["moorline-posts", "--name", "posts-1"]);
        assert_eq!(typed.name(Some("pod-7".to_owned())).as_str(), "posts-1");
        let silent = Args { name: None, ..typed };
        assert_eq!(silent.name(Some("pod-7".to_owned())).as_str(), "pod-7");
        assert_eq!(silent.name(Some("not a name".to_owned())).as_str(), "posts");
        assert_eq!(silent.name(None).as_str(), "posts");
    }

    #[test]
    fn durations_are_a_number_with_a_unit() {
        for (typed, expected) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("0", 0)] {
            assert_eq!(duration(typed), Ok(Duration::from_millis(expected)), "{typed:?}");
        }
        for bad in ["", "s", "-1s", "1h30", "1.5s", "99999999999999999999s", "9999999999999999999m", "١s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
