//! The index of live sessions: who is moored where, and last seen when.
//!
//! It counts, lists and balances. Routing never needs it: tokens alone bring sessions home, so nothing is
//! lost when the process restarts or when the index is full.
//!
//! ## Why a session counts only when its token has come back
//! Crawlers and health checks keep no cookies: each of their requests begins a session that nobody will
//! ever continue. They would outnumber the people.
//!
//! ## Why eviction is not done where sessions are added
//! Finding the least recently seen of a million sessions takes milliseconds, which no request should wait
//! for. So [`Sessions::sweep`] does it, in a task of its own; in between, the index may outgrow its bound by
//! an eighth, and beyond that it takes nobody in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::routing::{BackendId, Endpoint, EndpointId, Millis, SessionId};

/// All live sessions that this process knows of.
#[derive(Debug)]
pub struct Sessions {
    entries: DashMap<SessionId, Live, foldhash::fast::RandomState>,
    berths: Mutex<HashMap<EndpointId, Arc<Berth>>>,
    count: AtomicUsize,
    bound: usize,
    started: Millis,
}

/// Where sessions are moored: an endpoint, and how many there are.
#[derive(Debug)]
pub struct Berth {
    /// The endpoint.
    pub id: EndpointId,
    /// Its backend.
    pub backend: BackendId,
    /// What people call it.
    pub name: Arc<str>,
    live: AtomicU32,
}

/// One session, as a list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which one.
    pub id: SessionId,
    /// Where it is.
    pub berth: Arc<Berth>,
    /// When its token first came back.
    pub first_seen: Millis,
    /// When its last request came.
    pub last_seen: Millis,
    /// How many requests have come.
    pub requests: u64,
}

#[derive(Debug)]
struct Live {
    berth: Arc<Berth>,
    first_seen: Millis,
    last_seen: Millis,
    idle: Duration,
    requests: u64,
}

impl Sessions {
    /// An empty index for so many sessions.
    #[must_use]
    pub fn new(bound: usize, now: Millis) -> Self {
        Self {
            entries: DashMap::default(),
            berths: Mutex::default(),
            count: AtomicUsize::new(0),
            bound: bound.max(1),
            started: now,
        }
    }

    /// The place where an endpoint's sessions are counted. Ask once and keep it: this takes a lock.
    #[must_use]
    pub fn berth(&self, backend: &BackendId, endpoint: &Endpoint) -> Arc<Berth> {
        let mut berths = self.berths.lock().unwrap_or_else(PoisonError::into_inner);
        let berth = berths.entry(endpoint.id.clone()).or_insert_with(|| {
            Arc::new(Berth {
                id: endpoint.id.clone(),
                backend: backend.clone(),
                name: endpoint.name.clone(),
                live: AtomicU32::new(0),
            })
        });
        Arc::clone(berth)
    }

    /// The session is still there, without another request. One that has ended does not come back.
    pub fn stay(&self, id: SessionId, now: Millis) {
        if let Some(mut live) = self.entries.get_mut(&id) {
            live.last_seen = live.last_seen.max(now);
        }
    }

    /// A request of the session went to this endpoint.
    pub fn touch(&self, id: SessionId, berth: &Arc<Berth>, idle: Duration, now: Millis) {
        if let Some(mut live) = self.entries.get_mut(&id) {
            live.last_seen = live.last_seen.max(now);
            live.idle = idle;
            live.requests += 1;
            if !Arc::ptr_eq(&live.berth, berth) {
                berth.live.fetch_add(1, Ordering::Relaxed);
                live.berth.live.fetch_sub(1, Ordering::Relaxed);
                live.berth = Arc::clone(berth);
            }
            return;
        }
        if self.len() >= self.bound + self.bound / 8 {
            return;
        }
        // Two requests of one session may come here at once; the second finds the entry of the first.
        let Entry::Vacant(vacant) = self.entries.entry(id) else { return };
        berth.live.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        let berth = Arc::clone(berth);
        vacant.insert(Live { berth, first_seen: now, last_seen: now, idle, requests: 1 });
    }

