//! Whether there is a primary that answers, asked once a second, so that `/readyz` costs nothing and cannot be used to ask
//! MongoDB for more.
//!
//! A question waits for a primary as long as any request would. So a change of primaries that requests live through does
//! not make the instance unready.

use std::sync::{Arc, atomic::Ordering};

use mongodb::{
    bson::doc,
    error::Result,
    options::{ReadPreference, SelectionCriteria},
};
use tokio::{
    select,
    sync::watch,
    time::{Duration, sleep},
};
use tracing::{info, warn};

use super::Shared;

/// Watches until the store closes.
pub(super) async fn run(shared: Arc<Shared>, mut closes: watch::Receiver<bool>) {
    let mut said = None;
    loop {
        // Never dropped half-way: whether the store closes is asked in between.
        let asked = ask(&shared).await;
        if *closes.borrow() {
            return;
        }
        shared.has_primary.store(asked.is_ok(), Ordering::Relaxed);
        if said != Some(asked.is_ok()) {
            match &asked {
                Ok(()) => info!("MongoDB has a primary that answers"),
                Err(error) => warn!(%error, "MongoDB cannot be used"),
            }
            said = Some(asked.is_ok());
        }
        select! {
            _ = closes.changed() => return,
            () = sleep(PAUSE) => {}
        }
    }
}

/// Are the indexes there, and does a primary answer?
async fn ask(shared: &Shared) -> Result<()> {
    shared.prepare().await?;
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    shared.client.database("admin").run_command(doc! { "ping": 1 }).selection_criteria(primary).await.map(drop)
}

const PAUSE: Duration = Duration::from_secs(1);
