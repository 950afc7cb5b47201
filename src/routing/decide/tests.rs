//! Every row of the table at the top of [`super`], through one [`check`]: a case is a rule with its endpoints
//! and a request, its answer is text.

mod laws;
mod one_backend;
mod promises;
mod several_backends;

use std::collections::BTreeSet;

use super::*;
use crate::routing::fixture::{
    Load, Spec, away, backend, draining, hold, key, ready, ring, scope, seconds, sticky, told,
};
use crate::routing::{BackendId, Canary, KeyRing, Scope, SessionPolicy, balance};

/// The steady clock says a hundred seconds in all of these.
const NOW: Now = Now { unix: 1_800_000_000, mono: Millis(100_000) };

/// A rule with its endpoints, and a request.
struct Case {
    backends: Vec<(u32, &'static str, Vec<Spec>)>,
    policy: SessionPolicy,
    sticky: bool,
    /// Where its token says that the session lives: backend and endpoint.
    home: Option<(&'static str, &'static str)>,
    /// Where a cookie of ingress-nginx's says that.
    legacy: Option<(&'static str, &'static str)>,
    canary: Option<CanarySessions>,
    preference: Preference,
    tried: Vec<&'static str>,
    failed_since: Option<Millis>,
    load: Load,
}

/// A request without a token, to a rule whose only backend has these endpoints.
fn newcomer(endpoints: impl Into<Vec<Spec>>) -> Case {
    Case {
        backends: vec![(1, "web", endpoints.into())],
        policy: SessionPolicy { strategy: balance::Strategy::Random, ..hold(30) },
        sticky: true,
        home: None,
        legacy: None,
        canary: None,
        preference: Preference::None,
        tried: Vec::new(),
        failed_since: None,
        load: Load::default(),
    }
}

/// A request of a session that lives at `a`, in the first life of it.
fn session_at_a(endpoints: impl Into<Vec<Spec>>) -> Case {
    Case { home: Some(("web", "a")), ..newcomer(endpoints) }
}

impl Case {
    fn policy(mut self, change: impl FnOnce(&mut SessionPolicy)) -> Self {
        change(&mut self.policy);
        self
    }

    fn on_lost(self, on_lost: OnLost) -> Self {
        self.policy(|policy| policy.on_lost = on_lost)
    }

    fn weight(mut self, weight: u32) -> Self {
        self.backends[0].0 = weight;
        self
    }

    /// The second backend is a canary, about which the request says this.
    fn trying(self, sessions: CanarySessions, preference: Preference) -> Self {
        Self { canary: Some(sessions), preference, ..self }
    }

    /// It comes with a cookie of ingress-nginx's for an endpoint of `web`.
    fn of_nginx(self, endpoint: &'static str) -> Self {
        Self { home: None, legacy: Some(("web", endpoint)), ..self }
    }

    fn canary(mut self, weight: u32, endpoints: impl Into<Vec<Spec>>) -> Self {
        self.backends.push((weight, "canary", endpoints.into()));
        self
    }

    fn home(self, backend: &'static str, endpoint: &'static str) -> Self {
        Self { home: Some((backend, endpoint)), ..self }
    }

    /// A connection to it could not be made for this request, the first time at `since`.
    fn tried(mut self, name: &'static str, since: Millis) -> Self {
        self.tried.push(name);
        self.failed_since = self.failed_since.or(Some(since));
        self
    }

    /// No request can connect to it.
    fn unreachable(mut self, name: &str, since: Millis) -> Self {
        self.load.unreachable.insert(name.to_owned(), since);
        self
    }

    fn rule(&self, keys: &KeyRing) -> Rule {
        let backends = self.backends.iter().map(|(weight, name, specs)| (*weight, backend(name, specs, keys)));
        let canary = self.canary.map(|sessions| Box::new(Canary { header: None, cookie: None, sessions }));
        let rule = Rule { canary, ..sticky(backends.collect(), self.policy.clone()) };
        if self.sticky { rule } else { Rule { session: None, ..rule } }
    }

    fn token(&self, session: u64, keys: &KeyRing) -> Option<Token> {
        let (backend, name) = self.home?;
        let claims = Claims { session: SessionId(session), issued: 1_799_999_000 };
        let home = ready(name).build(&BackendId::new(backend));
        keys.open(&scope(), keys.seal(&scope(), claims, &home, NOW.unix).as_bytes())
    }

    /// The answer to a request of this session, as text.
    fn answer(&self, rule: &Rule, keys: &KeyRing, session: u64, seed: u64) -> String {
        let token = self.token(session, keys);
        let endpoints = rule.backends.iter().flat_map(|weighted| weighted.backend.endpoints());
        let tried: Vec<_> = endpoints.filter(|e| self.tried.contains(&&*e.name)).map(|e| e.id.clone()).collect();
        let legacy = self.legacy.map(|(backend, name)| Predecessor {
            home: Some(EndpointId::new(&BackendId::new(backend), name)),
            seed: session,
            is_unique: session.is_multiple_of(2),
        });
        let attempt = Attempt {
            token: token.as_ref(),
            legacy: legacy.as_ref(),
            preference: self.preference,
            tried: &tried,
            failed_since: self.failed_since,
        };
        let decision = decide(rule, &attempt, &self.load, &mut fastrand::Rng::with_seed(seed), NOW);
        if let Decision::Forward(Forward { claims, outcome, .. }) = decision
            && outcome != Outcome::Unpinned
        {
            let issued = token.map_or(1_800_000_000, |token| token.claims.issued);
            assert_eq!(claims.map(|claims| claims.issued), Some(issued), "a session keeps its beginning");
            assert!(token.is_none() || token.map(|token| token.claims) == claims, "a session keeps its id");
        }
        described(&decision)
    }
}

fn described(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Forward(Forward { endpoint, outcome, issue, .. }) => {
            format!("{} {}{}", outcome.as_str(), endpoint.name, if *issue { " +token" } else { "" })
        }
        Decision::Hold { endpoint, until, .. } => format!("held for {} until {}", endpoint.name, until.0 / 1000),
        Decision::Refuse(refusal) => Outcome::from(*refusal).as_str().to_owned(),
    }
}

/// The answers that requests of many sessions get are these, no more and no fewer. Those of one session that
/// has a token, or a cookie of ingress-nginx's, all get the same, whatever is drawn.
#[track_caller]
fn check(case: &Case, expected: &[&str]) {
    let keys = ring(&[(0, 0)]);
    let rule = case.rule(&keys);
    let mut answers = BTreeSet::new();
    for session in 0..200 {
        let answer = case.answer(&rule, &keys, session, session);
        if (case.home.is_some() || case.legacy.is_some()) && case.sticky && case.canary != Some(CanarySessions::Legacy)
        {
            assert_eq!(answer, case.answer(&rule, &keys, session, !session), "of one session");
        }
        answers.insert(answer);
    }
    assert_eq!(answers, expected.iter().map(|&answer| answer.to_owned()).collect());
}
