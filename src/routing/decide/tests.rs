//! Every row of the table at the top of [`super`], through one [`check`]: a case is a rule with its endpoints
//! and a request, its answer is text.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

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
        let legacy = self.legacy.map(|(backend, name)| EndpointId::new(&BackendId::new(backend), name));
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
/// has a token all get the same, whatever is drawn.
#[track_caller]
fn check(case: &Case, expected: &[&str]) {
    let keys = ring(&[(0, 0)]);
    let rule = case.rule(&keys);
    let mut answers = BTreeSet::new();
    for session in 0..200 {
        let answer = case.answer(&rule, &keys, session, session);
        if case.home.is_some() && case.sticky && case.canary != Some(CanarySessions::Legacy) {
            assert_eq!(answer, case.answer(&rule, &keys, session, !session), "of one session");
        }
        answers.insert(answer);
    }
    assert_eq!(answers, expected.iter().map(|&answer| answer.to_owned()).collect());
}

#[test]
fn a_session_begins_where_new_ones_are_taken() {
    check(&newcomer([ready("a"), ready("b")]), &["new a +token", "new b +token"]);
    check(&newcomer([draining("a"), away("b", seconds(99)), ready("c")]), &["new c +token"]);
    check(&newcomer([ready("a"), ready("b")]).unreachable("a", seconds(99)), &["new b +token"]);
    check(&newcomer([ready("a"), ready("b")]).tried("a", seconds(99)), &["new b +token"]);
}

#[test]
fn a_session_begins_somewhere_worse_rather_than_nowhere() {
    let two = [draining("a"), told("b", seconds(0)), away("c", seconds(99))];
    check(&newcomer(two.clone()), &["new a +token", "new b +token"]);
    check(&newcomer(two.clone()).tried("a", seconds(99)), &["new b +token"]);
    check(&newcomer(two).tried("a", seconds(99)).tried("b", seconds(99)), &["unavailable"]);
    check(&newcomer([ready("a"), draining("b")]).unreachable("a", seconds(1)), &["new b +token"]);
    check(&newcomer([ready("a")]).unreachable("a", seconds(1)), &["new a +token"]);
}

#[test]
fn nobody_there_is_unavailable() {
    check(&newcomer([]), &["unavailable"]);
    check(&newcomer([away("a", seconds(99))]), &["unavailable"]);
    check(&newcomer([ready("a")]).tried("a", seconds(99)), &["unavailable"]);
    check(&session_at_a([]), &["unavailable"]);
}

#[test]
fn a_session_comes_back_to_its_endpoint() {
    check(&session_at_a([ready("a"), ready("b")]), &["kept a"]);
    check(&session_at_a([ready("b"), ready("a").passing()]), &["kept a"]);
    check(&session_at_a([draining("a"), ready("b")]), &["kept_draining a"]);
    check(&session_at_a([ready("a"), ready("b")]).unreachable("b", seconds(1)).tried("b", seconds(1)), &["kept a"]);
}

#[test]
fn a_drain_that_was_asked_for_ends_at_its_deadline() {
    let ten_seconds = |case: Case| case.policy(|policy| policy.drain_deadline = Duration::from_secs(10));
    check(&ten_seconds(session_at_a([told("a", seconds(91)), ready("b")])), &["kept_draining a"]);
    check(&ten_seconds(session_at_a([told("a", seconds(90)), ready("b")])), &["reassigned b +token"]);
    for on_lost in [OnLost::Temporary, OnLost::Reject] {
        let drained = session_at_a([told("a", seconds(1)), ready("b")]).on_lost(on_lost);
        check(&ten_seconds(drained), &["reassigned b +token"]);
    }
}

#[test]
fn a_drained_session_stays_where_nobody_is_better_off() {
    let no_time = |case: Case| case.policy(|policy| policy.drain_deadline = Duration::ZERO);
    check(&no_time(session_at_a([told("a", seconds(1))])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), draining("b")])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), told("b", seconds(1))])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), ready("b")]).tried("b", seconds(99))), &["kept_draining a"]);
    let unreachable = session_at_a([told("a", seconds(1)), ready("b")]).unreachable("b", seconds(99));
    check(&no_time(unreachable), &["kept_draining a"]);
}

#[test]
fn a_session_is_told_when_its_endpoint_has_restarted() {
    check(&session_at_a([ready("a").restarted(), ready("b")]), &["restarted a +token"]);
    check(&session_at_a([draining("a").restarted(), ready("b")]), &["restarted a +token"]);
}

