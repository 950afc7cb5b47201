//! `decide`: every row of the table that says what happens to a request.
//!
//! | token | its endpoint | outcome |
//! |---|---|---|
//! | none or invalid | | `new`; nothing there → `unavailable` |
//! | valid | ready | `kept` |
//! | valid | ready, other incarnation | `restarted` (or `reassigned`, by `on_restart`) |
//! | valid | draining | `kept_draining`; told to, and past the deadline: `reassigned` |
//! | valid | away or unreachable, expected back, for less than `hold` | `held` |
//! | valid | absent, away for longer, unreachable | by `on_lost`: `reassigned`, `temporary` or `rejected` |
//!
//! A rule without session persistence has one row: `unpinned`.

use super::backend::{Backend, Condition, Endpoint, EndpointId, Return};
use super::balance::{Choice, LoadView, Rank};
use super::session::{Claims, OnLost, OnRestart, Persistence, SessionId, Token};
use super::table::{Rule, Weighted};
use super::{Millis, Now};

/// What is known about a request when it is decided upon, again after each failed attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt<'a> {
    /// The token it came with, if one was right.
    pub token: Option<&'a Token>,
    /// The endpoints that could not be connected to for this request.
    pub tried: &'a [EndpointId],
    /// When the first of them failed: no request waits for longer than `hold` from then on.
    pub failed_since: Option<Millis>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'r> {
    /// An endpoint gets it.
    Forward(Forward<'r>),
    /// It waits for its endpoint, at most until then, and is decided upon anew when the endpoint is
    /// back or the time has come.
    Hold {
        /// Where its endpoint belongs.
        backend: &'r Backend,
        /// Whom it waits for.
        endpoint: &'r Endpoint,
        /// The end of its patience.
        until: Millis,
    },
    /// Nobody gets it: 503.
    Refuse(Refusal),
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'r> {
    /// The backend.
    pub backend: &'r Backend,
    /// The endpoint.
    pub endpoint: &'r Endpoint,
    /// Why this one.
    pub outcome: Outcome,
    /// The session it belongs to, if the rule keeps sessions.
    pub claims: Option<Claims>,
    /// Does the client need a new token, because the one it has does not say this?
    pub issue: bool,
}

/// Why a request is answered with 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its endpoint is lost and the policy forbids any other.
    Rejected,
    /// No endpoint is there to ask.
    Unavailable,
}

/// What happened to a request's session: a metric label and a log field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A session began.
    New,
    /// It came back to its endpoint.
    Kept,
    /// It came back to its endpoint, which has restarted meanwhile.
    Restarted,
    /// It came back to its endpoint, which takes nobody else any more.
    KeptDraining,
    /// It waited for its endpoint. What came of it is counted too.
    Held,
    /// It moved to another endpoint for good.
    Reassigned,
    /// Another endpoint served it this once.
    Temporary,
    /// Its endpoint is lost and no other was allowed.
    Rejected,
    /// There was no endpoint.
    Unavailable,
    /// The rule keeps no sessions.
    Unpinned,
}

/// Says where a request goes. Equal arguments give equal answers.
///
/// A token whose session's time is over has to be left out by the caller ([`Claims::is_current`]);
/// `decide` is asked several times for one request, and its answer must not change in between because
/// a second went by.
pub fn decide<'r>(
    rule: &'r Rule,
    attempt: &Attempt<'_>,
    load: &impl LoadView,
    rng: &mut fastrand::Rng,
    now: Now,
) -> Decision<'r> {
    let Some(persistence) = &rule.session else {
        return balanced(rule, rule.balance, attempt.tried, load, rng, Outcome::Unpinned, None);
    };
    let Some(token) = attempt.token else {
        let claims = Claims::new(SessionId(rng.u64(..)), now.unix);
        return balanced(rule, persistence.policy.strategy, attempt.tried, load, rng, Outcome::New, Some(claims));
    };
    let session = Session { rule, persistence, token, attempt, load };
    match Home::of(token, rule) {
        Some(home) => session.at_home(home, now.mono),
        None => session.lost(None),
    }
}

