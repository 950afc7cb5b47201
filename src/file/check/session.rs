//! Session policies, and what browsers make of their cookies.

use std::time::Duration;

use super::super::problem::{Place, Problem, Problems};
use super::super::typed::{At, Choice, Keyed};
use super::super::{EndpointSpec, schema};
use super::limits::duration;
use super::parsed;
use crate::routing::session::{CookieName, CookiePolicy, OnLost, OnRestart, SameSite, Secure, attribute};
use crate::routing::{HostPattern, PathMatch, SessionPolicy, Strategy};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The rule that a session belongs to.
pub(super) struct Around<'a> {
    pub(super) path: Option<&'a PathMatch>,
    pub(super) hosts: &'a [HostPattern],
    pub(super) place: Place,
    pub(super) endpoints: Vec<&'a EndpointSpec>,
}

pub(super) fn check(typed: &Keyed<schema::Session>, around: &Around<'_>, problems: &mut Problems) -> SessionPolicy {
    let default = SessionPolicy::default();
    let Some(typed) = typed.open(problems) else { return default };
    let time = |typed: &Option<At<String>>, bounds, default, problems: &mut Problems| {
        typed.as_ref().and_then(|text| duration(text, bounds, problems)).unwrap_or(default)
    };
    let policy = SessionPolicy {
        cookie: typed.cookie.as_ref().map_or_else(CookiePolicy::default, |typed| cookie(typed, around, problems)),
        strategy: word(&typed.strategy, problems).map_or(default.strategy, strategy),
        hold: time(&typed.hold, Duration::ZERO..=HOUR, default.hold, problems),
        on_lost: word(&typed.on_lost, problems).map_or(default.on_lost, on_lost),
        on_restart: word(&typed.on_restart, problems).map_or(default.on_restart, on_restart),
        drain_deadline: time(&typed.drain_deadline, Duration::ZERO..=30 * DAY, default.drain_deadline, problems),
        idle: time(&typed.idle, MINUTE..=400 * DAY, default.idle, problems),
        absolute: time(&typed.absolute, MINUTE..=400 * DAY, default.absolute, problems),
        strip_cookie: typed.strip_cookie.unwrap_or(default.strip_cookie),
    };
    warn(typed, &policy, around, problems);
    policy
}

fn warn(typed: &schema::Session, policy: &SessionPolicy, around: &Around<'_>, problems: &mut Problems) {
    if around.endpoints.len() == 1 {
        let message = "sessions are kept in a backend of one endpoint: there is no other to keep them from";
        problems.push(Problem::warning(around.place, message));
    }
    if let Some(hold) = typed.hold.as_ref().filter(|_| policy.hold > MINUTE) {
        let message = "requests may wait for longer than most clients and load balancers do, which is 1m";
        problems.push(Problem::warning(hold.place, message));
    }
    let nobody_returns =
        !around.endpoints.is_empty() && around.endpoints.iter().all(|endpoint| endpoint.name.is_none());
    if let Some(hold) = typed.hold.as_ref().filter(|_| nobody_returns && !policy.hold.is_zero()) {
        let message = "hold says nothing: without a name no endpoint is expected back";
        problems.push(Problem::warning(hold.place, message).hint("{ name: posts-0, address: … }".to_owned()));
    }
    if policy.idle > policy.absolute {
        let place = typed.idle.as_ref().or(typed.absolute.as_ref()).map(|text| text.place);
        let message = "idle is longer than absolute: sessions end before they can be idle for so long";
        problems.push(Problem::warning(place, message));
    }
}

fn cookie(typed: &Keyed<schema::Cookie>, around: &Around<'_>, problems: &mut Problems) -> CookiePolicy {
    let default = CookiePolicy::default();
    let Some(typed) = typed.open(problems) else { return default };
    let cookie = CookiePolicy {
        name: typed.name.as_ref().and_then(|name| parsed(name, CookieName::new, problems)).unwrap_or(default.name),
        path: typed.path.as_ref().and_then(|path| parsed(path, attribute::path, problems)).unwrap_or(default.path),
        domain: typed.domain.as_ref().and_then(|domain| parsed(domain, attribute::domain, problems)),
        secure: word(&typed.secure, problems).map_or(default.secure, secure),
        http_only: typed.http_only.unwrap_or(default.http_only),
        same_site: word(&typed.same_site, problems).map_or(default.same_site, |word| Some(same_site(word))),
        partitioned: typed.partitioned.unwrap_or(default.partitioned),
        // Browsers cut it to 400 days (RFC 6265bis §5.6.2).
        max_age: typed
            .max_age
            .as_ref()
            .and_then(|text| duration(text, Duration::from_secs(1)..=400 * DAY, problems))
            .and_then(|max_age| i64::try_from(max_age.as_secs()).ok()),
        ..default
    };
    warn_of_refusal(&cookie, typed, around, problems);
    warn_of_reach(&cookie, typed, around, problems);
    cookie
}

