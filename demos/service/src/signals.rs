//! When a process ends: at once on SIGINT (somebody pressed Ctrl-C), in order on SIGTERM (the kubelet wants the pod gone).

use std::{io, time::Duration};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tracing::info;

/// The two signals that end a process. From [`Signals::listen`] on they no longer just kill it.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// SIGTERM: in order.
    End,
    /// SIGINT: now.
    EndNow,
}

impl Signals {
    /// Listens from now on. Call it before anybody is told that the service is there.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of them. Cancel safe.
    pub async fn next(&mut self) -> Wanted {
        select! {
            _ = self.terminate.recv() => Wanted::End,
            _ = self.interrupt.recv() => Wanted::EndNow,
        }
    }

    /// Ready on SIGINT. Cancel safe.
    pub async fn interrupt(&mut self) {
        self.interrupt.recv().await;
    }

    /// Ready when a service that holds no sessions should end: on SIGTERM it is told that it is no longer `ready`, and
    /// serves on for the time that whoever routes to it takes to learn of that.
    pub async fn wait_for_end(mut self, stop_being_ready: impl FnOnce() + Send, linger: Duration) {
        if self.next().await == Wanted::EndNow {
            return;
        }
        stop_being_ready();
        info!(?linger, "ending");
        select! {
            () = sleep(linger) => {}
            () = self.interrupt() => {}
        }
    }
}
