//! `moorline-stage`, better known as `cargo demo`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use moorline_stage::demo::{self, Options};
use moorline_stage::story::{self, Scale};

/// Three posts instances, a users service and Moorline on this machine, to play the lesson on sticky sessions through
#[derive(Debug, Parser)]
#[command(name = "moorline-stage", bin_name = "cargo demo", version, after_help = EXAMPLES)]
struct Args {
    /// The port on 127.0.0.1 that clients connect to; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080, conflicts_with = "story")]
    port: u16,

    /// Open the page in a browser
    #[arg(long, conflicts_with = "story")]
    open: bool,

    /// Let 48 users play while the instances are replaced, and count what they lose: without stickiness, with it, and
    /// with drains. Exits with 1 unless the last row is clean
    #[arg(long)]
    story: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo demo
  cargo demo --port 0 --open
  cargo demo --story";

fn main() -> ExitCode {
    let args = Args::parse_from(typed(std::env::args_os()));
    run(&args).unwrap_or_else(|error| {
        // Nobody is left to tell if this cannot be written either.
        let _ = writeln!(std::io::stderr(), "cargo demo: {error:#}");
        ExitCode::FAILURE
    })
}

/// The arguments, without a `--` in front of them: the alias in `.cargo/config.toml` has one already, so `cargo demo --story`
/// works, and people are used to type `cargo demo -- --story`.
fn typed(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.enumerate().filter(|(at, arg)| *at != 1 || arg != "--").map(|(_, arg)| arg)
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.story {
        let told = runtime.block_on(story::tell(&Scale::default(), &mut std::io::stdout()))?;
        return Ok(if told.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    runtime.block_on(demo::run(&Options { port: args.port, open: args.open }))?;
    Ok(ExitCode::SUCCESS)
}
