//! When the process ends: at once on SIGINT; on SIGTERM once no session is left, or when the time is up.

use std::time::Duration;

use moorline_posts::Posts;
use moorline_service::signals::{Signals, Wanted};
use tokio::{select, time::sleep};
use tracing::{info, warn};

/// Ready when the instance should end.
pub(crate) async fn wait(mut signals: Signals, posts: Posts, drain_time: Duration) {
    if signals.next().await == Wanted::EndNow {
        return;
    }
    posts.stop_being_ready();
    info!(sessions = posts.sessions(), ?drain_time, "draining");
    select! {
        () = posts.without_sessions() => info!("no session is left"),
        () = sleep(drain_time) => warn!(sessions = posts.sessions(), "the time is up"),
        () = signals.interrupt() => {}
    }
}