/// Cookies that browsers do not take.
fn warn_of_refusal(cookie: &CookiePolicy, typed: &schema::Cookie, around: &Around<'_>, problems: &mut Problems) {
    let name = cookie.name.as_str();
    let named = typed.name.as_ref().map_or(around.place, |name| name.place);
    let mut needs_secure = |place, what: &str| {
        if cookie.secure != Secure::Always {
            let message = format!("browsers refuse {what} without Secure");
            problems.push(Problem::warning(place, message).hint("secure: always".to_owned()));
        }
    };
    if cookie.same_site == Some(SameSite::None) {
        needs_secure(typed.same_site.as_ref().map_or(around.place, Choice::place), "a cookie with SameSite=None");
    }
    if cookie.partitioned {
        needs_secure(around.place, "a partitioned cookie");
    }
    if name.starts_with("__Secure-") || name.starts_with("__Host-") {
        needs_secure(named, "a cookie of this name");
    }
    if name.starts_with("__Host-") && (cookie.path != "/" || cookie.domain.is_some()) {
        let message = "browsers refuse a __Host- cookie with a domain, or with another path than /";
        problems.push(Problem::warning(named, message));
    }
}

/// Cookies that do not come back with the requests of their rule.
fn warn_of_reach(cookie: &CookiePolicy, typed: &schema::Cookie, around: &Around<'_>, problems: &mut Problems) {
    if let (Some(typed), Some(path)) = (&typed.path, around.path)
        && !covers(&cookie.path, path.text())
    {
        let message = format!("the rule serves {path}, but clients send the cookie below {} only", cookie.path);
        problems.push(Problem::warning(typed.place, message).hint("path: /".to_owned()));
    }
    let (Some(typed), Some(domain)) = (&typed.domain, &cookie.domain) else { return };
    for host in around.hosts {
        let outside = match host {
            HostPattern::Exact(name) | HostPattern::Wildcard(name) => {
                **name != **domain && !name.ends_with(&format!(".{domain}"))
            }
            HostPattern::Any => false,
        };
        if outside {
            let message = format!("browsers refuse a cookie of {host} for the domain {domain}");
            problems.push(Problem::warning(typed.place, message).hint("leave the domain out".to_owned()));
        }
    }
}

/// Does a client send a cookie of this path with all requests below `rule` (RFC 6265 §5.1.4)?
fn covers(cookie: &str, rule: &str) -> bool {
    let cookie = cookie.trim_end_matches('/');
    rule.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn word<T: Copy>(typed: &Option<Choice<T>>, problems: &mut Problems) -> Option<T> {
    typed.as_ref()?.open(problems).map(|word| word.value)
}

fn strategy(word: schema::Strategy) -> Strategy {
    match word {
        schema::Strategy::LeastSessions => Strategy::LeastSessions,
        schema::Strategy::LeastRequests => Strategy::LeastRequests,
        schema::Strategy::RoundRobin => Strategy::RoundRobin,
        schema::Strategy::Random => Strategy::Random,
    }
}

fn on_lost(word: schema::OnLost) -> OnLost {
    match word {
        schema::OnLost::Reassign => OnLost::Reassign,
        schema::OnLost::Temporary => OnLost::Temporary,
        schema::OnLost::Reject => OnLost::Reject,
    }
}

fn on_restart(word: schema::OnRestart) -> OnRestart {
    match word {
        schema::OnRestart::Keep => OnRestart::Keep,
        schema::OnRestart::Reassign => OnRestart::Reassign,
    }
}

fn secure(word: schema::Secure) -> Secure {
    match word {
        schema::Secure::Auto => Secure::Auto,
        schema::Secure::Always => Secure::Always,
        schema::Secure::Never => Secure::Never,
    }
}

fn same_site(word: schema::SameSite) -> SameSite {
    match word {
        schema::SameSite::None => SameSite::None,
        schema::SameSite::Lax => SameSite::Lax,
        schema::SameSite::Strict => SameSite::Strict,
    }
}
