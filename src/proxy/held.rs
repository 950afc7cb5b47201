//! Requests that wait for their endpoint: how many may, and until when.
//!
//! A waiting request costs a connection and its head, and nothing else: its body has not been read. Even so,
//! the number is bounded in all, per endpoint and per session, so that neither a dead endpoint nor one
//! impatient client fills the proxy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::Limits;
use crate::routing::SessionId;

/// Who waits for one endpoint.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<HashMap<SessionId, usize>>);

/// How many wait in all.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicUsize);

/// A request counts as waiting until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    queue: &'a Queue,
    held: Arc<Held>,
    session: SessionId,
}

impl Held {
    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// Lets a request of this session wait, if none of the bounds forbids it.
    pub(super) fn enter(&self, held: &Arc<Held>, session: SessionId, limits: &Limits) -> Option<Waiting<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_session = waiting.get(&session).copied().unwrap_or(0);
        let of_endpoint: usize = waiting.values().sum();
        if of_session >= limits.held_per_session || of_endpoint >= limits.held_per_endpoint {
            return None;
        }
        if held.0.fetch_add(1, Ordering::Relaxed) >= limits.held {
            held.0.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        waiting.insert(session, of_session + 1);
        Some(Waiting { queue: self, held: Arc::clone(held), session })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.held.0.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = self.queue.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { held_per_session: 2, held_per_endpoint: 3, held: 4, ..Limits::default() }
    }

    #[test]
    fn each_bound_holds_and_leaving_makes_room() {
        let (held, limits) = (Arc::new(Held::default()), limits());
        let (one, two) = (Queue::default(), Queue::default());
        let first = one.enter(&held, SessionId(1), &limits).unwrap();
        let _second = one.enter(&held, SessionId(1), &limits).unwrap();
        assert!(one.enter(&held, SessionId(1), &limits).is_none(), "two of a session");
        let _third = one.enter(&held, SessionId(2), &limits).unwrap();
        assert!(one.enter(&held, SessionId(3), &limits).is_none(), "three of an endpoint");
        let _fourth = two.enter(&held, SessionId(3), &limits).unwrap();
        assert!(two.enter(&held, SessionId(4), &limits).is_none(), "four in all");
        drop(first);
        assert_eq!(held.count(), 3);
        assert!(two.enter(&held, SessionId(4), &limits).is_some());
        assert_eq!(held.count(), 3);
    }
}