#[test]
fn a_session_moves_when_its_endpoint_has_restarted_and_the_policy_says_so() {
    let moving = |case: Case| case.policy(|policy| policy.on_restart = OnRestart::Reassign);
    check(&moving(session_at_a([ready("a").restarted(), ready("b")])), &["reassigned b +token"]);
    check(&moving(session_at_a([draining("a").restarted(), ready("b")])), &["reassigned b +token"]);
    let others = [ready("a").restarted(), ready("b"), ready("c")];
    check(&moving(session_at_a(others)), &["reassigned b +token", "reassigned c +token"]);
    // Nobody is there whom it could move to.
    check(&moving(session_at_a([ready("a").restarted()])), &["restarted a +token"]);
    check(&moving(session_at_a([ready("a").restarted(), draining("b")])), &["restarted a +token"]);
    check(&moving(session_at_a([ready("a"), ready("b")])), &["kept a"]);
}

#[test]
fn a_session_waits_for_an_endpoint_that_is_expected_back() {
    check(&session_at_a([away("a", seconds(71)), ready("b")]), &["held for a until 101"]);
    check(&session_at_a([away("a", seconds(70)), ready("b")]), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(99)).passing(), ready("b")]), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(100)), ready("b")]).policy(|p| *p = hold(0)), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(99))]), &["held for a until 129"]);
    for on_lost in [OnLost::Temporary, OnLost::Reject] {
        check(&session_at_a([away("a", seconds(99)), ready("b")]).on_lost(on_lost), &["held for a until 129"]);
    }
}

#[test]
fn a_session_waits_for_an_endpoint_that_cannot_be_reached() {
    let two = |a: Spec| session_at_a([a, ready("b")]);
    check(&two(ready("a")).unreachable("a", seconds(80)), &["held for a until 110"]);
    check(&two(draining("a")).unreachable("a", seconds(80)), &["held for a until 110"]);
    check(&two(ready("a")).tried("a", seconds(90)), &["held for a until 120"]);
    check(&two(ready("a").passing()).unreachable("a", seconds(80)), &["reassigned b +token"]);
    check(&two(ready("a").passing()).tried("a", seconds(99)), &["reassigned b +token"]);
    check(&two(ready("a")).unreachable("a", seconds(70)), &["reassigned b +token"]);
    check(&two(ready("a")).unreachable("a", seconds(99)).policy(|p| *p = hold(0)), &["reassigned b +token"]);
}

#[test]
fn no_request_waits_for_longer_than_hold_from_its_first_failure() {
    let two = |a: Spec| session_at_a([a, ready("b")]).tried("a", seconds(75));
    check(&two(ready("a")), &["held for a until 105"]);
    check(&two(ready("a")).unreachable("a", seconds(99)), &["held for a until 105"]);
    check(&two(ready("a")).unreachable("a", seconds(72)), &["held for a until 102"]);
    check(&two(away("a", seconds(99))), &["held for a until 105"]);
    check(&two(away("a", seconds(72))), &["held for a until 102"]);
    check(&session_at_a([ready("a"), ready("b")]).tried("a", seconds(70)), &["reassigned b +token"]);
}

#[test]
fn a_lost_session_moves_is_served_elsewhere_or_is_rejected() {
    let gone = [ready("b"), ready("c")];
    let check_lost = |case: fn() -> Case| {
        check(&case(), &["reassigned b +token", "reassigned c +token"]);
        check(&case().on_lost(OnLost::Temporary), &["temporary b", "temporary c"]);
        check(&case().on_lost(OnLost::Reject), &["rejected"]);
    };
    check(&session_at_a(gone), &["reassigned b +token", "reassigned c +token"]);
    check_lost(|| session_at_a([ready("b"), ready("c")]));
    check_lost(|| session_at_a([away("a", seconds(1)), ready("b"), ready("c"), draining("d")]));
    check_lost(|| session_at_a([ready("a"), ready("b"), ready("c")]).unreachable("a", seconds(1)));
    check_lost(|| session_at_a([ready("a"), ready("b"), ready("c")]).tried("a", seconds(1)));
    check_lost(|| session_at_a([ready("b"), ready("c"), ready("d")]).unreachable("d", seconds(99)));
}

