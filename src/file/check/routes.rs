//! Routes: hosts, paths, shares, and rules that get in each other's way.

use std::collections::HashMap;

use super::super::problem::{Place, Problem, Problems};
use super::super::typed::{At, Keyed};
use super::super::{Listener, RouteSpec, RuleSpec, schema};
use super::backends::Backends;
use super::{number, parsed, session, tls};
use crate::routing::session::CookieName;
use crate::routing::{HostPattern, PathMatch, Strategy};

/// The largest share: with it, even thousands of shares have a sum that fits.
const MAX_WEIGHT: u64 = 1_000_000;

pub(super) fn check(
    typed: &[Keyed<schema::Route>],
    backends: &mut Backends,
    listeners: &[Listener],
    problems: &mut Problems,
) -> Vec<RouteSpec> {
    let mut taken = Taken::default();
    let mut routes = Vec::new();
    for typed in typed {
        let Some(typed) = typed.open(problems) else { continue };
        let hosts = hosts(&typed.hosts, problems);
        let mut rules = Vec::new();
        for rule in &typed.rules {
            if let Some(spec) = self::rule(rule, &hosts, backends, problems) {
                hosts.iter().for_each(|host| taken.add(host, &spec, rule.place(), problems));
                rules.push(spec);
            }
        }
        if typed.rules.is_empty() {
            problems.push(Problem::error(typed.hosts.first().map(|host| host.place), "a route has no rules"));
        }
        let redirect = typed.redirect_to_https.as_ref();
        let redirect_to_https = redirect.and_then(|typed| tls::redirect(typed, listeners, problems));
        routes.push(RouteSpec { hosts, redirect_to_https, rules });
    }
    if typed.is_empty() {
        let hint = "routes: [{ rules: [{ backend: NAME, session: {} }] }]";
        problems.push(Problem::error(None, "there is no route").hint(hint.to_owned()));
    }
    routes
}

fn hosts(typed: &[At<String>], problems: &mut Problems) -> Vec<HostPattern> {
    if typed.is_empty() {
        return vec![HostPattern::Any];
    }
    typed.iter().filter_map(|host| parsed(host, str::parse, problems)).collect()
}

fn rule(
    typed: &Keyed<schema::Rule>,
    hosts: &[HostPattern],
    backends: &mut Backends,
    problems: &mut Problems,
) -> Option<RuleSpec> {
    let place = typed.place();
    let typed = typed.open(problems)?;
    let path = match &typed.path {
        None => Some(PathMatch::Prefix("".into())),
        Some(typed) => path(typed, problems),
    };
    let shares = shares(typed, place, backends, problems);
    let session = typed.session.as_ref().map(|typed| {
        let endpoints = shares.iter().flatten().flat_map(|(at, _)| backends.endpoints(*at));
        session::check(
            typed,
            &session::Around { path: path.as_ref(), hosts, place, endpoints: endpoints.collect() },
            problems,
        )
    });
    Some(RuleSpec { path: path?, backends: shares?, balance: balance(typed, problems), session })
}

fn path(typed: &Keyed<schema::Path>, problems: &mut Problems) -> Option<PathMatch> {
    let place = typed.place();
    let typed = typed.open(problems)?;
    match (&typed.prefix, &typed.exact) {
        (Some(prefix), None) => parsed(prefix, PathMatch::prefix, problems),
        (None, Some(exact)) => parsed(exact, PathMatch::exact, problems),
        _ => {
            let hint = "{ prefix: /shop } for it and all below it, { exact: /shop } for it alone";
            problems.push(Problem::error(place, "a path has either a prefix or an exact").hint(hint.to_owned()));
            None
        }
    }
}