impl Outcome {
    /// All of them, in the order of their definition.
    pub const ALL: [Self; 10] = [
        Self::New,
        Self::Kept,
        Self::Restarted,
        Self::KeptDraining,
        Self::Held,
        Self::Reassigned,
        Self::Temporary,
        Self::Rejected,
        Self::Unavailable,
        Self::Unpinned,
    ];

    /// The word for it in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Kept => "kept",
            Self::Restarted => "restarted",
            Self::KeptDraining => "kept_draining",
            Self::Held => "held",
            Self::Reassigned => "reassigned",
            Self::Temporary => "temporary",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Unpinned => "unpinned",
        }
    }

    /// What the application is told in `Moorline-Session`; nothing where there is no session.
    #[must_use]
    pub fn told(self) -> Option<&'static str> {
        match self {
            Self::New => Some("new"),
            Self::Kept | Self::KeptDraining | Self::Held => Some("kept"),
            Self::Restarted => Some("restarted"),
            Self::Reassigned => Some("reassigned"),
            Self::Temporary => Some("temporary"),
            Self::Rejected | Self::Unavailable | Self::Unpinned => None,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected => Self::Rejected,
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

/// Where a session lives.
#[derive(Clone, Copy)]
struct Home<'r> {
    backend: &'r Backend,
    endpoint: &'r Endpoint,
    /// Does the endpoint still live the life that the token knew?
    same_life: bool,
}

impl<'r> Home<'r> {
    /// Where the token says.
    fn of(token: &Token, rule: &'r Rule) -> Option<Self> {
        rule.backends.iter().find_map(|weighted| {
            let (endpoint, same_life) = weighted.backend.locate(token)?;
            Some(Self { backend: &weighted.backend, endpoint, same_life })
        })
    }
}

/// A request that came with a token.
struct Session<'a, 'r, L> {
    rule: &'r Rule,
    persistence: &'r Persistence,
    token: &'a Token,
    attempt: &'a Attempt<'a>,
    load: &'a L,
}

