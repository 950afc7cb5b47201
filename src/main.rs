//! Arguments in, planes up, drain, out.

use std::io::Write;
use std::process::ExitCode;

use moorline::config::args::{Args, Verb};
use moorline::{cli, serve, telemetry};

/// Every request makes and drops some dozens of small objects: this allocator spends less time on them than glibc's.
#[cfg(all(feature = "jemalloc", target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::from_command_line();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = match args.verb {
        Some(Verb::Tool(tool)) => return run(&runtime, Some(&tool)),
        None => return run(&runtime, None),
        Some(Verb::Proxy(verb)) => telemetry::install(&args.log).map(|()| runtime.block_on(serve::proxy(&verb)))?,
        Some(Verb::Run(verb)) => telemetry::install(&args.log).map(|()| runtime.block_on(serve::run(verb)))?,
        #[cfg(feature = "kubernetes")]
        Some(Verb::Ingress(verb)) => telemetry::install(&args.log).map(|()| runtime.block_on(serve::ingress(&verb)))?,
    };
    Ok(served.map_or_else(|error| fail(&error, ExitCode::FAILURE), |()| ExitCode::SUCCESS))
}

/// A verb that ends by itself.
fn run(runtime: &tokio::runtime::Runtime, tool: Option<&moorline::config::args::Tool>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    Ok(runtime.block_on(cli::run(tool, &mut out)).unwrap_or_else(|error| fail(&error, error.exit_code())))
}

/// Says what went wrong and what caused it.
fn fail(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = format!("moorline: {error}");
    for cause in causes.map(ToString::to_string) {
        // Many errors say what caused them themselves.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    // Nobody is left to tell if this cannot be written either.
    let _ = writeln!(std::io::stderr(), "{text}");
    code
}