    /// The session has ended: its user logged out.
    pub fn end(&self, id: SessionId) {
        if let Some((_, live)) = self.entries.remove(&id) {
            self.left(&live);
        }
    }

    /// Removes the sessions that have been idle for too long, and the least recently seen ones over the
    /// bound. Forgets places without sessions to which nobody else holds on.
    pub fn sweep(&self, now: Millis) {
        self.remove_where(|live| now.since(live.last_seen) >= live.idle);
        let over = self.len().saturating_sub(self.bound);
        if over > 0 {
            let mut seen: Vec<Millis> = self.entries.iter().map(|live| live.last_seen).collect();
            let at = over.min(seen.len()).saturating_sub(1);
            if !seen.is_empty() {
                let (_, cutoff, _) = seen.select_nth_unstable(at);
                let (cutoff, mut left) = (*cutoff, over);
                // No more than are over, however many were seen in the same moment.
                self.remove_where(|live| {
                    let goes = left > 0 && live.last_seen <= cutoff;
                    left -= usize::from(goes);
                    goes
                });
            }
        }
        let mut berths = self.berths.lock().unwrap_or_else(PoisonError::into_inner);
        berths.retain(|_, berth| berth.sessions() > 0 || Arc::strong_count(berth) > 1);
    }

    fn remove_where(&self, mut gone: impl FnMut(&Live) -> bool) {
        self.entries.retain(|_, live| {
            let gone = gone(live);
            if gone {
                self.left(live);
            }
            !gone
        });
    }

    fn left(&self, live: &Live) {
        live.berth.live.fetch_sub(1, Ordering::Relaxed);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has this process run for so long that every session that is live has been seen by now? If not, its
    /// counts mean *at least*.
    #[must_use]
    pub fn is_complete(&self, now: Millis, idle: Duration) -> bool {
        now.since(self.started) >= idle
    }

    /// The endpoints that somebody was moored at, in the order of their names.
    #[must_use]
    pub fn berths(&self) -> Vec<Arc<Berth>> {
        let mut berths: Vec<_> =
            self.berths.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        berths.sort_by(|a, b| a.id.cmp(&b.id));
        berths
    }

    /// The sessions seen last, those that `wanted` lets through, at most `limit` of them.
    #[must_use]
    pub fn list(&self, limit: usize, wanted: impl Fn(&Berth) -> bool) -> Vec<Listed> {
        let listed = self.entries.iter().filter(|live| wanted(&live.berth));
        let mut listed: Vec<_> = listed.map(|live| (live.last_seen, *live.key())).collect();
        if listed.len() > limit {
            listed.select_nth_unstable_by(limit, |a, b| b.cmp(a));
            listed.truncate(limit);
        }
        listed.sort_unstable_by(|a, b| b.cmp(a));
        listed.into_iter().filter_map(|(_, id)| self.look_up(id)).collect()
    }

    fn look_up(&self, id: SessionId) -> Option<Listed> {
        let live = self.entries.get(&id)?;
        Some(Listed {
            id,
            berth: Arc::clone(&live.berth),
            first_seen: live.first_seen,
            last_seen: live.last_seen,
            requests: live.requests,
        })
    }
}

impl Berth {
    /// How many sessions are moored here.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn index(bound: usize) -> (Sessions, Arc<Berth>, Arc<Berth>) {
        let sessions = Sessions::new(bound, Millis(0));
        let backend = BackendId::new("posts");
        let berth = |name| sessions.berth(&backend, &Endpoint::new(&backend, name, []));
        let (a, b) = (berth("posts-0"), berth("posts-1"));
        (sessions, a, b)
    }

    #[test]
    fn a_session_counts_once_however_often_it_is_seen() {
        let (sessions, a, _) = index(10);
        for at in 0..5 {
            sessions.touch(SessionId(1), &a, IDLE, Millis(at));
        }
        assert_eq!((sessions.len(), a.sessions()), (1, 1));
        assert_eq!(sessions.list(10, |_| true)[0].requests, 5);
    }