#[test]
fn a_lost_session_moves_somewhere_worse_rather_than_nowhere() {
    check(&session_at_a([away("a", seconds(1)), draining("b")]), &["reassigned b +token"]);
    check(&session_at_a([ready("a"), draining("b")]).unreachable("a", seconds(1)), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(1)), ready("b")]).unreachable("b", seconds(9)), &["reassigned b +token"]);
    // Before it goes to one that cannot be reached either, its own is asked once more.
    let both = || session_at_a([ready("a"), ready("b")]).unreachable("a", seconds(1)).unreachable("b", seconds(1));
    check(&both(), &["kept a"]);
    check(&both().tried("a", seconds(1)), &["reassigned b +token"]);
    check(&both().tried("a", seconds(1)).tried("b", seconds(1)), &["unavailable"]);
    check(&both().on_lost(OnLost::Temporary), &["kept a"]);
    check(&session_at_a([ready("a").restarted()]).unreachable("a", seconds(1)), &["restarted a +token"]);
    check(&session_at_a([away("a", seconds(1))]), &["unavailable"]);
}

#[test]
fn backends_share_new_sessions_by_weight_and_keep_what_they_have() {
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(1, 1), &["new a +token", "new x +token"]);
    check(&shared(1, 0), &["new a +token"]);
    check(&shared(0, 3), &["new x +token"]);
    check(&shared(0, 0), &["unavailable"]);
    check(&shared(0, 1).home("web", "a"), &["kept a"]);
    check(&shared(1, 0).home("canary", "x"), &["kept x"]);
    check(&shared(0, 0).home("canary", "x"), &["kept x"]);
    check(&newcomer([ready("a")]).weight(0), &["unavailable"]);
}

#[test]
fn a_backend_that_has_nobody_leaves_its_share_to_the_others() {
    let shared = |web: Vec<Spec>| newcomer(web).canary(1, [ready("x")]);
    check(&shared(vec![]), &["new x +token"]);
    check(&shared(vec![away("a", seconds(99))]), &["new x +token"]);
    check(&shared(vec![draining("a")]), &["new x +token"]);
    check(&shared(vec![ready("a")]).unreachable("a", seconds(1)), &["new x +token"]);
    check(&shared(vec![ready("a")]).tried("x", seconds(1)), &["new a +token"]);
}

#[test]
fn a_lost_session_stays_with_its_backend_if_that_has_anybody() {
    let lost = |web: Vec<Spec>| session_at_a(web).canary(1, [ready("x")]);
    check(&lost(vec![away("a", seconds(1)), ready("b")]), &["reassigned b +token"]);
    check(&lost(vec![away("a", seconds(1)), ready("b")]).weight(0), &["reassigned b +token"]);
    check(&lost(vec![away("a", seconds(1)), draining("b")]), &["reassigned x +token"]);
    check(&lost(vec![away("a", seconds(1))]), &["reassigned x +token"]);
    check(&lost(vec![ready("b")]).canary(0, [ready("y")]), &["reassigned b +token", "reassigned x +token"]);
    check(&lost(vec![ready("b")]).weight(0), &["reassigned x +token"]);
}

#[test]
fn a_request_goes_to_the_canary_or_the_primary_as_it_prefers() {
    use CanarySessions::Sticky;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Sticky, Preference::Canary), &["new x +token"]);
    check(&shared(100, 0).trying(Sticky, Preference::None), &["new a +token"]);
    check(&shared(0, 100).trying(Sticky, Preference::Primary), &["new a +token"]);
    check(&shared(0, 100).trying(Sticky, Preference::None), &["new x +token"]);
    check(&shared(1, 1).trying(Sticky, Preference::None), &["new a +token", "new x +token"]);
    let plain = |case: Case| Case { sticky: false, ..case };
    check(&plain(shared(100, 0).trying(Sticky, Preference::Canary)), &["unpinned x"]);
    check(&plain(shared(0, 100).trying(Sticky, Preference::Primary)), &["unpinned a"]);
    // Without a canary nobody is asked.
    check(&Case { preference: Preference::Canary, ..shared(1, 0) }, &["new a +token"]);
}

#[test]
fn a_session_is_asked_before_the_preference() {
    use CanarySessions::Sticky;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Sticky, Preference::Primary).home("canary", "x"), &["kept x"]);
    check(&shared(0, 100).trying(Sticky, Preference::Canary).home("web", "a"), &["kept a"]);
    // One whose endpoint nobody knows any more belongs nowhere.
    check(&shared(100, 0).trying(Sticky, Preference::Canary).home("web", "gone"), &["reassigned x +token"]);
}

