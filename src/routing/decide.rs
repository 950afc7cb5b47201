//! `decide`: every row of the table that says what happens to a request.
//!
//! | token | its endpoint | outcome |
//! |---|---|---|
//! | none or invalid | | `new`; nothing there → `unavailable` |
//! | none, but a cookie of ingress-nginx's | there, ready or draining | `adopted`: a new session at that endpoint |
//! | valid | ready | `kept` |
//! | valid | ready, other incarnation | `restarted` (or `reassigned`, by `on_restart`) |
//! | valid | draining | `kept_draining`; told to, and past the deadline: `reassigned` |
//! | valid | away or unreachable, expected back, for less than `hold` | `held` |
//! | valid | absent, away for longer, unreachable | by `on_lost`: `reassigned`, `temporary` or `rejected` |
//!
//! A cookie of ingress-nginx's whose endpoint is not to be had counts as a token whose endpoint is not; with one that names
//! nobody here, a session begins where rendezvous hashing says.
//!
//! A rule without session persistence has one row: `unpinned`, and so has a canary that keeps no sessions. Where there is a
//! canary, a request that belongs nowhere goes where it prefers to, and by the shares if it prefers nothing.

mod backends;

use self::backends::Order;
use super::backend::{Backend, Condition, Endpoint, EndpointId, Return};
use super::balance::{Choice, LoadView, Rank};
use super::filters::{CanarySessions, Preference};
use super::session::{Claims, OnLost, OnRestart, Persistence, Predecessor, SessionId, Token};
use super::table::Rule;
use super::{Millis, Now};

/// What is known about a request when it is decided upon, again after each failed attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt<'a> {
    /// The token it came with, if one was right.
    pub token: Option<&'a Token>,
    /// What a cookie of ingress-nginx's says, if there was no token.
    pub legacy: Option<&'a Predecessor>,
    /// What it says about the rule's canary, if there is one.
    pub preference: Preference,
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
    /// It was ingress-nginx's, and is ours from now on, at the endpoint where it was.
    Adopted,
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
        let newcomer = Newcomer { outcome: Outcome::Unpinned, strategy: rule.balance, claims: None };
        return newcomer.balanced(Order::of(rule, attempt.preference, || rng.u64(..)), attempt, load, rng);
    };
    if rule.canary.as_ref().is_some_and(|canary| canary.sessions == CanarySessions::Legacy)
        && let Some(canary) = Order::of(rule, attempt.preference, || rng.u64(..)).without_sessions()
    {
        let newcomer = Newcomer { outcome: Outcome::Unpinned, strategy: rule.balance, claims: None };
        let decision = newcomer.balanced(canary, attempt, load, rng);
        if let Decision::Forward(_) = decision {
            return decision;
        }
    }
    if let Some(token) = attempt.token {
        let (claims, place) = (token.claims, token.claims.session.0);
        let session = Session { rule, persistence, claims, place, is_ours: true, attempt, load };
        return match Home::of(token, rule) {
            Some(home) => session.at_home(home, now.mono),
            None => session.lost(None),
        };
    }
    let unique = attempt.legacy.filter(|legacy| legacy.is_unique).map(|legacy| legacy.seed);
    let claims = Claims::new(SessionId(unique.unwrap_or_else(|| rng.u64(..))), now.unix);
    if let Some(Predecessor { home, seed, .. }) = attempt.legacy {
        let session = Session { rule, persistence, claims, place: *seed, is_ours: false, attempt, load };
        return match home.as_ref().and_then(|id| Home::called(id, rule)) {
            Some(home) => session.at_home(home, now.mono),
            None => session.elsewhere(None, Outcome::New),
        };
    }
    let newcomer = Newcomer { outcome: Outcome::New, strategy: persistence.policy.strategy, claims: Some(claims) };
    newcomer.balanced(Order::of_session(rule, attempt.preference, || rng.u64(..)), attempt, load, rng)
}

