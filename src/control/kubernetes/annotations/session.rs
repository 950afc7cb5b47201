//! Annotations about sessions: ingress-nginx's `affinity` with all that belongs to it, and ours, which are for the whole
//! [`SessionPolicy`]. Where both are, ours decide what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::values::{age, boolean, switch};
use super::{Asked, LegacyCookies, Reading, SessionAsked};
use crate::control::kubernetes::problem::Reason;
use crate::file::scalar;
use crate::routing::session::{CookieName, CookiePolicy, OnLost, OnRestart, SameSite, Secure, attribute};
use crate::routing::{SessionPolicy, Strategy};

/// ingress-nginx's cookie, unless it is given another name.
const INGRESSCOOKIE: &str = "INGRESSCOOKIE";
/// Sessions and what belongs to them last no longer: 400 days, as browsers have it (RFC 6265bis §5.6.2).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Requests are held no longer.
const LONGEST_HOLD: Duration = Duration::from_secs(10 * 60);

impl Reading {
    pub(super) fn sessions(&mut self, theirs: &BTreeMap<&str, &str>, ours: &BTreeMap<&str, &str>) {
        let affinity =
            self.value(theirs, "affinity", |text| if text == "cookie" { Ok(()) } else { Err("only cookie is") });
        let wanted = ours.get("session").map(|text| boolean(text));
        if wanted == Some(None) {
            self.value(ours, "session", switch);
        }
        let is_ours = |key: &&str| *key != "session" && super::table::is_ours(key);
        let asked = wanted.flatten().unwrap_or(affinity.is_some() || ours.keys().any(is_ours));
        if !asked {
            return;
        }
        let mut session = if affinity.is_some() { self.nginx_sessions(theirs) } else { SessionAsked::ours() };
        self.our_sessions(ours, &mut session);
        self.asked.session = Some(session);
    }

    /// `affinity: cookie`: what ingress-nginx does.
    fn nginx_sessions(&mut self, all: &BTreeMap<&str, &str>) -> SessionAsked {
        let name =
            self.value(all, "session-cookie-name", CookieName::new).or_else(|| CookieName::new(INGRESSCOOKIE).ok());
        let path = self.value(all, "session-cookie-path", attribute::path);
        let is_always = self.value(all, "session-cookie-secure", switch) == Some(true);
        let mode = self.value(all, "affinity-mode", |text| match text {
            "balanced" => Ok(false),
            "persistent" => Ok(true),
            _ => Err("it is neither balanced nor persistent"),
        });
        let change_on_failure = self.value(all, "session-cookie-change-on-failure", switch) == Some(true);
        let default = SessionPolicy::default();
        let cookie = CookiePolicy {
            name: name.unwrap_or(default.cookie.name.clone()),
            path: path.clone().unwrap_or(default.cookie.path.clone()),
            domain: self.value(all, "session-cookie-domain", attribute::domain),
            // `false` says nothing: ingress-nginx has it so.
            secure: if is_always { Secure::Always } else { Secure::Here },
            http_only: true,
            same_site: self.value(all, "session-cookie-samesite", same_site),
            partitioned: false,
            max_age: self.value(all, "session-cookie-max-age", age),
            expires: self.value(all, "session-cookie-expires", age),
            conditional_none: self.value(all, "session-cookie-conditional-samesite-none", switch) == Some(true),
        };
        let hold = if change_on_failure { Duration::ZERO } else { default.hold };
        SessionAsked {
            policy: SessionPolicy { cookie, hold, strip_cookie: false, ..default },
            path_of_rule: path.is_none(),
            legacy: if mode == Some(true) { LegacyCookies::Naming } else { LegacyCookies::Nameless },
        }
    }

