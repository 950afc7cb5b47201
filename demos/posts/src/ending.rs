//! When the process ends: at once on SIGINT (somebody pressed Ctrl-C); on SIGTERM (the kubelet wants the pod gone) once
//! no session is left, or when the time is up.

use std::{io, time::Duration};

use moorline_posts::Posts;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tracing::{info, warn};

pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Ready when the instance should end.
    pub(crate) async fn wait_for_end(mut self, posts: Posts, drain_time: Duration) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => return,
        }
        posts.stop_being_ready();
        info!(sessions = posts.sessions(), ?drain_time, "draining");
        select! {
            () = posts.without_sessions() => info!("no session is left"),
            () = sleep(drain_time) => warn!(sessions = posts.sessions(), "the time is up"),
            _ = self.interrupt.recv() => {}
        }
    }
}
