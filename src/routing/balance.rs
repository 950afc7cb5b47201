//! Who gets a request that no endpoint has a claim to.

use super::Millis;
use super::backend::{Backend, Candidates, Condition, Endpoint, EndpointId};

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

/// What an endpoint is worth to a request that could go elsewhere, best first: those that take new sessions
/// before those that drain, and unreachable ones last, which are asked rather than failing without having tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Ready,
    Draining,
    ReadyUnreachable,
    DrainingUnreachable,
}

/// Which endpoints of a backend come into question for one request.
pub(super) struct Choice<'r, 'a, L> {
    pub(super) backend: &'r Backend,
    pub(super) tried: &'a [EndpointId],
    pub(super) load: &'a L,
}

impl Rank {
    pub(super) const ALL: [Self; 4] = [Self::Ready, Self::Draining, Self::ReadyUnreachable, Self::DrainingUnreachable];

    fn candidates(self, backend: &Backend) -> Candidates<'_> {
        match self {
            Self::Ready | Self::ReadyUnreachable => backend.ready(),
            Self::Draining | Self::DrainingUnreachable => backend.draining(),
        }
    }

    fn is_reachable(self) -> bool {
        matches!(self, Self::Ready | Self::Draining)
    }
}

impl<'r, L: LoadView> Choice<'r, '_, L> {
    /// The endpoint of this rank for somebody new.
    pub(super) fn balanced(&self, rank: Rank, strategy: Strategy, rng: &mut fastrand::Rng) -> Option<&'r Endpoint> {
        let class = rank.candidates(self.backend);
        let count = class.len();
        if count == 0 {
            return None;
        }
        let from = match strategy {
            Strategy::RoundRobin => self.load.turn(self.backend) % count,
            _ => rng.usize(..count),
        };
        let at = self.next_suitable(class, rank, from)?;
        let first = class.nth(at);
        let weight = |endpoint: &Endpoint| match strategy {
            Strategy::LeastSessions => (self.load.sessions(endpoint), self.load.requests(endpoint)),
            _ => (self.load.requests(endpoint), 0),
        };
        match strategy {
            Strategy::Random | Strategy::RoundRobin => Some(first),
            Strategy::LeastSessions | Strategy::LeastRequests if count == 1 => Some(first),
            Strategy::LeastSessions | Strategy::LeastRequests => {
                let second = self.next_suitable(class, rank, at + 1 + rng.usize(..count - 1)).map(|at| class.nth(at));
                Some(second.filter(|second| weight(second) < weight(first)).unwrap_or(first))
            }
        }
    }

    /// The endpoint of this rank that a session moves to when it leaves `home`: the same one for all of its
    /// requests, on every replica, without a word between them. This is rendezvous (highest random weight)
    /// hashing.
    pub(super) fn rendezvous(&self, rank: Rank, session: u64, home: Option<&EndpointId>) -> Option<&'r Endpoint> {
        rank.candidates(self.backend)
            .iter()
            .filter(|endpoint| home != Some(&endpoint.id) && self.suits(endpoint, rank))
            .max_by_key(|endpoint| endpoint.score(session))
    }

    /// What an endpoint is worth to this request; nothing if it cannot serve it.
    pub(super) fn rank(&self, endpoint: &Endpoint) -> Option<Rank> {
        let of_condition = match endpoint.condition {
            Condition::Ready => [Rank::Ready, Rank::ReadyUnreachable],
            Condition::Draining { .. } => [Rank::Draining, Rank::DrainingUnreachable],
            Condition::Away { .. } => return None,
        };
        of_condition.into_iter().find(|rank| self.suits(endpoint, *rank))
    }

    fn suits(&self, endpoint: &Endpoint, rank: Rank) -> bool {
        !self.tried.contains(&endpoint.id) && self.load.unreachable_since(endpoint).is_none() == rank.is_reachable()
    }

    fn next_suitable(&self, class: Candidates<'r>, rank: Rank, from: usize) -> Option<usize> {
        let count = class.len();
        (from..from + count).map(|at| at % count).find(|at| self.suits(class.nth(*at), rank))
    }
}

#[cfg(test)]
mod tests;
