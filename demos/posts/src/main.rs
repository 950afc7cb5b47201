//! `moorline-posts`: one instance of the posts service in a process of its own.

mod args;
mod ending;

use std::{
    io::{IsTerminal, stderr},
    sync::Arc,
};

use anyhow::Context;
use clap::Parser;
use moorline_posts::{Posts, Served};
use tokio::net::TcpListener;
use tracing::{debug, info};
use tracing_subscriber::EnvFilter;

use crate::{args::Args, ending::Signals};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    start_logging();
    let posts = Posts::with_observer(args.name(std::env::var("HOSTNAME").ok()), Arc::new(log));
    // Before anybody is told that it listens: a signal from then on must not just kill the process.
    let signals = Signals::listen().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, instance = %posts.name(), "listening");

    posts.clone().serve(listener, signals.wait_for_end(posts.clone(), args.drain_time)).await;
    info!(sessions_lost = posts.sessions(), "ended");
    Ok(())
}

/// Text on a terminal, JSON otherwise; requests are shown with `RUST_LOG=debug`.
fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        subscriber.init();
    } else {
        subscriber.json().flatten_event(true).init();
    }
}

fn log(served: &Served) {
    let Served { user, method, path, status, session, request_id, instance: _ } = served;
    debug!(user, %method, path, status, session, request_id, "served");
}
