//! The objects of one kind: listed once, and watched from there on. Whatever fails is told, and gone on from.
//!
//! An object is turned into what is kept of it as it arrives: nobody holds a whole list as it was sent.
//!
//! ## Why not kube's watcher
//! It gives up a whole list for one object that cannot be read, goes on behind a line that it could not read as if
//! nothing had been in it, and asks again at once, for ever, where a watch ends as soon as it has begun: so does whatever
//! answers without a body, such as a load balancer whose API server is away. (A line that is cut off looks like the end of
//! the watch, to kube's client as to anybody: what was in it is seen with the next list.)

mod list;

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::lenient::Lenient;
use super::objects::Name;

/// As many objects are in one answer, as client-go has it.
const PAGE: u32 = 500;
/// A watch has lasted at least so long, or else it has failed.
const SHORTEST: Duration = Duration::from_secs(1);
/// So much earlier than a connection is given up, the server is asked to end a watch.
const MARGIN: Duration = Duration::from_secs(4);

/// What is seen of the objects of one kind.
#[derive(Debug)]
pub enum Seen<T> {
    /// These are all of them.
    All(Vec<T>),
    /// One is like this now.
    Applied(T),
    /// One is gone.
    Deleted(Name),
    /// Nothing has happened, and the server is there.
    Quiet,
}

/// Why nothing is seen. The next call tries again: wait a moment before it.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// They could not be listed.
    #[error("the list failed: {0}")]
    List(#[source] kube::Error),
    /// A list or an object says no version from which a watch could begin.
    #[error("there is no resourceVersion in what the server says")]
    NoVersion,
    /// They could not be watched, or no longer.
    #[error("the watch failed: {0}")]
    Watch(#[source] kube::Error),
    /// The server has ended a watch, and says why.
    #[error("the server ended the watch: {} (code {})", .0.message, .0.code)]
    Refused(Box<Status>),
    /// The server has ended a watch, and does not say why.
    #[error("the server ended the watch before its time")]
    Short,
}

/// The objects of one kind, and what is kept of each.
pub struct Feed<K, T> {
    api: Api<Lenient<K>>,
    keep: fn(Lenient<K>) -> T,
    list: ListParams,
    watch: WatchParams,
    /// Can the server list objects one after the other, as far as is known?
    streams: bool,
    /// It has failed to: next time everything is asked for page by page.
    by_pages: bool,
    state: State<K>,
}

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<Lenient<K>>>>;

enum State<K> {
    /// Nothing is known: everything has to be listed.
    Unknown,
    /// What has happened up to this version is known.
    Known(String),
    /// The same, and what happens is told.
    Watching { version: String, events: Events<K>, since: Instant },
}

impl<K, T> Feed<K, T>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// The objects with these labels and fields, as selectors; empty: any. On connections that are given up when they have
    /// been silent for so long.
    pub fn new(api: Api<Lenient<K>>, labels: &str, fields: &str, silence: Duration, keep: fn(Lenient<K>) -> T) -> Self {
        let selector = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (label_selector, field_selector) = (selector(labels), selector(fields));
        let list = ListParams { label_selector, field_selector, limit: Some(PAGE), ..ListParams::default() };
        let seconds = silence.saturating_sub(MARGIN).as_secs().max(1);
        let watch = WatchParams {
            label_selector: list.label_selector.clone(),
            field_selector: list.field_selector.clone(),
            timeout: u32::try_from(seconds).ok(),
            bookmarks: true,
            send_initial_events: false,
        };
        Self { api, keep, list, watch, streams: true, by_pages: false, state: State::Unknown }
    }

    /// What was seen may be wrong: everything is listed again next.
    pub fn forget(&mut self) {
        self.state = State::Unknown;
    }

    /// What is seen next. Not cancel safe: afterwards, [`forget`](Self::forget).
    ///
    /// # Errors
    /// Whatever fails, once for each failure.
    pub async fn next(&mut self) -> Result<Seen<T>, FeedError> {
        loop {
            match std::mem::replace(&mut self.state, State::Unknown) {
                State::Unknown => return self.list().await,
                State::Known(version) => match self.api.watch(&self.watch, &version).await {
                    Ok(events) => {
                        let (events, since) = (events.boxed(), Instant::now());
                        self.state = State::Watching { version, events, since };
                    }
                    Err(error) => return Err(self.failed(version, error)),
                },
                State::Watching { version, mut events, since } => match events.next().await {
                    Some(Ok(event)) => return self.take(event, version, events, since),
                    Some(Err(error)) => return Err(self.failed(version, error)),
                    None => {
                        self.state = State::Known(version);
                        let is_short = Instant::now().saturating_duration_since(since) < SHORTEST;
                        return if is_short { Err(FeedError::Short) } else { Ok(Seen::Quiet) };
                    }
                },
            }
        }
    }

    fn take(
        &mut self,
        event: WatchEvent<Lenient<K>>,
        version: String,
        events: Events<K>,
        since: Instant,
    ) -> Result<Seen<T>, FeedError> {
        let (next, seen) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                (object.meta.resource_version.clone(), Seen::Applied((self.keep)(object)))
            }
            WatchEvent::Deleted(object) => {
                let name = Name::of(&object.meta);
                (object.meta.resource_version, Seen::Deleted(name))
            }
            WatchEvent::Bookmark(bookmark) => (Some(bookmark.metadata.resource_version), Seen::Quiet),
            WatchEvent::Error(status) => {
                if status.code != GONE {
                    self.state = State::Known(version);
                }
                return Err(FeedError::Refused(status));
            }
        };
        let version = next.filter(|version| !version.is_empty()).ok_or(FeedError::NoVersion)?;
        self.state = State::Watching { version, events, since };
        Ok(seen)
    }

    /// Goes on from where it was, unless something may have been missed.
    fn failed(&mut self, version: String, error: kube::Error) -> FeedError {
        let is_lost = match &error {
            kube::Error::Api(status) => status.code == GONE,
            // Nobody knows what was in a line that cannot be read.
            kube::Error::SerdeError(_) => true,
            _ => false,
        };
        if !is_lost {
            self.state = State::Known(version);
        }
        FeedError::Watch(error)
    }
}

impl FeedError {
    /// Has the server too much to do?
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        match self {
            Self::List(kube::Error::Api(status)) | Self::Watch(kube::Error::Api(status)) | Self::Refused(status) => {
                status.code == TOO_MANY
            }
            _ => false,
        }
    }
}

/// The version is not known any more.
const GONE: u16 = 410;
/// Too many requests.
const TOO_MANY: u16 = 429;
