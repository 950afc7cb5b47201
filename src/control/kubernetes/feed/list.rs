//! All objects of one kind: one after the other where the server can do that ([KEP-3157]), else page by page.
//!
//! [KEP-3157]: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/3157-watch-list

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt;
use kube::Resource;
use kube::api::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Feed, FeedError, Name, SHORTEST, Seen, State};

/// On the bookmark behind the last of the objects that there were.
const END: &str = "k8s.io/initial-events-end";
/// What servers say that do not know of it, or have it switched off.
const UNKNOWN: [u16; 2] = [400, 422];

impl<K, T> Feed<K, T>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    pub(super) async fn list(&mut self) -> Result<Seen<T>, FeedError> {
        if self.streams && !self.by_pages {
            self.by_pages = true;
            if let Some(all) = self.stream().await? {
                self.by_pages = false;
                return Ok(Seen::All(all));
            }
            tracing::debug!("the server does not stream lists: they are asked for page by page");
            self.streams = false;
        }
        let all = self.pages().await?;
        self.by_pages = false;
        Ok(Seen::All(all))
    }

    /// The objects one after the other, by the watch that goes on from there. `None` if the server knows no such thing; one
    /// that is older still takes this for a watch like any, which ends without having said where the objects do.
    async fn stream(&mut self) -> Result<Option<Vec<T>>, FeedError> {
        // Without a version: what holds now, not what some replica of the server remembers.
        let events = self.api.watch(&self.watch.clone().initial_events(), "").await;
        let mut events = events.map_err(FeedError::List)?.boxed();
        let since = Instant::now();
        // What happens meanwhile is told among them.
        let mut all = BTreeMap::new();
        while let Some(event) = events.next().await {
            let event = match event {
                // What is no success is no watch either, but kube takes its body for one.
                Err(kube::Error::Api(status)) if UNKNOWN.contains(&status.code) => return Ok(None),
                event => event.map_err(FeedError::List)?,
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    all.insert(Name::of(&object.meta), (self.keep)(object));
                }
                WatchEvent::Deleted(object) => drop(all.remove(&Name::of(&object.meta))),
                WatchEvent::Bookmark(bookmark) if bookmark.metadata.annotations.contains_key(END) => {
                    let version = bookmark.metadata.resource_version;
                    if version.is_empty() {
                        return Err(FeedError::NoVersion);
                    }
                    self.state = State::Watching { version, events, since };
                    return Ok(Some(all.into_values().collect()));
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(FeedError::Refused(status)),
            }
        }
        let asked = Duration::from_secs(self.watch.timeout.unwrap_or_default().into());
        let is_over = Instant::now().saturating_duration_since(since) + SHORTEST >= asked;
        // What ends sooner was cut off, by whatever stands between.
        if is_over { Ok(None) } else { Err(FeedError::Short) }
    }

    async fn pages(&mut self) -> Result<Vec<T>, FeedError> {
        let (mut params, mut all) = (self.list.clone(), Vec::new());
        loop {
            let page = self.api.list(&params).await.map_err(FeedError::List)?;
            all.extend(page.items.into_iter().map(self.keep));
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                let version = page.metadata.resource_version.filter(|version| !version.is_empty());
                self.state = State::Known(version.ok_or(FeedError::NoVersion)?);
                return Ok(all);
            }
        }
    }
}