#[test]
fn a_canary_that_has_nobody_leaves_its_requests_to_the_primary_and_never_means_never() {
    use CanarySessions::Sticky;
    let dead = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [away("x", seconds(1))]);
    check(&dead(0, 100).trying(Sticky, Preference::None), &["new a +token"]);
    check(&dead(0, 100).trying(Sticky, Preference::Canary), &["new a +token"]);
    check(&dead(0, 100).trying(Sticky, Preference::None).home("canary", "x"), &["reassigned a +token"]);
    let alone = |preference| newcomer([]).canary(50, [ready("x")]).trying(Sticky, preference);
    check(&alone(Preference::Primary), &["unavailable"]);
    check(&alone(Preference::None), &["new x +token"]);
}

#[test]
fn a_canary_without_sessions_is_asked_first_and_keeps_none() {
    use CanarySessions::Legacy;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Legacy, Preference::Canary), &["unpinned x"]);
    check(&shared(100, 0).trying(Legacy, Preference::Canary).home("web", "a"), &["unpinned x"]);
    check(&shared(0, 100).trying(Legacy, Preference::Primary).home("web", "a"), &["kept a"]);
    check(&shared(0, 100).trying(Legacy, Preference::Primary), &["new a +token"]);
    check(&shared(1, 1).trying(Legacy, Preference::None).home("web", "a"), &["kept a", "unpinned x"]);
    let dead = newcomer([ready("a")]).canary(100, [away("x", seconds(1))]);
    check(&dead.trying(Legacy, Preference::Canary), &["new a +token"]);
}

#[test]
fn a_session_of_ingress_nginx_is_adopted_where_it_was() {
    let two = || newcomer([ready("a"), ready("b")]);
    check(&two().of_nginx("b"), &["adopted b +token"]);
    check(&newcomer([draining("a"), ready("b")]).of_nginx("a"), &["adopted a +token"]);
    check(&newcomer([away("a", seconds(99)), ready("b")]).of_nginx("a"), &["held for a until 129"]);
    check(&newcomer([away("a", seconds(1)), ready("b")]).of_nginx("a"), &["reassigned b +token"]);
    check(&newcomer([away("a", seconds(1)), ready("b")]).of_nginx("a").on_lost(OnLost::Reject), &["rejected"]);
    check(&two().of_nginx("a").tried("a", seconds(1)), &["reassigned b +token"]);
}

#[test]
fn a_cookie_of_ingress_nginx_that_names_nobody_is_none_and_a_token_counts_for_more() {
    check(&newcomer([ready("a")]).of_nginx("gone"), &["new a +token"]);
    check(&Case { legacy: Some(("web", "b")), ..session_at_a([ready("a"), ready("b")]) }, &["kept a"]);
    check(&Case { sticky: false, ..newcomer([ready("a")]).of_nginx("a") }, &["unpinned a"]);
    let legacy = newcomer([ready("a")]).canary(0, [ready("x")]).trying(CanarySessions::Legacy, Preference::None);
    check(&Case { legacy: Some(("canary", "x")), ..legacy }, &["new a +token"]);
}

#[test]
fn a_rule_without_sessions_only_balances() {
    let plain = |case: Case| Case { sticky: false, ..case };
    check(&plain(newcomer([ready("a"), ready("b")])), &["unpinned a", "unpinned b"]);
    check(&plain(session_at_a([ready("a"), ready("b")])), &["unpinned a", "unpinned b"]);
    check(&plain(newcomer([ready("a"), draining("b")])), &["unpinned a"]);
    check(&plain(newcomer([away("a", seconds(1))])), &["unavailable"]);
}

#[test]
fn parallel_requests_and_all_replicas_move_a_session_to_the_same_endpoint() {
    let keys = ring(&[(0, 0), (1, 0)]);
    let mut names: Vec<Spec> = (0..20).map(|at| ready(format!("web-{at}"))).collect();
    let here = session_at_a(names.clone());
    names.rotate_left(7);
    names.reverse();
    let there = session_at_a(names);
    let (here_rule, there_rule) = (here.rule(&keys), there.rule(&ring(&[(1, 0), (0, 0)])));
    let mut reached = BTreeSet::new();
    for session in (0..200u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let answer = here.answer(&here_rule, &keys, session, 0);
        for request in 1..20 {
            assert_eq!(answer, here.answer(&here_rule, &keys, session, request));
            assert_eq!(answer, there.answer(&there_rule, &keys, session, request));
        }
        reached.insert(answer);
    }
    assert_eq!(reached.len(), 20, "they spread over all that are there");
}

