//! Which of a rule's backends a request is sent to, and which are asked when that one has nobody.

use super::super::balance::Rank;
use super::super::filters::{CanarySessions, Preference};
use super::super::table::{Rule, Weighted};
use crate::routing::Backend;

/// The order in which a rule's backends are asked.
#[derive(Clone, Copy)]
pub(super) struct Order<'r> {
    rule: &'r Rule,
    first: Option<&'r Backend>,
    /// Does nobody else get it, since the request wants it so?
    alone: bool,
}

impl<'r> Order<'r> {
    /// That of a request that belongs nowhere yet: what it prefers, and else by the shares, in which `point` is drawn.
    pub(super) fn of(rule: &'r Rule, preference: Preference, point: impl FnOnce() -> u64) -> Self {
        let preferred = match (&rule.canary, preference) {
            (None, _) | (_, Preference::None) => None,
            (Some(_), Preference::Primary) => rule.backends.first(),
            (Some(_), Preference::Canary) => rule.backends.get(1),
        };
        if let Some(preferred) = preferred {
            let alone = preference == Preference::Primary;
            return Self { rule, first: Some(&preferred.backend), alone };
        }
        let first = match &*rule.backends {
            [only] => (only.weight > 0).then_some(&*only.backend),
            several => by_weight(several, point()),
        };
        Self { rule, first, alone: false }
    }

    /// That of a request that begins a session, or looks for another home: a canary that keeps no sessions has had its turn
    /// before, and is left for when there is nobody else.
    pub(super) fn of_session(rule: &'r Rule, preference: Preference, point: impl FnOnce() -> u64) -> Self {
        match (&rule.canary, &*rule.backends) {
            (Some(canary), [primary, ..])
                if canary.sessions == CanarySessions::Legacy && preference != Preference::Primary =>
            {
                Self::of_home(rule, &primary.backend)
            }
            _ => Self::of(rule, preference, point),
        }
    }

    /// That of a session which is at home in this backend.
    pub(super) fn of_home(rule: &'r Rule, home: &'r Backend) -> Self {
        Self { rule, first: Some(home), alone: false }
    }

    /// The canary, and nobody else, if it comes first and keeps no sessions.
    pub(super) fn without_sessions(self) -> Option<Self> {
        let canary = self.rule.canary.as_ref()?;
        let second = &*self.rule.backends.get(1)?.backend;
        let is_first = self.first.is_some_and(|first| std::ptr::eq(first, second));
        (is_first && canary.sessions == CanarySessions::Legacy).then_some(Self { alone: true, ..self })
    }

    /// What `choose` finds, better ranks first, and of equal ones in the first backend before the others that
    /// have a share: a backend that only drains gets nothing while another one is ready.
    pub(super) fn best<T>(self, mut choose: impl FnMut(&'r Backend, Rank) -> Option<T>) -> Option<T> {
        // The share of a primary is what its canary leaves: if that is nothing, it is there all the same.
        let takes = |at, weighted: &&Weighted| weighted.weight > 0 || (at == 0 && self.rule.canary.is_some());
        let others = self.rule.backends.iter().enumerate().filter(|(at, weighted)| !self.alone && takes(*at, weighted));
        let backends = self.first.into_iter().chain(others.map(|(_, weighted)| &*weighted.backend));
        Rank::ALL.into_iter().find_map(|rank| backends.clone().find_map(|backend| choose(backend, rank)))
    }
}

/// The backend on which `point` falls when each gets a stretch as long as its weight.
fn by_weight(backends: &[Weighted], point: u64) -> Option<&Backend> {
    let total: u64 = backends.iter().map(|weighted| u64::from(weighted.weight)).sum();
    let mut left = point.checked_rem(total)?;
    backends.iter().find_map(|weighted| {
        let weight = u64::from(weighted.weight);
        if left < weight {
            return Some(&*weighted.backend);
        }
        left -= weight;
        None
    })
}
