//! `moorline-posts`: one instance of the posts service in a process of its own.

mod args;
mod ending;

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use moorline_posts::{Posts, Served};
use moorline_service::{logging, signals::Signals};
use tokio::net::TcpListener;
use tracing::{debug, info};

use crate::args::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    logging::start();
    let posts = Posts::with_observer(args.instance_name(), Arc::new(log));
    // Before anybody is told that it listens: a signal from then on must not just kill the process.
    let signals = Signals::listen().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, instance = %posts.name(), "listening");

    posts.clone().serve(listener, ending::wait(signals, posts.clone(), args.drain_time)).await;
    info!(sessions_lost = posts.sessions(), "ended");
    Ok(())
}

fn log(served: &Served) {
    let Served { user, method, path, status, session, request_id, instance: _ } = served;
    debug!(user, %method, path, status, session, request_id, "served");
}
