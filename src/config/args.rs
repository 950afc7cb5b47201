//! Exactly what the operator typed, and the only place that knows how it is typed.
//!
//! Values are parsed here, so that a wrong one is reported with its flag; what they mean together is
//! decided elsewhere.

mod client;
#[cfg(feature = "kubernetes")]
mod cluster;
mod examples;
#[cfg(feature = "kubernetes")]
mod ingress;
mod server;

use std::net::SocketAddr;
use std::str::FromStr;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

#[cfg(feature = "kubernetes")]
pub use self::client::ClusterArgs;
pub use self::client::{
    AdminArgs, CheckArgs, CompletionsArgs, KeysNewArgs, KeysRotateArgs, KeysVerb, ManArgs, Output, SessionsArgs,
};
#[cfg(feature = "kubernetes")]
pub use self::cluster::{ClassArgs, ConnectionArgs};
#[cfg(feature = "kubernetes")]
pub use self::ingress::IngressArgs;
pub use self::server::{ProxyArgs, RunArgs};
use crate::file::scalar::{self, AddressError};

/// A reverse proxy that keeps every session moored to the endpoint that holds it
#[derive(Debug, Parser)]
#[command(name = "moorline", version, after_help = examples::TOP, max_term_width = 100)]
pub struct Args {
    /// What is logged
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do; without it, three next steps are printed
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve requests, told on the command line
    Proxy(ProxyArgs),
    /// Serve requests, told by a configuration file
    Run(RunArgs),
    /// Serve the Ingresses of a Kubernetes cluster
    #[cfg(feature = "kubernetes")]
    Ingress(Box<IngressArgs>),
    /// Something that ends by itself
    #[command(flatten)]
    Tool(Tool),
}

/// The verbs that end by themselves
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Validate a configuration file, Kubernetes manifests or a cluster
    Check(Box<CheckArgs>),
    /// List the live sessions of a running proxy
    Sessions(SessionsArgs),
    /// Make and change key files
    #[command(subcommand, after_help = examples::KEYS)]
    Keys(KeysVerb),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
    /// Print the JSON Schema of the configuration file, for editors
    #[command(after_help = examples::SCHEMA)]
    Schema,
}

/// What is logged, and how
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// What is logged: a level, or a filter such as warn,moorline=debug
    #[arg(
        long = "log",
        value_name = "FILTER",
        env = "MOORLINE_LOG",
        hide_env_values = true,
        default_value = "info",
        global = true,
        help_heading = "Logging"
    )]
    pub filter: String,
    /// How it is logged [default: text on a terminal, json otherwise]
    #[arg(
        long = "log-format",
        value_name = "FORMAT",
        env = "MOORLINE_LOG_FORMAT",
        hide_env_values = true,
        global = true,
        help_heading = "Logging"
    )]
    pub format: Option<LogFormat>,
}

/// The shape of log lines
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[value(help = None::<&str>)]
    Text,
    /// One JSON object a line
    #[value(help = None::<&str>)]
    Json,
}

/// Where the admin API listens
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminSwitch {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

impl Args {
    /// Reads the process's command line. Ends the process if it is wrong, or asks for help.
    #[must_use]
    pub fn from_command_line() -> Self {
        Self::parse()
    }

    /// Everything that can be typed: completions and manual pages are made from it.
    #[must_use]
    pub fn command() -> clap::Command {
        <Self as CommandFactory>::command()
    }
}

impl AdminSwitch {
    /// The address, unless it is off.
    #[must_use]
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for AdminSwitch {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "off" { Ok(Self::Off) } else { scalar::listen_address(text).map(Self::At) }
    }
}

#[cfg(test)]
mod tests;
