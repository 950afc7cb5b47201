//! Replacing an instance by a new one, with or without waiting for its sessions.
//!
//! ## When is an endpoint empty?
//! Moorline's index counts a session once its token has come back, so that crawlers are nobody's session. A user who
//! has just logged in and has not asked for anything since is not in it. The instance itself knows of that user, as it does
//! in a real cluster, where it goes on serving after SIGTERM for as long as it has sessions. So both are asked.
//! And since a request that was decided upon before the drain may still be on its way, both have to say so for a while.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Stage;

/// How an instance is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Whatever it holds.
    AtOnce,
    /// After its last session has ended, or so much time.
    Drained(Duration),
}

impl Stage {
    /// Ends an instance and starts another one under its name, at another address. Returns how many sessions were lost
    /// with its memory.
    pub(crate) async fn replace(&self, name: &str, manner: Manner) -> anyhow::Result<usize> {
        if let Manner::Drained(patience) = manner {
            self.drain(name, true)?;
            // If it is never empty, who is left loses a session; the caller hears how many did.
            let _ = timeout(patience, self.empty(name)).await;
        }
        let lost = self.endpoint(name).and_then(|seen| seen.remembered).unwrap_or(0);
        let instance = self.set().find(name)?.instance.take();
        if let Some(instance) = instance {
            instance.stop().await;
        }
        sleep(START_TIME).await;
        self.start(name).await?;
        Ok(lost)
    }

    /// Returns once the endpoint has been without sessions for a while. Cancel safe.
    async fn empty(&self, name: &str) {
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            let seen = self.endpoint(name);
            if seen.is_some_and(|seen| seen.moored > 0 || seen.remembered.is_some_and(|sessions| sessions > 0)) {
                since = Instant::now();
            }
            sleep(LOOK).await;
        }
    }
}

/// How long a small service takes to start. Requests of its sessions are held for so long.
const START_TIME: Duration = Duration::from_millis(200);

/// For so long nothing has to be there; a request on its way takes a few milliseconds.
const QUIET: Duration = Duration::from_millis(100);

const LOOK: Duration = Duration::from_millis(10);