impl Outcome {
    /// All of them, in the order of their definition.
    pub const ALL: [Self; 11] = [
        Self::New,
        Self::Adopted,
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
            Self::Adopted => "adopted",
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

    /// Is it served by the endpoint where it belongs?
    #[must_use]
    pub fn is_at_home(self) -> bool {
        matches!(self, Self::Adopted | Self::Kept | Self::Restarted | Self::KeptDraining | Self::Held)
    }

    /// What the application is told in `Moorline-Session`; nothing where there is no session.
    #[must_use]
    pub fn told(self) -> Option<&'static str> {
        match self {
            Self::New => Some("new"),
            Self::Adopted | Self::Kept | Self::KeptDraining | Self::Held => Some("kept"),
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

    /// The endpoint with this identity. Whoever says that a cookie of ingress-nginx's names it knows that it lives the same
    /// life; a canary that keeps no sessions has none of them.
    fn called(id: &EndpointId, rule: &'r Rule) -> Option<Self> {
        let keeping = match &rule.canary {
            Some(canary) if canary.sessions == CanarySessions::Legacy => rule.backends.get(..1)?,
            _ => &rule.backends,
        };
        keeping.iter().find_map(|weighted| {
            let endpoint = weighted.backend.endpoints().iter().find(|endpoint| endpoint.id == *id)?;
            Some(Self { backend: &weighted.backend, endpoint, same_life: true })
        })
    }
}

/// A request that belongs to an endpoint.
struct Session<'a, 'r, L> {
    rule: &'r Rule,
    persistence: &'r Persistence,
    claims: Claims,
    /// What rendezvous hashing places it by.
    place: u64,
    /// Does it have a token of ours?
    is_ours: bool,
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
            _ if !self.is_ours => Outcome::Adopted,
            _ if !home.same_life => Outcome::Restarted,
            Condition::Draining { .. } => Outcome::KeptDraining,
            Condition::Ready | Condition::Away { .. } => Outcome::Kept,
        };
        self.forward(home.backend, home.endpoint, outcome, !self.is_ours || !home.same_life)
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
        let session = self.place;
        let choice = |backend: &'r Backend| Choice { backend, tried: self.attempt.tried, load: self.load };
        let order = match home {
            Some(home) => Order::of_home(self.rule, home.backend),
            None => Order::of_session(self.rule, self.attempt.preference, || session),
        };
        let leaving = home.map(|home| &home.endpoint.id);
        let best = order.best(|backend, rank| {
            choice(backend).rendezvous(rank, session, leaving).map(|endpoint| (rank, backend, endpoint))
        });
        let own = home.and_then(|home| Some((home, choice(home.backend).rank(home.endpoint)?)));
        match (best, own) {
            (Some((rank, ..)), Some((home, own))) if rank != Rank::Ready && own <= rank => self.stay(home),
            (Some((_, backend, endpoint)), _) => {
                self.forward(backend, endpoint, outcome, outcome != Outcome::Temporary)
            }
            (None, Some((home, _))) => self.stay(home),
            (None, None) => Decision::Refuse(Refusal::Unavailable),
        }
    }

    fn forward(&self, backend: &'r Backend, endpoint: &'r Endpoint, outcome: Outcome, issue: bool) -> Decision<'r> {
        Decision::Forward(Forward { backend, endpoint, outcome, claims: Some(self.claims), issue })
    }
}

/// A request without a claim to any endpoint.
struct Newcomer {
    outcome: Outcome,
    strategy: super::Strategy,
    /// Those of the session that begins, if one does.
    claims: Option<Claims>,
}

impl Newcomer {
    /// A backend in this order, then an endpoint by strategy.
    fn balanced<'r>(
        self,
        order: Order<'r>,
        attempt: &Attempt<'_>,
        load: &impl LoadView,
        rng: &mut fastrand::Rng,
    ) -> Decision<'r> {
        let Self { outcome, strategy, claims } = self;
        let choice = order.best(|backend, rank| {
            let choice = Choice { backend, tried: attempt.tried, load };
            choice.balanced(rank, strategy, rng).map(|endpoint| (backend, endpoint))
        });
        match choice {
            Some((backend, endpoint)) => {
                Decision::Forward(Forward { backend, endpoint, outcome, claims, issue: claims.is_some() })
            }
            None => Decision::Refuse(Refusal::Unavailable),
        }
    }
}

#[cfg(test)]
mod tests;