fn balance(typed: &schema::Rule, problems: &mut Problems) -> Strategy {
    let balance = typed.balance.as_ref().and_then(|balance| balance.open(problems));
    if let (Some(balance), Some(_)) = (&balance, &typed.session) {
        let hint = "who gets a new session is said by session: { strategy: … }";
        problems.push(
            Problem::warning(balance.place, "balance says nothing where there are sessions").hint(hint.to_owned()),
        );
    }
    match balance.map(|balance| balance.value) {
        None | Some(schema::Balance::LeastRequests) => Strategy::LeastRequests,
        Some(schema::Balance::RoundRobin) => Strategy::RoundRobin,
        Some(schema::Balance::Random) => Strategy::Random,
    }
}

/// The backends of a rule, by their place in the list, and their shares.
fn shares(
    typed: &schema::Rule,
    place: Place,
    backends: &mut Backends,
    problems: &mut Problems,
) -> Option<Vec<(usize, u32)>> {
    let list = match (&typed.backend, &typed.backends) {
        (Some(name), None) => return backends.find(name, problems).map(|at| vec![(at, 1)]),
        (None, Some(list)) => list,
        (Some(_), Some(list)) => {
            problems.push(Problem::error(list.place, "a rule has either a backend or backends"));
            return None;
        }
        (None, None) => {
            let hint = "backend: NAME, or backends: [{ name: NAME, weight: 1 }]";
            problems.push(Problem::error(place, "a rule has no backend").hint(hint.to_owned()));
            return None;
        }
    };
    let mut shares: Vec<(usize, u32)> = Vec::new();
    for share in &list.value {
        let Some(share) = share.open(problems) else { continue };
        let weight = share.weight.as_ref().map_or(Some(1), |weight| number(weight, 0..=MAX_WEIGHT, problems));
        let Some(at) = backends.find(&share.name, problems) else { continue };
        if shares.iter().any(|(other, _)| *other == at) {
            problems.push(Problem::error(share.name.place, format!("{:?} has two shares", share.name.value)));
        }
        shares.push((at, u32::try_from(weight.unwrap_or(1)).unwrap_or(u32::MAX)));
    }
    if list.value.is_empty() {
        problems.push(Problem::error(list.place, "a rule has no backend"));
    } else if shares.len() == list.value.len() && shares.iter().all(|(_, weight)| *weight == 0) {
        let message = "all weights are 0: no backend gets anything new";
        problems.push(Problem::error(list.place, message).hint("give one a weight of 1".to_owned()));
    }
    Some(shares)
}

/// What rules have taken for themselves: requests, and cookies.
#[derive(Default)]
struct Taken {
    paths: HashMap<(HostPattern, PathMatch), Place>,
    cookies: HashMap<Jar, (usize, Place)>,
}

/// Where a browser keeps a cookie: host, name, domain and path. A second one takes the place of the first.
type Jar = (HostPattern, CookieName, Option<String>, String);

impl Taken {
    fn add(&mut self, host: &HostPattern, rule: &RuleSpec, place: Place, problems: &mut Problems) {
        // The first one in the file wins, as it will in the table.
        if let Some(winner) = self.paths.get(&(host.clone(), rule.path.clone())) {
            let message = format!("this rule gets no requests: {host} {} is taken", rule.path);
            problems.push(Problem::warning(place, message).hint(format!("by the rule on line {}", winner.line)));
            return;
        }
        self.paths.insert((host.clone(), rule.path.clone()), place);
        let (Some(session), Some((primary, _))) = (&rule.session, rule.backends.first()) else { return };
        let cookie = session.cookie.clone();
        let jar: Jar = (host.clone(), cookie.name, cookie.domain, cookie.path);
        let name = jar.1.as_str().to_owned();
        let (other, first) = *self.cookies.entry(jar).or_insert((*primary, place));
        if other != *primary {
            let message =
                format!("two backends of {host} share the cookie {name:?}: each overwrites the other's sessions");
            let hint = format!("give it another cookie name than the rule on line {}", first.line);
            problems.push(Problem::warning(place, message).hint(hint));
        }
    }
}
