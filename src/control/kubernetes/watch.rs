//! Watches: the streams of one kind of object → changes, for as long as the process lives.
//!
//! ## How a watch that hangs is noticed
//! The server is asked to end each watch after less than half a minute, and a connection that has been silent for longer
//! than that is given up. So silence is never longer than that, whatever lies between.
//!
//! ## How a server that has forgotten is noticed
//! A server that was put back to an older state knows nothing of the revision from which it is to go on, and says so for
//! ever. After a few failures, and now and then in any case, everything is listed again.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::objects::{Kind, Name, Object};

/// After so many seconds the server ends a watch, which goes on at once from where it was.
const WATCH: u32 = 25;
/// A connection that has been silent for so long is dead.
pub const SILENCE: Duration = Duration::from_secs(29);
/// After about so long everything is listed again, whatever the watch says.
const RELIST: Duration = Duration::from_secs(15 * 60);
/// After so many failures in a row, too.
const FAILURES: u32 = 4;
/// The first pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What a watch has seen.
#[derive(Debug)]
pub enum Change {
    /// An object looks like this now.
    Apply(Object),
    /// An object is gone.
    Delete(Kind, Name),
    /// These are all objects of a kind, in this namespace or in all.
    Reset(Kind, Option<String>, Vec<Object>),
}

/// Which objects are watched.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Their kind.
    pub kind: Kind,
    /// In which namespace; none: in all.
    pub namespace: Option<String>,
    /// With which labels; empty: any.
    pub labels: String,
}

/// Follows the objects of one kind. Never returns; dropping it ends it.
pub async fn follow<K>(api: Api<K>, scope: Scope, changes: mpsc::Sender<Change>, metrics: Arc<Metrics>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Into<Object> + 'static,
    K::DynamicType: Default,
{
    let mut config = watcher::Config::default().timeout(WATCH);
    if !scope.labels.is_empty() {
        config = config.labels(&scope.labels);
    }
    let mut failures = 0;
    loop {
        let mut stream = pin!(watcher(api.clone(), config.clone()));
        let mut relist = pin!(tokio::time::sleep(RELIST.mul_f64(0.8 + 0.4 * fastrand::f64())));
        let mut listed = Vec::new();
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = &mut relist => break,
            };
            let change = match event {
                Some(Ok(Event::Init)) => {
                    listed = Vec::new();
                    continue;
                }
                Some(Ok(Event::InitApply(object))) => {
                    listed.push(object.into());
                    continue;
                }
                Some(Ok(Event::InitDone)) => {
                    Change::Reset(scope.kind, scope.namespace.clone(), std::mem::take(&mut listed))
                }
                Some(Ok(Event::Apply(object))) => Change::Apply(object.into()),
                Some(Ok(Event::Delete(object))) => Change::Delete(scope.kind, Name::of(object.meta())),
                Some(Err(error)) => {
                    failures += 1;
                    metrics.watch_failed(scope.kind);
                    if failures == 1 {
                        tracing::warn!(kind = ?scope.kind, %error, "a watch failed; the last good state serves on");
                    }
                    pause(failures).await;
                    if failures % FAILURES == 0 {
                        break;
                    }
                    continue;
                }
                None => break,
            };
            if failures > 0 {
                tracing::info!(kind = ?scope.kind, failures, "the watch goes on");
                failures = 0;
            }
            metrics.seen();
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

/// Doubles with each failure; the jitter keeps replicas from asking all at once.
async fn pause(failures: u32) {
    let (first, longest) = PAUSE;
    let pause = first.saturating_mul(1 << failures.min(10)).min(longest);
    tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
}
