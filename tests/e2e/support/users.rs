//! Users at work: ten requests a second each, and a diary of what they saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Client;

/// Users at work.
pub(crate) struct Users {
    tasks: Vec<JoinHandle<Diary>>,
    stop: watch::Sender<bool>,
    requests: Arc<AtomicUsize>,
}

/// What one user saw, in order.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) entries: Vec<Entry>,
    /// How often the client had to ask again without its user.
    pub(crate) resent: usize,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// The status and who served it, or what went wrong.
    pub(crate) seen: Result<(StatusCode, String), String>,
}

impl Users {
    /// Logs everybody in and lets them work.
    pub(crate) async fn log_in(clients: Vec<Client>) -> Self {
        let mut logins = JoinSet::new();
        for mut client in clients {
            logins.spawn(async move {
                let answer = client.get("/login?username=walker").await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                client
            });
        }
        let (stop, stopped) = watch::channel(false);
        let requests = Arc::<AtomicUsize>::default();
        let clients = logins.join_all().await.into_iter();
        let tasks = clients.map(|client| tokio::spawn(work(client, stopped.clone(), Arc::clone(&requests)))).collect();
        Self { tasks, stop, requests }
    }

    /// How many answers they have had.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Lets them finish what is under way. What they saw.
    pub(crate) async fn go_home(self) -> Vec<Diary> {
        self.stop.send_replace(true);
        let mut diaries = Vec::new();
        for task in self.tasks {
            diaries.push(task.await.expect("a diary"));
        }
        let requests: usize = diaries.iter().map(|diary| diary.entries.len()).sum();
        let slowest = diaries.iter().flat_map(|diary| &diary.entries).map(Entry::took).max();
        eprintln!("{} users, {requests} requests, the slowest {:?}", diaries.len(), slowest.unwrap_or_default());
        diaries
    }
}

/// Reads its posts; whoever has been forgotten logs in again.
async fn work(mut client: Client, stop: watch::Receiver<bool>, requests: Arc<AtomicUsize>) -> Diary {
    let mut diary = Diary::default();
    let mut beat = interval(Duration::from_millis(100));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut path = "/post";
    while !*stop.borrow() {
        beat.tick().await;
        let began = Instant::now();
        let answer = client.attempt(path, &[]).await;
        let seen = answer.map(|answer| (answer.status, answer.served_by().to_owned()));
        path = match &seen {
            Ok((StatusCode::FORBIDDEN, _)) => "/login?username=walker",
            _ => "/post",
        };
        requests.fetch_add(1, Ordering::Relaxed);
        diary.entries.push(Entry { began, ended: Instant::now(), seen });
    }
    diary.resent = client.resent;
    diary
}

impl Entry {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }

    /// Who served it.
    pub(crate) fn by(&self) -> &str {
        self.seen.as_ref().map_or("", |(_, by)| by)
    }

    /// An answer of the application, be it that it has forgotten who asks.
    fn is_served(&self) -> bool {
        matches!(self.seen, Ok((StatusCode::OK | StatusCode::FORBIDDEN, _)))
    }
}

impl Diary {
    /// Who served this user, each time that it was another one.
    pub(crate) fn homes(&self) -> Vec<&str> {
        let mut homes: Vec<&str> = self.entries.iter().map(Entry::by).collect();
        homes.dedup();
        homes
    }

    /// How often it was not known any more.
    pub(crate) fn forgotten(&self) -> usize {
        let is_forgotten = |entry: &&Entry| matches!(entry.seen, Ok((StatusCode::FORBIDDEN, _)));
        self.entries.iter().filter(is_forgotten).count()
    }
}

/// No request failed, and there were some.
#[track_caller]
pub(crate) fn all_served(diaries: &[Diary]) {
    let failed: Vec<_> = diaries.iter().flat_map(|diary| &diary.entries).filter(|entry| !entry.is_served()).collect();
    let mut kinds = BTreeMap::<String, usize>::new();
    for entry in &failed {
        *kinds.entry(format!("{:?} after {:.0?}", entry.seen, entry.took())).or_default() += 1;
    }
    assert!(failed.is_empty(), "{} requests failed: {kinds:#?}", failed.len());
    assert!(diaries.iter().all(|diary| !diary.entries.is_empty()), "everybody has asked for something");
}

/// How often users were moved to another pod, in all.
pub(crate) fn moves(diaries: &[Diary]) -> usize {
    diaries.iter().map(|diary| diary.homes().len() - 1).sum()
}