#[test]
fn tokens_that_are_none_begin_a_session() {
    let (keys, others) = (ring(&[(0, 0)]), ring(&[(3, 0)]));
    let home = ready("a").build(&BackendId::new("web"));
    let sealed = keys.seal(&scope(), Claims::new(SessionId(1), NOW.unix), &home, NOW.unix);
    let foreign = Scope::new("", "cart", "", &SessionPolicy::default().cookie.name);
    assert!(keys.open(&scope(), sealed.as_bytes()).is_some());
    assert_eq!(keys.open(&foreign, sealed.as_bytes()), None);
    assert_eq!(others.open(&scope(), sealed.as_bytes()), None);
}

#[test]
fn a_token_of_a_key_that_the_snapshot_does_not_know_names_nobody() {
    let case = session_at_a([ready("a")]);
    let rule = case.rule(&KeyRing::new(vec![key(1, 0)]).unwrap());
    assert_eq!(case.answer(&rule, &ring(&[(0, 0)]), 1, 1), "reassigned a +token");
}

#[test]
fn a_kept_session_is_decided_upon_without_an_allocation() {
    let keys = ring(&[(0, 0), (1, 0)]);
    for case in [session_at_a([ready("a"), ready("b")]), session_at_a([draining("a"), ready("b")])] {
        let (rule, token) = (case.rule(&keys), case.token(1, &keys));
        let mut rng = fastrand::Rng::with_seed(1);
        let attempt = Attempt { token: token.as_ref(), ..Attempt::default() };
        let allocated = allocation_counter::measure(|| {
            assert!(matches!(decide(&rule, &attempt, &case.load, &mut rng, NOW), Decision::Forward(_)));
        });
        assert_eq!(allocated.count_total, 0);
    }
}

#[test]
fn a_token_is_found_and_opened_without_an_allocation() {
    let (keys, scope) = (ring(&[(0, 0), (1, 0)]), scope());
    let home = ready("a").build(&BackendId::new("web"));
    let sealed = keys.seal(&scope, Claims::new(SessionId(1), NOW.unix), &home, NOW.unix);
    let field = format!("theme=dark; moorline={sealed}; lang=de");
    let allocated = allocation_counter::measure(|| {
        let value = crate::routing::session::values(field.as_bytes(), "moorline").next();
        assert!(value.is_some_and(|value| keys.open(&scope, value).is_some()));
    });
    assert_eq!(allocated.count_total, 0);
}

fn some_condition() -> impl Strategy<Value = Condition> {
    let moment = || (60u64..=100).prop_map(seconds);
    prop_oneof![
        3 => Just(Condition::Ready),
        1 => proptest::option::of(moment()).prop_map(|told| Condition::Draining { told }),
        1 => moment().prop_map(|since| Condition::Away { since }),
    ]
}

fn some_endpoints(names: &'static [&'static str]) -> impl Strategy<Value = Vec<Spec>> {
    let spec = |name: &'static str| {
        (some_condition(), 1u32..3, any::<bool>()).prop_map(move |(condition, life, returns)| Spec {
            name: name.to_owned(),
            life,
            condition,
            returns: if returns { Return::Expected } else { Return::Never },
        })
    };
    proptest::sample::subsequence(names, 0..=names.len())
        .prop_flat_map(move |names| names.into_iter().map(spec).collect::<Vec<_>>())
}

prop_compose! {
    fn some_case()(
        web in some_endpoints(&["a", "b", "c"]),
        canary in some_endpoints(&["x", "y"]),
        weights in (0u32..3, 0u32..3),
        (on_lost, on_restart) in (
            prop_oneof![Just(OnLost::Reassign), Just(OnLost::Temporary), Just(OnLost::Reject)],
            prop_oneof![Just(OnRestart::Keep), Just(OnRestart::Reassign)],
        ),
        (hold, drain_deadline) in (0u64..40, 0u64..40),
        strategy in prop_oneof![
            Just(balance::Strategy::LeastSessions), Just(balance::Strategy::LeastRequests), Just(balance::Strategy::RoundRobin),
            Just(balance::Strategy::Random),
        ],
        home in proptest::option::of(prop_oneof![
            Just(("web", "a")), Just(("web", "b")), Just(("canary", "x")), Just(("canary", "gone")),
        ]),
        tried in proptest::sample::subsequence(&["a", "b", "c", "x", "y"], 0..=5),
        failed_since in proptest::option::of((60u64..=100).prop_map(seconds)),
        unreachable in proptest::sample::subsequence(&["a", "b", "c", "x", "y"], 0..=5),
    ) -> Case {
        let policy = SessionPolicy {
            strategy, on_lost, on_restart,
            hold: Duration::from_secs(hold),
            drain_deadline: Duration::from_secs(drain_deadline),
            ..SessionPolicy::default()
        };
        let load = Load {
            unreachable: unreachable.into_iter().map(|name| (name.to_owned(), seconds(80))).collect(),
            ..Load::default()
        };
        let backends = vec![(weights.0, "web", web), (weights.1, "canary", canary)];
        Case { backends, policy, home, tried, failed_since, load, ..newcomer([]) }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { backends, policy, home, tried, failed_since, load, .. } = self;
        f.debug_tuple("Case").field(&(backends, policy, home, tried, failed_since, load)).finish()
    }
}

