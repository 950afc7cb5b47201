//! Watches: the streams of one kind of object → changes, for as long as the process lives.
//!
//! ## How a watch that hangs is noticed
//! The server is asked to end each watch after less than half a minute, and a connection that has been silent for longer
//! than that is given up. So silence is never longer than that, whatever lies between.
//!
//! ## How a server that has forgotten is noticed
//! A server that was put back to an older state knows nothing of the revision from which it is to go on, and says so for
//! ever. After a few failures, and now and then in any case, everything is listed again.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::feed::{Feed, Seen};
use super::lenient::Lenient;
use super::metrics::Metrics;
use super::objects::{Kind, Name, Object};

/// A connection that has been silent for so long is dead. The server is asked to end each watch after 25 s.
pub const SILENCE: Duration = Duration::from_secs(29);
/// After about so long everything is listed again, whatever the watch says.
const RELIST: Duration = Duration::from_secs(15 * 60);
/// After so many failures in a row, too.
const FAILURES: u32 = 4;
/// The first pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// After a server has said that it has too much to do, at least: it asks for a second or more.
const BUSY: Duration = Duration::from_secs(2);

/// What a watch has seen.
#[derive(Debug)]
pub enum Change {
    /// An object looks like this now.
    Apply(Object),
    /// An object is gone.
    Delete(Kind, Name),
    /// These are all objects of this scope; and those of these names, which cannot be read, are what they were.
    Reset(Scope, Vec<Object>, BTreeSet<Name>),
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
    /// With which fields; empty: any.
    pub fields: String,
    /// Connections that are silent for so long are dead.
    pub silence: Duration,
}

/// Follows the objects of one kind. Never returns; dropping it ends it.
pub async fn follow<K>(api: Api<Lenient<K>>, scope: Scope, changes: mpsc::Sender<Change>, metrics: Arc<Metrics>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Into<Object> + 'static,
{
    let mut feed = Feed::new(api, &scope.labels, &scope.fields, scope.silence, read);
    let mut failures = 0;
    loop {
        let mut relist = pin!(tokio::time::sleep(RELIST.mul_f64(0.8 + 0.4 * fastrand::f64())));
        feed.forget();
        loop {
            let seen = tokio::select! {
                seen = feed.next() => seen,
                () = &mut relist => break,
            };
            let seen = match seen {
                Ok(seen) => seen,
                Err(error) => {
                    failures += 1;
                    metrics.watch_failed(scope.kind);
                    if failures == 1 {
                        tracing::warn!(kind = ?scope.kind, %error, "a watch failed; the last good state serves on");
                    }
                    pause(failures, error.is_too_much()).await;
                    if failures % FAILURES == 0 {
                        break;
                    }
                    continue;
                }
            };
            metrics.seen();
            // Where lists succeed and watches fail, the pauses between them grow nevertheless.
            if failures > 0 && !matches!(seen, Seen::All(_)) {
                tracing::info!(kind = ?scope.kind, failures, "the watch goes on");
                failures = 0;
            }
            if let Some(change) = change(seen, &scope)
                && changes.send(change).await.is_err()
            {
                return;
            }
        }
    }
}

/// What is seen, if it says anything.
fn change(seen: Seen<Result<Object, Name>>, scope: &Scope) -> Option<Change> {
    match seen {
        Seen::All(all) => {
            let (mut objects, mut unreadable) = (Vec::with_capacity(all.len()), BTreeSet::new());
            for one in all {
                match one {
                    Ok(object) => objects.push(object),
                    Err(name) => drop(unreadable.insert(name)),
                }
            }
            Some(Change::Reset(scope.clone(), objects, unreadable))
        }
        Seen::Applied(one) => one.ok().map(Change::Apply),
        Seen::Deleted(name) => Some(Change::Delete(scope.kind, name)),
        Seen::Quiet => None,
    }
}

/// What is kept of an object, or the name of what is none.
fn read<K: Resource<DynamicType = ()> + Into<Object>>(one: Lenient<K>) -> Result<Object, Name> {
    one.object.map(Into::into).map_err(|error| {
        let (kind, name, uid) = (K::kind(&()), Name::of(&one.meta), one.meta.uid.unwrap_or_default());
        tracing::warn!(%kind, %name, uid, %error, "an object cannot be read; what was known of it holds");
        name
    })
}

/// Doubles with each failure; the jitter keeps replicas from asking all at once.
pub(super) async fn pause(failures: u32, is_too_much: bool) {
    let (first, longest) = PAUSE;
    let shortest = if is_too_much { BUSY } else { first };
    let pause = first.saturating_mul(1 << failures.min(10)).clamp(shortest, longest);
    tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
}
