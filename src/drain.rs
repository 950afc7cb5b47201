//! How a process ends: a signal that every plane can wait for, in stages. Who is in a hurry leaves some out.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not at all.
    Serving,
    /// Get no new traffic sent, but serve what comes: whoever sends it needs time to notice. Tell clients that the answer
    /// they get is the last over its connection.
    Leaving,
    /// Take nothing new; finish what is under way.
    Draining,
    /// End at once.
    Ending,
}

/// The end that says it.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<Stage>);

/// An end that hears it.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Stage>);

/// A signal that has not been given.
#[must_use]
pub fn channel() -> (Trigger, Drain) {
    let (tx, rx) = watch::channel(Stage::Serving);
    (Trigger(tx), Drain(rx))
}

impl Trigger {
    /// Goes on to this stage; there is no way back.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|current| {
            let later = stage > *current;
            *current = stage.max(*current);
            later
        });
    }
}

impl Drain {
    /// Returns when this stage has come, or when nobody is left to say so. Cancel safe.
    pub async fn reached(&mut self, stage: Stage) {
        // An error means that the trigger is gone, and with it whoever could have ended us in order.
        let _ = self.0.wait_for(|current| *current >= stage).await;
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }
}