proptest! {
    #[test]
    fn equal_arguments_give_equal_answers(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let answer = case.answer(&case.rule(&keys), &keys, session, seed);
        case.load.turn.set(0);
        prop_assert_eq!(case.answer(&case.rule(&keys), &keys, session, seed), answer);
    }

    #[test]
    fn whatever_the_case_the_answer_makes_sense(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let rule = case.rule(&keys);
        let answer = case.answer(&rule, &keys, session, seed);
        let all = || case.backends.iter().flat_map(|(weight, backend, specs)| {
            specs.iter().map(move |spec| (*weight, *backend, spec))
        });
        let askable = |spec: &Spec| {
            !matches!(spec.condition, Condition::Away { .. }) && !case.tried.contains(&&*spec.name)
        };
        let named = |name: &str| all().find(|(.., spec)| spec.name == name).unwrap();
        let at_home = |name: &str| case.home.is_some_and(|(_, home)| home == name);
        match answer.split(' ').collect::<Vec<_>>()[..] {
            [outcome, name, "+token"] => {
                prop_assert!(askable(named(name).2));
                match outcome {
                    "new" => prop_assert!(case.home.is_none() && named(name).0 > 0),
                    "restarted" => prop_assert!(at_home(name) && named(name).2.life == 2),
                    "reassigned" => prop_assert!(case.home.is_some() && !at_home(name)),
                    _ => prop_assert!(false, "{} does not change the token", outcome),
                }
            }
            [outcome, name] => {
                prop_assert!(askable(named(name).2));
                match outcome {
                    "kept" | "kept_draining" => prop_assert!(at_home(name) && named(name).2.life == 1),
                    "temporary" => prop_assert!(case.policy.on_lost == OnLost::Temporary && !at_home(name)),
                    _ => prop_assert!(false, "{} changes the token", outcome),
                }
            }
            ["held", "for", name, "until", until] => {
                let until = seconds(until.parse().unwrap());
                prop_assert!(at_home(name) && named(name).2.returns == Return::Expected);
                prop_assert!(NOW.mono < until && until <= NOW.mono.plus(case.policy.hold));
            }
            ["rejected"] => prop_assert!(case.home.is_some() && case.policy.on_lost == OnLost::Reject),
            ["unavailable"] => {
                // A session whose endpoint is known may move within its backend, whatever share that has.
                let own = case.home.filter(|home| all().any(|(_, _, spec)| spec.name == home.1));
                let open = |weight: u32, backend: &str| weight > 0 || own.is_some_and(|own| own.0 == backend);
                let nobody = all().all(|(weight, backend, spec)| !askable(spec) || !open(weight, backend));
                prop_assert!(nobody, "somebody could have been asked");
            }
            _ => prop_assert!(false, "no answer: {}", answer),
        }
    }

    #[test]
    fn nobody_goes_to_an_endpoint_that_is_worse_than_another(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let rule = case.rule(&keys);
        let answer = case.answer(&rule, &keys, session, seed);
        let good = |name: &str| {
            let spec = case.backends.iter().flat_map(|(.., specs)| specs).find(|spec| spec.name == name).unwrap();
            spec.condition == Condition::Ready && !case.load.unreachable.contains_key(name)
        };
        let shared = case.backends.iter().filter(|(weight, ..)| *weight > 0).flat_map(|(.., specs)| specs);
        let best = shared.into_iter().any(|spec| good(&spec.name) && !case.tried.contains(&&*spec.name));
        if let ["new" | "reassigned" | "temporary", name, ..] = answer.split(' ').collect::<Vec<_>>()[..] {
            prop_assert!(good(name) || !best, "{}", answer);
        }
    }
}