impl<'r, L: LoadView> Session<'_, 'r, L> {
    /// Its endpoint is known: it goes there, waits for it, or gives it up.
    fn at_home(&self, home: Home<'r>, now: Millis) -> Decision<'r> {
        let policy = &self.persistence.policy;
        let Home { backend, endpoint, same_life } = home;
        if let Some(since) = self.gone_since(endpoint, now) {
            let until = since.plus(policy.hold);
            return if endpoint.returns == Return::Expected && now < until {
                Decision::Hold { backend, endpoint, until }
            } else {
                self.lost(Some(home))
            };
        }
        let drained = match endpoint.condition {
            Condition::Draining { told: Some(told) } => told.plus(policy.drain_deadline) <= now,
            _ => false,
        };
        if drained || (!same_life && policy.on_restart == OnRestart::Reassign) {
            self.elsewhere(Some(home), Outcome::Reassigned)
        } else {
            self.stay(home)
        }
    }

    /// Since when its endpoint cannot serve it, if that is so.
    fn gone_since(&self, endpoint: &Endpoint, now: Millis) -> Option<Millis> {
        let away = match endpoint.condition {
            Condition::Away { since } => Some(since),
            Condition::Ready | Condition::Draining { .. } => None,
        };
        let unreachable = self.load.unreachable_since(endpoint);
        let failed = self.attempt.tried.contains(&endpoint.id).then_some(now);
        let gone = away.into_iter().chain(unreachable).chain(failed).min()?;
        Some(self.attempt.failed_since.map_or(gone, |failed| failed.min(gone)))
    }

    fn stay(&self, home: Home<'r>) -> Decision<'r> {
        let outcome = match home.endpoint.condition {
            _ if !home.same_life => Outcome::Restarted,
            Condition::Draining { .. } => Outcome::KeptDraining,
            Condition::Ready | Condition::Away { .. } => Outcome::Kept,
        };
        self.forward(home.backend, home.endpoint, outcome, !home.same_life)
    }

    /// Its endpoint is not to be had: the policy says what then.
    fn lost(&self, home: Option<Home<'r>>) -> Decision<'r> {
        match self.persistence.policy.on_lost {
            OnLost::Reassign => self.elsewhere(home, Outcome::Reassigned),
            OnLost::Temporary => self.elsewhere(home, Outcome::Temporary),
            OnLost::Reject => Decision::Refuse(Refusal::Rejected),
        }
    }

    /// It goes to the endpoint that rendezvous hashing finds: in its own backend if that is known and has one
    /// as good, else in the others, in an order that depends on the session alone. Where nobody takes new
    /// sessions and nobody is better off than its own endpoint, it had better stay.
    fn elsewhere(&self, home: Option<Home<'r>>, outcome: Outcome) -> Decision<'r> {
        let session = self.token.claims.session.0;
        let choice = |backend: &'r Backend| Choice { backend, tried: self.attempt.tried, load: self.load };
        let first = home.map(|home| home.backend).or_else(|| by_weight(&self.rule.backends, session));
        let leaving = home.map(|home| &home.endpoint.id);
        let best = best(first, self.rule, |backend, rank| {
            choice(backend).rendezvous(rank, session, leaving).map(|endpoint| (rank, backend, endpoint))
        });
        let own = home.and_then(|home| Some((home, choice(home.backend).rank(home.endpoint)?)));
        match (best, own) {
            (Some((rank, ..)), Some((home, own))) if rank != Rank::Ready && own <= rank => self.stay(home),
            (Some((_, backend, endpoint)), _) => {
                self.forward(backend, endpoint, outcome, outcome == Outcome::Reassigned)
            }
            (None, Some((home, _))) => self.stay(home),
            (None, None) => Decision::Refuse(Refusal::Unavailable),
        }
    }

    fn forward(&self, backend: &'r Backend, endpoint: &'r Endpoint, outcome: Outcome, issue: bool) -> Decision<'r> {
        Decision::Forward(Forward { backend, endpoint, outcome, claims: Some(self.token.claims), issue })
    }
}

/// A request without a claim to any endpoint: a backend by weight, then an endpoint by strategy.
fn balanced<'r>(
    rule: &'r Rule,
    strategy: super::Strategy,
    tried: &[EndpointId],
    load: &impl LoadView,
    rng: &mut fastrand::Rng,
    outcome: Outcome,
    claims: Option<Claims>,
) -> Decision<'r> {
    let first = match &*rule.backends {
        [only] => (only.weight > 0).then_some(&*only.backend),
        several => by_weight(several, rng.u64(..)),
    };
    let choice = best(first, rule, |backend, rank| {
        let choice = Choice { backend, tried, load };
        choice.balanced(rank, strategy, rng).map(|endpoint| (backend, endpoint))
    });
    match choice {
        Some((backend, endpoint)) => {
            Decision::Forward(Forward { backend, endpoint, outcome, claims, issue: claims.is_some() })
        }
        None => Decision::Refuse(Refusal::Unavailable),
    }
}

/// What `choose` finds, better ranks first, and of equal ones in the `first` backend before the others that
/// have a share: a backend that only drains gets nothing while another one is ready.
fn best<'r, T>(
    first: Option<&'r Backend>,
    rule: &'r Rule,
    mut choose: impl FnMut(&'r Backend, Rank) -> Option<T>,
) -> Option<T> {
    let others = rule.backends.iter().filter(|weighted| weighted.weight > 0).map(|weighted| &*weighted.backend);
    let backends = first.into_iter().chain(others);
    Rank::ALL.into_iter().find_map(|rank| backends.clone().find_map(|backend| choose(backend, rank)))
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

#[cfg(test)]
mod tests;
