//! What has to hold for every decision, said once more without tags, tokens or hashes: by the names that the client's
//! cookie stands for.

use super::super::fixture::scope;
use super::super::session::{OnLost, OnRestart};
use super::super::{
    Attempt, Condition, Decision, Endpoint, EndpointId, Forward, LoadView, Millis, Now, Outcome, Refusal, Return,
    SessionPolicy, Token, decide,
};
use super::Cookie;
use super::replica::Replica;
use super::world::World;

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) session: usize,
    pub(super) replica: usize,
    cookie: Option<Cookie>,
    tried: Vec<EndpointId>,
    failed_since: Option<Millis>,
}

/// What has to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Begin,
    Stay(Outcome),
    Wait(Millis),
    Move(Outcome),
    Reject,
}

impl Request {
    pub(super) fn new(session: usize, replica: usize, cookie: Option<Cookie>) -> Self {
        Self { session, replica, cookie, tried: Vec::new(), failed_since: None }
    }

    /// A connection could not be made.
    pub(super) fn failed(&mut self, id: EndpointId, now: Millis) {
        self.tried.push(id);
        self.failed_since.get_or_insert(now);
    }

    /// It has waited; whoever can be reached again may be tried again.
    pub(super) fn woken(&mut self, replica: &Replica) {
        let out_of_reach = |id: &EndpointId| {
            replica.endpoints().any(|(.., e)| e.id == *id && replica.load.unreachable_since(e).is_some())
        };
        self.tried.retain(out_of_reach);
    }

    pub(super) fn decide<'r>(
        &self,
        replica: &'r Replica,
        token: Option<&Token>,
        now: Now,
        rng: &mut fastrand::Rng,
    ) -> Decision<'r> {
        let attempt = Attempt { token, tried: &self.tried, failed_since: self.failed_since, ..Attempt::default() };
        decide(&replica.rule, &attempt, &replica.load, rng, now)
    }
}

fn policy(replica: &Replica) -> &SessionPolicy {
    &replica.rule.session.as_ref().unwrap().policy
}

/// Reads the cookie. As long as the session's time is not over every replica reads every cookie, whichever key
/// signed it.
pub(super) fn token(replica: &Replica, request: &Request, now: Now) -> Option<Token> {
    let cookie = request.cookie.as_ref()?;
    let current = cookie.claims.is_current(now.unix, policy(replica).absolute);
    let opened = replica.keys.open(&scope(), cookie.value.as_bytes());
    assert!(opened.is_some() || !current, "a key is gone too early, or signs too early: {cookie:?}");
    opened.filter(|_| current)
}

/// The law. Returns what the decision counts as.
pub(super) fn judge(replica: &Replica, request: &Request, decision: &Decision<'_>, now: Now) -> Outcome {
    let verdict = verdict(replica, request, now);
    let context = || format!("{verdict:?} expected, {decision:?} for {request:?} at {now:?}");
    match (verdict, decision) {
        (Verdict::Stay(expected), Decision::Forward(Forward { endpoint, outcome, issue, claims, .. })) => {
            let cookie = request.cookie.as_ref().unwrap();
            assert_eq!((&*endpoint.name, *outcome), (&*cookie.home.0, expected), "{}", context());
            assert_eq!((*claims, *issue), (Some(cookie.claims), expected == Outcome::Restarted), "{}", context());
            expected
        }
        (Verdict::Wait(expected), Decision::Hold { endpoint, until, .. }) => {
            assert_eq!((&*endpoint.name, *until), (&*request.cookie.as_ref().unwrap().home.0, expected));
            Outcome::Held
        }
        (Verdict::Reject, Decision::Refuse(Refusal::Rejected)) => Outcome::Rejected,
        (Verdict::Begin | Verdict::Move(_), Decision::Refuse(Refusal::Unavailable)) => {
            assert!(open_to(replica, request, verdict).is_empty(), "somebody could have been asked: {}", context());
            Outcome::Unavailable
        }
        (Verdict::Begin, Decision::Forward(Forward { endpoint, outcome: Outcome::New, issue: true, claims, .. })) => {
            assert_eq!(claims.map(|claims| u64::from(claims.issued)), Some(now.unix), "{}", context());
            is_a_good_choice(&open_to(replica, request, verdict), replica, endpoint, &context);
            Outcome::New
        }
        (Verdict::Move(expected), Decision::Forward(Forward { endpoint, outcome, issue, claims, .. })) => {
            let cookie = request.cookie.as_ref().unwrap();
            assert_eq!(*claims, Some(cookie.claims), "{}", context());
            is_a_good_choice(&open_to(replica, request, verdict), replica, endpoint, &context);
            if *endpoint.name != *cookie.home.0 {
                assert_eq!((*outcome, *issue), (expected, expected == Outcome::Reassigned), "{}", context());
            } else if policy(replica).on_restart == OnRestart::Keep {
                assert!(!matches!(outcome, Outcome::Reassigned | Outcome::Temporary), "{}", context());
            }
            *outcome
        }
        _ => panic!("{}", context()),
    }
}

