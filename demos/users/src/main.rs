//! `moorline-users`: one instance of the users service in a process of its own.

mod args;

use anyhow::Context;
use clap::Parser;
use moorline_service::{logging, signals::Signals};
use moorline_users::{Memory, Store, Users};
use tokio::net::TcpListener;
use tracing::info;

use crate::args::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    logging::start();
    #[cfg(feature = "mongodb")]
    if let Some(uri) = args.mongodb.clone() {
        use moorline_users::{Mongo, MongoSettings};

        let settings = MongoSettings { uri, database: args.database.clone(), deadline: args.deadline };
        let store = Mongo::start(settings).await.context("cannot use this --mongodb")?;
        return serve(&args, store, "mongodb").await;
    }
    serve(&args, Memory::default(), "memory").await
}

async fn serve(args: &Args, store: impl Store, kind: &'static str) -> anyhow::Result<()> {
    let users = Users::new(args.instance_name(), store);
    // Before anybody is told that it listens: a signal from then on must not just kill the process.
    let signals = Signals::listen().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, instance = %users.name(), store = kind, "listening");

    let ending = users.clone();
    users.serve(listener, signals.wait_for_end(move || ending.stop_being_ready(), args.linger)).await;
    info!("ended");
    Ok(())
}
