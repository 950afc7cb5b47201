//! `moorline-logger`: one instance of the legacy application in a process of its own.

mod args;

use anyhow::Context;
use clap::Parser;
use moorline_logger::Logger;
use moorline_service::{logging, signals::Signals};
use tokio::net::TcpListener;
use tracing::info;

use crate::args::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    logging::start();
    let file = args.file();
    let path = file.path.display().to_string();
    let logger = Logger::start(args.instance_name(), file).context("cannot start the thread that writes the log")?;
    // Before anybody is told that it listens: a signal from then on must not just kill the process.
    let signals = Signals::listen().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, instance = %logger.name(), file = path, "listening");

    let ending = logger.clone();
    logger.serve(listener, signals.wait_for_end(move || ending.stop_being_ready(), args.linger)).await;
    info!("ended");
    Ok(())
}
