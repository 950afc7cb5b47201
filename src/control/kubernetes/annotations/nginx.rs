//! ingress-nginx's annotations, without those about sessions.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::values::{header, networks, place, seconds, size, switch};
use super::{CanaryAsked, Reading};
use crate::routing::filters::{Canary, CanaryHeader, CanarySessions, HeaderWant, Location, Pattern, Redirect};
use crate::routing::{HostPattern, Protocol};

/// As many other names a host may have.
const ALIASES: usize = 100;
/// As many shares there are of a canary and its primary, unless there are more.
const SHARES: u32 = 100;
/// No limit is longer: a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Reading {
    pub(super) fn nginx(&mut self, all: &BTreeMap<&str, &str>) {
        if all.is_empty() {
            return;
        }
        // First: whoever closes a canary says something else than whoever closes a site.
        if self.value(all, "canary", switch).unwrap_or(false) {
            self.asked.canary = Some(Box::new(self.canary(all)));
        }
        self.asked.protocol = self.value(all, "backend-protocol", protocol);
        self.asked.ssl_redirect = self.value(all, "ssl-redirect", switch);
        self.asked.force_ssl_redirect = self.value(all, "force-ssl-redirect", switch).unwrap_or(false);
        self.asked.use_regex = self.value(all, "use-regex", switch).unwrap_or(false);
        self.asked.rewrite_target = self.value(all, "rewrite-target", target);
        self.asked.app_root =
            self.value(all, "app-root", |text| if text.starts_with('/') { place(text) } else { Err("it is no path") });
        self.asked.upstream_host = self.value(all, "upstream-vhost", host);
        self.asked.forwarded_prefix = self.value(all, "x-forwarded-prefix", header);
        self.asked.body_size = self.value(all, "proxy-body-size", size);
        self.asked.timeouts.connect = self.value(all, "proxy-connect-timeout", limit);
        self.asked.timeouts.read = self.value(all, "proxy-read-timeout", limit);
        self.asked.timeouts.send = self.value(all, "proxy-send-timeout", limit);
        // What it says is for all that name the host (`translate::neighbours`); what is wrong with it is said here.
        self.value(all, "server-alias", aliases);
        self.asked.allowed = self
            .guard(all, "allowlist-source-range", networks)
            .or_else(|| self.guard(all, "whitelist-source-range", networks));
        self.redirects(all);
        self.asked.cors = self.cors(all);
    }

    fn redirects(&mut self, all: &BTreeMap<&str, &str>) {
        let redirect = |location, status| Redirect { status, location };
        let code = |text: &str| {
            let status = text.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
            status.filter(StatusCode::is_redirection).ok_or("it is no status of a redirect (3xx)")
        };
        // nginx's own variable for what was asked for is the only one that is understood.
        let to = |text: &str| match text.strip_suffix("$request_uri") {
            Some(base) => place(base).map(Location::WithTarget),
            None => place(text).map(Location::Fixed),
        };
        let temporal_code = self.value(all, "temporal-redirect-code", code).unwrap_or(StatusCode::FOUND);
        let permanent_code = self.value(all, "permanent-redirect-code", code).unwrap_or(StatusCode::MOVED_PERMANENTLY);
        self.asked.redirect = self
            .value(all, "temporal-redirect", to)
            .map(|to| redirect(to, temporal_code))
            .or_else(|| self.value(all, "permanent-redirect", to).map(|to| redirect(to, permanent_code)));
    }

    fn canary(&mut self, all: &BTreeMap<&str, &str>) -> CanaryAsked {
        let number = |text: &str| text.parse::<u32>().map_err(|_| "it is no number");
        // ingress-nginx counts one below 100 as if it were not there.
        let total = self.value(all, "canary-weight-total", number).map_or(SHARES, |total| total.max(SHARES));
        let weight = self.value(all, "canary-weight", number).unwrap_or(0).min(total);
        let name = self.value(all, "canary-by-header", |text| {
            HeaderName::from_bytes(text.as_bytes()).map_err(|_| "it is no name of a header")
        });
        let value =
            self.value(all, "canary-by-header-value", |text| Ok::<_, Infallible>(HeaderWant::Value(text.into())));
        let pattern = self.value(all, "canary-by-header-pattern", |text| Pattern::new(text).map(HeaderWant::Pattern));
        let want = value.or(pattern).unwrap_or(HeaderWant::AlwaysOrNever);
        let cookie = self.value(all, "canary-by-cookie", |text| {
            crate::routing::session::CookieName::new(text).map(|name| name.as_str().into())
        });
        let sessions = self.value(all, "affinity-canary-behavior", |text| match text {
            "sticky" => Ok(CanarySessions::Sticky),
            "legacy" => Ok(CanarySessions::Legacy),
            _ => Err("it is neither sticky nor legacy"),
        });
        let header = name.map(|name| CanaryHeader { name, want });
        CanaryAsked { canary: Canary { header, cookie, sessions: sessions.unwrap_or_default() }, weight, total }
    }
}

/// `HTTP`, `HTTPS`, `GRPC`, `GRPCS`; in any case, as ingress-nginx has it.
fn protocol(text: &str) -> Result<Protocol, &'static str> {
    match text.to_ascii_uppercase().as_str() {
        "HTTP" | "AUTO_HTTP" => Ok(Protocol::Http),
        "HTTPS" => Ok(Protocol::Https),
        "GRPC" => Ok(Protocol::H2c),
        "GRPCS" => Ok(Protocol::H2),
        _ => Err("HTTP, HTTPS, GRPC and GRPCS are spoken"),
    }
}

fn target(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"');
    if text.starts_with('/') && text.bytes().all(fits) { Ok(text.to_owned()) } else { Err("it is no path") }
}

fn host(text: &str) -> Result<http::HeaderValue, String> {
    crate::routing::host::canonical(text).map_err(|error| error.to_string())?;
    header(text).map_err(str::to_owned)
}

fn limit(text: &str) -> Result<Duration, &'static str> {
    seconds(text).map(|limit| limit.min(LONGEST))
}

pub(super) fn aliases(text: &str) -> Result<Vec<HostPattern>, String> {
    let all = text.split([',', ' ']).filter(|part| !part.is_empty()).map(|part| match part.parse::<HostPattern>() {
        Ok(HostPattern::Any) => Err("an alias is no other host's".to_owned()),
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    });
    let aliases = all.take(ALIASES + 1).collect::<Result<Vec<_>, _>>()?;
    if aliases.len() > ALIASES { Err(format!("a host has at most {ALIASES} aliases")) } else { Ok(aliases) }
}