    /// Ours, over what stands there already.
    fn our_sessions(&mut self, all: &BTreeMap<&str, &str>, session: &mut SessionAsked) {
        let policy = &mut session.policy;
        let cookie = &mut policy.cookie;
        put(&mut cookie.name, self.value(all, "cookie-name", CookieName::new));
        if let Some(path) = self.value(all, "cookie-path", attribute::path) {
            cookie.path = path;
            session.path_of_rule = false;
        }
        cookie.domain = self.value(all, "cookie-domain", attribute::domain).or(cookie.domain.take());
        put(&mut cookie.secure, self.value(all, "cookie-secure", secure));
        put(&mut cookie.http_only, self.value(all, "cookie-http-only", switch));
        cookie.same_site = self.value(all, "cookie-same-site", same_site).or(cookie.same_site);
        put(&mut cookie.partitioned, self.value(all, "cookie-partitioned", switch));
        let max_age = self.value(all, "cookie-max-age", |text| time(text, LONGEST));
        cookie.max_age = max_age.and_then(|age| i64::try_from(age.as_secs()).ok()).or(cookie.max_age);
        put(&mut policy.strategy, self.value(all, "strategy", strategy));
        put(&mut policy.hold, self.value(all, "hold", |text| time(text, LONGEST_HOLD)));
        put(&mut policy.on_lost, self.value(all, "on-lost", on_lost));
        put(&mut policy.on_restart, self.value(all, "on-restart", on_restart));
        put(&mut policy.drain_deadline, self.value(all, "drain-deadline", |text| time(text, LONGEST)));
        put(&mut policy.idle, self.value(all, "idle", |text| time(text, LONGEST)).filter(|idle| !idle.is_zero()));
        put(
            &mut policy.absolute,
            self.value(all, "absolute", |text| time(text, LONGEST)).filter(|time| !time.is_zero()),
        );
        put(&mut policy.strip_cookie, self.value(all, "strip-cookie", switch));
        if let Some(problem) = refused_by_browsers(cookie) {
            self.say(Reason::Rejected, problem.to_owned());
        }
    }
}

impl SessionAsked {
    /// Our own defaults.
    fn ours() -> Self {
        Self { policy: SessionPolicy::default(), path_of_rule: false, legacy: LegacyCookies::None }
    }
}

impl Asked {
    /// Who gets requests that belong to no session.
    #[must_use]
    pub fn balance(&self) -> Strategy {
        self.balance.unwrap_or(Strategy::LeastRequests)
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn time(text: &str, longest: Duration) -> Result<Duration, String> {
    let time = scalar::duration(text).map_err(|error| error.to_string())?;
    if time > longest { Err(format!("it is at most {}", scalar::show_duration(longest))) } else { Ok(time) }
}

fn secure(text: &str) -> Result<Secure, &'static str> {
    match text {
        "auto" => Ok(Secure::Auto),
        "true" | "always" => Ok(Secure::Always),
        "false" | "never" => Ok(Secure::Never),
        _ => Err("it is neither auto nor always nor never"),
    }
}

/// In any case: ingress-nginx takes every spelling and then forgets those that it does not know.
fn same_site(text: &str) -> Result<SameSite, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(SameSite::None),
        "lax" => Ok(SameSite::Lax),
        "strict" => Ok(SameSite::Strict),
        _ => Err("it is neither None nor Lax nor Strict"),
    }
}

fn strategy(text: &str) -> Result<Strategy, &'static str> {
    match text {
        "least_sessions" => Ok(Strategy::LeastSessions),
        "least_requests" => Ok(Strategy::LeastRequests),
        "round_robin" => Ok(Strategy::RoundRobin),
        "random" => Ok(Strategy::Random),
        _ => Err("least_sessions, least_requests, round_robin and random are known"),
    }
}

fn on_lost(text: &str) -> Result<OnLost, &'static str> {
    match text {
        "reassign" => Ok(OnLost::Reassign),
        "temporary" => Ok(OnLost::Temporary),
        "reject" => Ok(OnLost::Reject),
        _ => Err("reassign, temporary and reject are known"),
    }
}

fn on_restart(text: &str) -> Result<OnRestart, &'static str> {
    match text {
        "keep" => Ok(OnRestart::Keep),
        "reassign" => Ok(OnRestart::Reassign),
        _ => Err("keep and reassign are known"),
    }
}

/// A cookie that no browser takes, because of its name (RFC 6265bis §4.1.3).
fn refused_by_browsers(cookie: &CookiePolicy) -> Option<&'static str> {
    let name = cookie.name.as_str();
    if cookie.secure == Secure::Never && (name.starts_with("__Secure-") || name.starts_with("__Host-")) {
        return Some("browsers refuse a cookie of this name without Secure");
    }
    let is_host_only = cookie.domain.is_none() && cookie.path == "/";
    (name.starts_with("__Host-") && !is_host_only)
        .then_some("browsers refuse a cookie whose name begins with __Host- with a domain or another path than /")
}