    #[test]
    fn a_session_that_moves_is_counted_where_it_is() {
        let (sessions, a, b) = index(10);
        sessions.touch(SessionId(1), &a, IDLE, Millis(0));
        sessions.touch(SessionId(1), &b, IDLE, Millis(1));
        assert_eq!((a.sessions(), b.sessions(), sessions.len()), (0, 1, 1));
    }

    #[test]
    fn a_logout_ends_it_and_ending_twice_does_no_harm() {
        let (sessions, a, _) = index(10);
        sessions.touch(SessionId(1), &a, IDLE, Millis(0));
        sessions.end(SessionId(1));
        sessions.end(SessionId(1));
        assert_eq!((sessions.len(), a.sessions()), (0, 0));
    }

    #[test]
    fn idle_sessions_are_swept_and_seen_ones_stay() {
        let (sessions, a, _) = index(10);
        sessions.touch(SessionId(1), &a, IDLE, Millis(0));
        sessions.touch(SessionId(2), &a, IDLE, Millis(30_000));
        sessions.sweep(Millis(60_000));
        assert_eq!(sessions.list(10, |_| true).iter().map(|s| s.id).collect::<Vec<_>>(), [SessionId(2)]);
        assert_eq!(a.sessions(), 1);
    }

    #[test]
    fn a_session_that_stays_is_not_swept_and_one_that_has_ended_does_not_come_back() {
        let (sessions, a, _) = index(10);
        sessions.touch(SessionId(1), &a, IDLE, Millis(0));
        sessions.stay(SessionId(1), Millis(30_000));
        sessions.stay(SessionId(2), Millis(30_000));
        sessions.sweep(Millis(60_000));
        assert_eq!((sessions.len(), sessions.list(10, |_| true)[0].requests), (1, 1));
        sessions.end(SessionId(1));
        sessions.stay(SessionId(1), Millis(60_000));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn over_the_bound_the_least_recently_seen_goes_first() {
        let (sessions, a, _) = index(16);
        for id in 0..18 {
            sessions.touch(SessionId(id), &a, IDLE, Millis(id));
        }
        sessions.touch(SessionId(0), &a, IDLE, Millis(100));
        sessions.sweep(Millis(101));
        let left: Vec<_> = sessions.list(99, |_| true).iter().map(|listed| listed.id.0).collect();
        assert_eq!(left, [0, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
        assert_eq!(a.sessions(), 16);
    }

    #[test]
    fn no_more_go_than_are_over_the_bound() {
        let (sessions, a, _) = index(16);
        for id in 0..18 {
            sessions.touch(SessionId(id), &a, IDLE, Millis(0));
        }
        sessions.sweep(Millis(1));
        assert_eq!((sessions.len(), a.sessions()), (16, 16));
    }

    #[test]
    fn nobody_is_taken_in_beyond_an_eighth_over_the_bound() {
        let (sessions, a, _) = index(16);
        for id in 0..1000 {
            sessions.touch(SessionId(id), &a, IDLE, Millis(0));
        }
        assert_eq!(sessions.len(), 18);
    }

    #[test]
    fn places_are_forgotten_when_nobody_is_there_and_nobody_holds_them() {
        let (sessions, a, b) = index(10);
        sessions.touch(SessionId(1), &a, IDLE, Millis(0));
        drop((a, b));
        sessions.sweep(Millis(1));
        assert_eq!(sessions.berths().iter().map(|berth| &*berth.name).collect::<Vec<_>>(), ["posts-0"]);
    }

    #[test]
    fn many_threads_agree_on_the_count() {
        let (sessions, a, b) = index(10_000);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (sessions, a, b) = (&sessions, &a, &b);
                scope.spawn(move || {
                    for id in 0..1000 {
                        sessions.touch(SessionId(id), if (id + thread) % 2 == 0 { a } else { b }, IDLE, Millis(id));
                        if id % 10 == thread {
                            sessions.end(SessionId(id));
                        }
                    }
                });
            }
        });
        assert_eq!(u64::from(a.sessions() + b.sessions()), sessions.len() as u64);
        assert_eq!(sessions.list(usize::MAX, |_| true).len(), sessions.len());
    }
}
