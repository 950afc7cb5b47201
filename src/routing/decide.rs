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
use super::balance::{Choice, LoadView};
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
    match rule.backends.iter().find_map(|weighted| Some((&*weighted.backend, weighted.backend.locate(token)?))) {
        Some((backend, (endpoint, same_life))) => session.at_home(backend, endpoint, same_life, now.mono),
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
    fn at_home(&self, backend: &'r Backend, endpoint: &'r Endpoint, same_life: bool, now: Millis) -> Decision<'r> {
        let policy = &self.persistence.policy;
        if let Some(since) = self.gone_since(endpoint, now) {
            let until = since.plus(policy.hold);
            return if endpoint.returns == Return::Expected && now < until {
                Decision::Hold { backend, endpoint, until }
            } else {
                self.lost(Some((backend, endpoint)))
            };
        }
        if !same_life && policy.on_restart == OnRestart::Reassign {
            return self.reassigned(Some((backend, endpoint)));
        }
        let drained = |told: Option<Millis>| told.is_some_and(|told| told.plus(policy.drain_deadline) <= now);
        let outcome = match endpoint.condition {
            Condition::Draining { told } if drained(told) => return self.reassigned(Some((backend, endpoint))),
            _ if !same_life => Outcome::Restarted,
            Condition::Draining { .. } => Outcome::KeptDraining,
            _ => Outcome::Kept,
        };
        self.forward(backend, endpoint, outcome, !same_life)
    }

    /// Since when its endpoint cannot serve it, if that is so.
    fn gone_since(&self, endpoint: &Endpoint, now: Millis) -> Option<Millis> {
        if let Condition::Away { since } = endpoint.condition {
            return Some(since);
        }
        let unreachable = self.load.unreachable_since(endpoint);
        let failed = self.attempt.tried.contains(&endpoint.id).then(|| self.attempt.failed_since.unwrap_or(now));
        unreachable.into_iter().chain(failed).min()
    }

    /// Its endpoint is not to be had: the policy says what then.
    fn lost(&self, home: Option<(&'r Backend, &'r Endpoint)>) -> Decision<'r> {
        match self.persistence.policy.on_lost {
            OnLost::Reassign => self.reassigned(home),
            OnLost::Temporary => self.elsewhere(home, Outcome::Temporary),
            OnLost::Reject => Decision::Refuse(Refusal::Rejected),
        }
    }

    fn reassigned(&self, home: Option<(&'r Backend, &'r Endpoint)>) -> Decision<'r> {
        self.elsewhere(home, Outcome::Reassigned)
    }

    /// It goes to the endpoint that rendezvous hashing finds: in its own backend if that is known and has
    /// any, else in the others, in an order that depends on the session alone.
    fn elsewhere(&self, home: Option<(&'r Backend, &'r Endpoint)>, outcome: Outcome) -> Decision<'r> {
        let session = self.token.claims.session.0;
        let tried = self.attempt.tried;
        let choose = |backend: &'r Backend| {
            let choice = Choice { backend, tried, load: self.load };
            choice.rendezvous(session).map(|endpoint| (backend, endpoint))
        };
        let first = home.map(|(backend, _)| backend).or_else(|| by_weight(&self.rule.backends, session));
        let others =
            self.rule.backends.iter().filter(|weighted| weighted.weight > 0).map(|weighted| &*weighted.backend);
        match first.into_iter().chain(others).find_map(choose) {
            // Nobody else is left, and its own endpoint still serves: it had better stay.
            Some((backend, endpoint)) if home.is_some_and(|(_, home)| home.id == endpoint.id) => {
                let draining = matches!(endpoint.condition, Condition::Draining { .. });
                self.forward(backend, endpoint, if draining { Outcome::KeptDraining } else { Outcome::Kept }, false)
            }
            Some((backend, endpoint)) => self.forward(backend, endpoint, outcome, outcome == Outcome::Reassigned),
            None => Decision::Refuse(Refusal::Unavailable),
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
    let others = rule.backends.iter().filter(|weighted| weighted.weight > 0).map(|weighted| &*weighted.backend);
    let mut choose = |backend: &'r Backend| {
        let choice = Choice { backend, tried, load };
        choice.balanced(strategy, rng).map(|endpoint| (backend, endpoint))
    };
    match first.into_iter().chain(others).find_map(&mut choose) {
        Some((backend, endpoint)) => {
            Decision::Forward(Forward { backend, endpoint, outcome, claims, issue: claims.is_some() })
        }
        None => Decision::Refuse(Refusal::Unavailable),
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
