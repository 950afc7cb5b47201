//! Logs: for people on a terminal, for machines otherwise. On standard error, since standard output belongs to the
//! access log and to what a command prints.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::args::{LogArgs, LogFormat};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `--log` is no filter.
    #[error("--log {filter}: {source}")]
    Filter {
        /// What was typed.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else logs already.
    #[error(transparent)]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// From now on the process logs.
///
/// # Errors
/// If the filter is none.
pub fn install(args: &LogArgs) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::builder().parse(&args.filter);
    let filter = parsed.map_err(|source| TelemetryError::Filter { filter: args.filter.clone(), source })?;
    let terminal = std::io::stderr().is_terminal();
    let format = args.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).with_ansi(terminal).finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init()?,
    }
    Ok(())
}