fn verdict(replica: &Replica, request: &Request, now: Now) -> Verdict {
    let policy = policy(replica);
    let current = |cookie: &&Cookie| cookie.claims.is_current(now.unix, policy.absolute);
    let Some(cookie) = request.cookie.as_ref().filter(current) else { return Verdict::Begin };
    let lost = match policy.on_lost {
        OnLost::Reassign => Verdict::Move(Outcome::Reassigned),
        OnLost::Temporary => Verdict::Move(Outcome::Temporary),
        OnLost::Reject => Verdict::Reject,
    };
    let Some((_, home)) = replica.endpoint(&cookie.home.0) else { return lost };
    let (away, told) = match home.condition {
        Condition::Ready => (None, None),
        Condition::Draining { told } => (None, told),
        Condition::Away { since } => (Some(since), None),
    };
    let failed = request.tried.contains(&home.id).then_some(now.mono);
    if let Some(gone) = [away, failed, replica.load.unreachable_since(home)].into_iter().flatten().min() {
        let until = gone.min(request.failed_since.unwrap_or(gone)).plus(policy.hold);
        return if home.returns == Return::Expected && now.mono < until { Verdict::Wait(until) } else { lost };
    }
    let restarted = home.incarnation.as_str() != cookie.home.1.to_string();
    if told.is_some_and(|told| told.plus(policy.drain_deadline) <= now.mono)
        || (restarted && policy.on_restart == OnRestart::Reassign)
    {
        return Verdict::Move(Outcome::Reassigned);
    }
    Verdict::Stay(match home.condition {
        _ if restarted => Outcome::Restarted,
        Condition::Ready => Outcome::Kept,
        Condition::Draining { .. } | Condition::Away { .. } => Outcome::KeptDraining,
    })
}

/// Whom this request could be sent to: everybody with a share, and if it has a home, of the same backend.
fn open_to<'r>(replica: &'r Replica, request: &Request, verdict: Verdict) -> Vec<&'r Endpoint> {
    let cookie = request.cookie.as_ref().filter(|_| verdict != Verdict::Begin);
    let own = cookie.and_then(|cookie| replica.endpoint(&cookie.home.0)).map(|(own, _)| own.id());
    let open = replica.endpoints().filter(|(weight, backend, endpoint)| {
        (*weight > 0 || own == Some(backend.id()))
            && !matches!(endpoint.condition, Condition::Away { .. })
            && !request.tried.contains(&endpoint.id)
    });
    open.map(|(.., endpoint)| endpoint).collect()
}

/// Nobody is sent to an endpoint that does not take new sessions while another one does.
fn is_a_good_choice(open: &[&Endpoint], replica: &Replica, chosen: &Endpoint, context: &impl Fn() -> String) {
    let good = |endpoint: &Endpoint| {
        endpoint.condition == Condition::Ready && replica.load.unreachable_since(endpoint).is_none()
    };
    assert!(open.iter().any(|endpoint| endpoint.id == chosen.id), "{}", context());
    assert!(good(chosen) || !open.iter().copied().any(good), "somebody better was there: {}", context());
}

/// Replicas that know the same move a session to the same endpoint, however often they are asked.
pub(super) fn replicas_agree(replicas: &[Replica], request: &Request, chosen: &str, world: &World) {
    let here = &replicas[request.replica];
    let same = |there: &&Replica| {
        there.version == here.version && there.load.unreachable.keys().eq(here.load.unreachable.keys())
    };
    for there in replicas.iter().filter(same) {
        let now = there.now(world);
        // Its clock may say that the session's time is over, or that the endpoint may still come back.
        let Some(token) = token(there, request, now) else { continue };
        for seed in 0..3 {
            let decision = request.decide(there, Some(&token), now, &mut fastrand::Rng::with_seed(seed));
            if let Decision::Forward(Forward { endpoint, outcome: Outcome::Reassigned, .. }) = decision {
                assert_eq!(&*endpoint.name, chosen, "replicas disagree about {request:?}");
            }
        }
    }
}

/// A session that has just been given a token is there to stay: it moves once, not twice.
pub(super) fn next_request_is_kept(replica: &Replica, request: &Request, cookie: &Cookie, now: Now) {
    let next = Request { cookie: Some(cookie.clone()), ..request.clone() };
    let token = token(replica, &next, now);
    assert!(token.is_some(), "a token that was just issued is right: {cookie:?}");
    match next.decide(replica, token.as_ref(), now, &mut fastrand::Rng::with_seed(0)) {
        Decision::Forward(Forward { endpoint, issue: false, .. }) => assert_eq!(*endpoint.name, *cookie.home.0),
        other => panic!("{other:?} for {next:?}, which has just been given its token"),
    }
}
