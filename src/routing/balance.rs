//! Who gets a request that no endpoint has a claim to.

use super::Millis;
use super::backend::{Backend, Candidates, Endpoint, EndpointId};

/// How the endpoint of a new session, or of a request without one, is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Of two random candidates the one with fewer live sessions; if equal, with fewer requests.
    LeastSessions,
    /// Of two random candidates the one with fewer requests under way.
    LeastRequests,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

/// What the proxy knows about endpoints at this moment, beyond the snapshot.
pub trait LoadView {
    /// Sessions that count as live there.
    fn sessions(&self, endpoint: &Endpoint) -> u32;
    /// Requests under way there.
    fn requests(&self, endpoint: &Endpoint) -> u32;
    /// Since when no connection to it can be made; `None` while all is well.
    fn unreachable_since(&self, endpoint: &Endpoint) -> Option<Millis>;
    /// A number that is one higher with each call, for taking turns.
    fn turn(&self, backend: &Backend) -> usize;
}

/// Which endpoints of a backend come into question for one request. Better ones first: those that take
/// new sessions before those that drain, reachable before unreachable ones, which are asked rather than
/// failing without having tried.
pub(super) struct Choice<'r, 'a, L> {
    pub(super) backend: &'r Backend,
    pub(super) tried: &'a [EndpointId],
    pub(super) load: &'a L,
}

impl<'r, L: LoadView> Choice<'r, '_, L> {
    /// The endpoint for somebody new.
    pub(super) fn balanced(&self, strategy: Strategy, rng: &mut fastrand::Rng) -> Option<&'r Endpoint> {
        self.best_class(|class, reachable| self.pick(class, reachable, strategy, rng))
    }

    /// The endpoint that a session without home moves to: the same one for all of its requests, on
    /// every replica, without a word between them. This is rendezvous (highest random weight) hashing.
    pub(super) fn rendezvous(&self, session: u64) -> Option<&'r Endpoint> {
        self.best_class(|class, reachable| {
            class
                .iter()
                .filter(|endpoint| self.suits(endpoint, reachable))
                .max_by_key(|endpoint| endpoint.score(session))
        })
    }

    fn best_class(&self, mut choose: impl FnMut(Candidates<'r>, bool) -> Option<&'r Endpoint>) -> Option<&'r Endpoint> {
        let (ready, draining) = (self.backend.ready(), self.backend.draining());
        choose(ready, true)
            .or_else(|| choose(draining, true))
            .or_else(|| choose(ready, false))
            .or_else(|| choose(draining, false))
    }

    fn suits(&self, endpoint: &Endpoint, reachable: bool) -> bool {
        !self.tried.contains(&endpoint.id) && self.load.unreachable_since(endpoint).is_none() == reachable
    }

    fn pick(
        &self,
        class: Candidates<'r>,
        reachable: bool,
        strategy: Strategy,
        rng: &mut fastrand::Rng,
    ) -> Option<&'r Endpoint> {
        let count = class.len();
        if count == 0 {
            return None;
        }
        let from = match strategy {
            Strategy::RoundRobin => self.load.turn(self.backend) % count,
            _ => rng.usize(..count),
        };
        let first = self.next_suitable(class, reachable, from)?;
        match strategy {
            Strategy::Random | Strategy::RoundRobin => Some(first),
            Strategy::LeastSessions => Some(self.lighter(first, self.another(class, reachable, rng), |endpoint| {
                (self.load.sessions(endpoint), self.load.requests(endpoint))
            })),
            Strategy::LeastRequests => Some(
                self.lighter(first, self.another(class, reachable, rng), |endpoint| (self.load.requests(endpoint), 0)),
            ),
        }
    }

    fn another(&self, class: Candidates<'r>, reachable: bool, rng: &mut fastrand::Rng) -> Option<&'r Endpoint> {
        self.next_suitable(class, reachable, rng.usize(..class.len()))
    }

    fn lighter(
        &self,
        first: &'r Endpoint,
        second: Option<&'r Endpoint>,
        weight: impl Fn(&Endpoint) -> (u32, u32),
    ) -> &'r Endpoint {
        second.filter(|second| weight(second) < weight(first)).unwrap_or(first)
    }

    fn next_suitable(&self, class: Candidates<'r>, reachable: bool, from: usize) -> Option<&'r Endpoint> {
        (0..class.len())
            .map(|step| class.nth((from + step) % class.len()))
            .find(|endpoint| self.suits(endpoint, reachable))
    }
}
