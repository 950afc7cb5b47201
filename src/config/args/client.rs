//! The verbs that end by themselves.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use clap_complete::Shell;

#[cfg(feature = "kubernetes")]
use super::cluster::{ClassArgs, ConnectionArgs};
use super::examples;

/// How an answer is printed
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    #[value(help = None::<&str>)]
    Text,
    /// For programs
    #[value(help = None::<&str>)]
    Json,
}

/// Which running proxy is asked, and how its answer is printed
#[derive(Clone, Debug, clap::Args)]
pub struct AdminArgs {
    /// The admin API of the running proxy
    #[arg(
        long,
        value_name = "URL",
        env = "MOORLINE_ADMIN",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9901"
    )]
    pub admin: String,
    /// How the answer is printed
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Output,
}

/// `moorline check`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::CHECK)]
pub struct CheckArgs {
    /// The file, or - for standard input: our own, or manifests of Kubernetes
    #[arg(value_name = "FILE", default_value = "moorline.yaml")]
    pub file: PathBuf,
    /// Let warnings fail, too
    #[arg(long)]
    pub strict: bool,
    /// How the answer is printed
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Output,
    /// Manifests and clusters
    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub kubernetes: ClusterArgs,
}

/// What `moorline check` is told about manifests and clusters: by the same flags and variables as `moorline ingress`
#[cfg(feature = "kubernetes")]
#[derive(Clone, Debug, clap::Args)]
pub struct ClusterArgs {
    /// Check a cluster instead: is everything there for `moorline ingress`, and what would it do?
    #[arg(long, conflicts_with = "file")]
    pub cluster: bool,
    /// Which Ingresses are ours
    #[command(flatten)]
    pub class: ClassArgs,
    /// How the cluster is reached
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Whose permissions are checked, such as system:serviceaccount:moorline:moorline [default: ours]
    #[arg(long = "as", value_name = "USER", requires = "cluster", help_heading = "Cluster")]
    pub impersonate: Option<String>,
    /// The Lease that `ingress` would want
    #[arg(long, hide = true, default_value = "moorline-ingress-leader", env = "MOORLINE_ELECTION_ID")]
    pub election_id: String,
    /// The Secret that `ingress` would want
    #[arg(long, hide = true, default_value = "moorline-session-keys", env = "MOORLINE_SESSION_KEYS_SECRET")]
    pub session_keys_secret: String,
}

/// `moorline sessions`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::SESSIONS)]
pub struct SessionsArgs {
    /// Which proxy, and how it is printed
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Sessions of this endpoint only
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// List so many at most
    #[arg(long, value_name = "N", default_value = "20")]
    pub limit: NonZeroU32,
}

/// What to do with a key file
#[derive(Clone, Debug, Subcommand)]
pub enum KeysVerb {
    /// Make a key file with one new key
    New(KeysNewArgs),
    /// Add a key that signs six minutes from now, and drop those that nothing is signed with any more
    Rotate(KeysRotateArgs),
}

/// `moorline keys new`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::KEYS_NEW)]
pub struct KeysNewArgs {
    /// Write to this file, which must not exist yet, instead of printing
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `moorline keys rotate`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::KEYS_ROTATE)]
pub struct KeysRotateArgs {
    /// The key file; it is replaced in one step
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The longest that a session lasts (`absolute` in the file): a key is kept for so long after it last signed
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = crate::file::scalar::duration)]
    pub lifetime: std::time::Duration,
}

/// `moorline completions`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `moorline man`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = examples::MAN)]
pub struct ManArgs {
    /// Write the pages of all verbs into this folder instead
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
