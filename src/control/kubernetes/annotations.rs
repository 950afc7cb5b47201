//! Annotations of an Ingress → what it asks for. Pure.
//!
//! Two prefixes are read: ours, and ingress-nginx's ([its page](https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/)).
//! Which key means what, and which one means nothing here, stands in [`table`]; the documentation is made from it.
//!
//! ## What happens to a value that makes no sense
//! It is as if the annotation were not there, and an Event says so: as in ingress-nginx. Where the annotation is there to
//! keep somebody out, nobody gets in.

mod cors;
mod nginx;
mod session;
pub mod table;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use ipnet::IpNet;

use super::problem::{Problem, Reason};
use crate::routing::filters::{Canary, Cors, Redirect, Timeouts};
use crate::routing::{HostPattern, Protocol, SessionPolicy, Strategy};

/// The prefix of our own annotations.
pub const OURS: &str = "moorline.dev/";
/// The prefix of ingress-nginx's, unless it has been told another.
pub const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// What an Ingress asks for beside its rules.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// It has annotations of ingress-nginx: what that one does by default is expected, too.
    pub like_nginx: bool,
    /// Session persistence.
    pub session: Option<SessionAsked>,
    /// Who gets requests without a session.
    pub balance: Option<Strategy>,
    /// What is spoken to the endpoints.
    pub protocol: Option<Protocol>,
    /// Are requests sent to HTTPS if the host has a certificate? Not said: as ingress-nginx does, where it is expected.
    pub ssl_redirect: Option<bool>,
    /// Are they sent there in any case?
    pub force_ssl_redirect: bool,
    /// Are paths regular expressions?
    pub use_regex: bool,
    /// What the path becomes.
    pub rewrite_target: Option<String>,
    /// Where `/` leads.
    pub app_root: Option<HeaderValue>,
    /// Where everything leads.
    pub redirect: Option<Redirect>,
    /// The `Host` that endpoints get.
    pub upstream_host: Option<HeaderValue>,
    /// The `X-Forwarded-Prefix` that they get.
    pub forwarded_prefix: Option<HeaderValue>,
    /// Who may come.
    pub allowed: Option<Box<[IpNet]>>,
    /// How large bodies may be; 0 is without a bound.
    pub body_size: Option<u64>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Cross-origin requests.
    pub cors: Option<Box<Cors>>,
    /// It is no Ingress of its own, but a canary beside another one.
    pub canary: Option<Box<CanaryAsked>>,
    /// Why it must not be served.
    pub closed: Option<Arc<str>>,
}

/// Session persistence as it was asked for.
#[derive(Clone, Debug)]
pub struct SessionAsked {
    /// The policy. The cookie's path may be another one for each rule.
    pub policy: SessionPolicy,
    /// Is the cookie's path the one that matched?
    pub path_of_rule: bool,
    /// Which cookies ingress-nginx may have left behind.
    pub legacy: LegacyCookies,
}

/// Which cookies ingress-nginx may have left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyCookies {
    /// None: these sessions are ours from the beginning.
    None,
    /// Those of `balanced` mode, which name nobody.
    Nameless,
    /// Those of `persistent` mode, which name an endpoint.
    Naming,
}

/// A canary as it was asked for.
#[derive(Clone, Debug)]
pub struct CanaryAsked {
    /// Who tries it.
    pub canary: Canary,
    /// Its share of `total`.
    pub weight: u32,
    /// All of it.
    pub total: u32,
}

/// Is this Ingress a canary? ingress-nginx's annotations have this prefix.
#[must_use]
pub fn is_canary(annotations: &BTreeMap<String, String>, nginx: &str) -> bool {
    let of_canary = |key: &str| key.strip_prefix(nginx) == Some("canary");
    annotations.iter().any(|(key, value)| of_canary(key) && values::boolean(value.trim()) == Some(true))
}

/// The aliases that an Ingress gives to its hosts; ingress-nginx's annotations have this prefix. None if they make no sense.
#[must_use]
pub fn aliases(annotations: &BTreeMap<String, String>, nginx: &str) -> Vec<HostPattern> {
    let text = annotations.iter().find(|(key, _)| key.strip_prefix(nginx) == Some("server-alias"));
    text.and_then(|(_, text)| nginx::aliases(text.trim()).ok()).unwrap_or_default()
}

/// Reads the annotations of an Ingress; ingress-nginx's have this prefix.
#[must_use]
pub fn read(annotations: &BTreeMap<String, String>, nginx: &str) -> (Asked, Vec<Problem>) {
    let mut reading = Reading { asked: Asked::default(), problems: Vec::new() };
    let of = |prefix: &str| -> BTreeMap<&str, &str> {
        let ours = annotations.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value.trim())));
        ours.collect()
    };
    let (theirs, ours) = (of(nginx), of(OURS));
    reading.asked.like_nginx = !theirs.is_empty();
    reading.nginx(&theirs);
    reading.sessions(&theirs, &ours);
    reading.unknown(&theirs, &ours);
    (reading.asked, reading.problems)
}

/// What has been read so far.
struct Reading {
    asked: Asked,
    problems: Vec<Problem>,
}

impl Reading {
    /// The value of an annotation, if it is there and makes sense.
    fn value<T, E: ToString>(
        &mut self,
        all: &BTreeMap<&str, &str>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = all.get(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = values::shown(text);
                self.say(Reason::Rejected, format!("{key}: {text} is ignored: {}", error.to_string()));
                None
            }
        }
    }

    /// The value of an annotation that keeps somebody out: if it makes no sense, nobody comes in.
    fn guard<T, E: ToString>(
        &mut self,
        all: &BTreeMap<&str, &str>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = all.get(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = values::shown(text);
                self.close(&format!("{key}: {text} makes no sense: {}", error.to_string()));
                None
            }
        }
    }

    /// Nobody is served, and this is why. A canary has no requests of its own: those go on to the Ingress beside it.
    fn close(&mut self, why: &str) {
        let what = match self.asked.canary {
            Some(_) => "the canary is not served, the Ingress beside it is",
            None => "answered with 503",
        };
        self.say(Reason::Rejected, format!("{what}: {why}"));
        self.asked.closed.get_or_insert_with(|| why.into());
    }

    fn say(&mut self, reason: Reason, text: String) {
        self.problems.push(Problem { reason, text });
    }

    /// Names what means nothing here.
    fn unknown(&mut self, theirs: &BTreeMap<&str, &str>, ours: &BTreeMap<&str, &str>) {
        let mut unknown = Vec::new();
        for (key, value) in theirs {
            match table::support(key, value) {
                table::Support::Honoured | table::Support::Harmless => {}
                table::Support::Closes => self.close(&format!("{key} is not supported, and may be what protects it")),
                table::Support::Unsupported => unknown.push(*key),
            }
        }
        if !unknown.is_empty() {
            let text = format!("not supported and without effect: {}", unknown.join(", "));
            self.say(Reason::UnknownAnnotation, text);
        }
        for key in ours.keys().filter(|key| !table::is_ours(key)) {
            let near = table::nearest(key).map_or_else(String::new, |near| format!(": is it {OURS}{near}?"));
            self.say(Reason::UnknownAnnotation, format!("{OURS}{} is unknown{near}", values::shown(key)));
        }
    }
}

#[cfg(test)]
mod tests;
