//! As typed → validated: every value in its bounds, every name leading somewhere.
//!
//! Nothing stops at the first problem: what cannot be used is reported and left out, and the rest is
//! looked at as if it had not been there.

mod backends;
mod limits;
mod routes;
mod session;
mod tls;
mod upstream;

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;

use super::problem::{Place, Problem, Problems, Severity};
use super::typed::{At, Keyed};
use super::{ADMIN, AccessLog, File, Listener, scalar, schema};

/// More threads than any machine that this runs on has cores.
const MAX_WORKERS: u64 = 1024;

pub(super) fn file(typed: &Keyed<schema::File>) -> Result<(File, Problems), Problems> {
    let mut problems = Problems::default();
    let Some(typed) = typed.open(&mut problems) else { return Err(problems) };
    let mut backends = backends::check(&typed.backends, &mut problems);
    let mut file = validate(typed, &mut problems);
    file.routes = routes::check(&typed.routes, &mut backends, &file.listeners, &mut problems);
    if problems.count(Severity::Error) > 0 {
        problems.sort();
        return Err(problems);
    }
    // What is not there is only worth a word once everything that is there is right.
    backends.warn_of_unused(&mut problems);
    file.backends = backends.into_specs();
    if file.session_keys.is_none() && file.keeps_sessions() {
        let hint = "moorline keys new --out keys.yaml makes a key file for session_keys: { file: keys.yaml }";
        let message = "without session_keys all sessions end with the process";
        problems.push(Problem::note(None, message).hint(hint.to_owned()));
    }
    problems.sort();
    Ok((file, problems))
}

/// A file of everything but routes and backends.
fn validate(typed: &schema::File, problems: &mut Problems) -> File {
    File {
        listeners: listeners(&typed.listeners, problems),
        admin: admin(typed.admin.as_ref(), problems),
        session_keys: typed.session_keys.as_ref().and_then(|keys| session_keys(keys, problems)),
        limits: typed.limits.as_ref().map_or_else(Default::default, |typed| limits::check(typed, problems)),
        access_log: access_log(typed.access_log.as_ref(), problems),
        workers: typed.workers.as_ref().and_then(|workers| self::workers(workers, problems)),
        backends: Vec::new(),
        routes: Vec::new(),
    }
}

fn listeners(typed: &[Keyed<schema::Listener>], problems: &mut Problems) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for typed in typed {
        let Some(typed) = typed.open(problems) else { continue };
        let trusted = typed.trusted_proxies.iter();
        let trusted_proxies = trusted.filter_map(|text| parsed(text, scalar::network, problems)).collect();
        let proxy_protocol = typed.proxy_protocol.as_ref().and_then(|typed| self::proxy_protocol(typed, problems));
        let Some(address) = parsed(&typed.address, scalar::listen_address, problems) else { continue };
        if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
            problems.push(Problem::error(typed.address.place, format!("{address} is listened on twice")));
        }
        let tls = typed.tls.as_ref().map(|typed| tls::check(typed, problems));
        listeners.push(Listener { address, trusted_proxies, proxy_protocol, tls });
    }
    if typed.is_empty() {
        let hint = "listeners: [{ address: 127.0.0.1:8080 }]";
        problems.push(Problem::error(None, "there is no listener").hint(hint.to_owned()));
    }
    listeners
}

/// Who speaks the PROXY protocol. Nobody, or everybody: neither is what somebody means.
fn proxy_protocol(typed: &Keyed<schema::ProxyProtocol>, problems: &mut Problems) -> Option<Vec<IpNet>> {
    let place = typed.place();
    let typed = typed.open(problems)?;
    if typed.from.is_empty() {
        let hint = "proxy_protocol: { from: [10.0.0.0/8] }, the load balancers' networks";
        problems.push(Problem::error(place, "nobody could connect to this listener").hint(hint.to_owned()));
    }
    let mut networks = Vec::new();
    for text in &typed.from {
        let Some(network) = parsed(text, scalar::network, problems) else { continue };
        if network.prefix_len() == 0 {
            let message = "whoever connects may claim to be anybody: only your load balancers should be in here";
            problems.push(Problem::warning(text.place, message));
        }
        networks.push(network);
    }
    Some(networks)
}

fn admin(typed: Option<&Keyed<schema::Admin>>, problems: &mut Problems) -> Option<std::net::SocketAddr> {
    let Some(typed) = typed else { return Some(ADMIN) };
    let typed = typed.open(problems)?;
    let address = match &typed.address {
        None => Some(ADMIN),
        Some(text) => parsed(text, scalar::listen_address, problems),
    };
    address.filter(|_| typed.enabled)
}

fn session_keys(typed: &Keyed<schema::SessionKeys>, problems: &mut Problems) -> Option<PathBuf> {
    let file = &typed.open(problems)?.file;
    let not_empty =
        |text: &str| if text.is_empty() { Err("the name of the key file is empty") } else { Ok(PathBuf::from(text)) };
    parsed(file, not_empty, problems)
}

fn access_log(typed: Option<&Keyed<schema::AccessLog>>, problems: &mut Problems) -> AccessLog {
    let format = typed.and_then(|typed| typed.open(problems)?.format.as_ref()?.open(problems));
    match format.map(|format| format.value) {
        None => AccessLog::default(),
        Some(schema::AccessLogFormat::Off) => AccessLog::Off,
        Some(schema::AccessLogFormat::Combined) => AccessLog::Combined,
        Some(schema::AccessLogFormat::Json) => AccessLog::Json,
    }
}

fn workers(typed: &At<String>, problems: &mut Problems) -> Option<NonZeroUsize> {
    number(typed, 1..=MAX_WORKERS, problems).and_then(|number| NonZeroUsize::new(usize::try_from(number).ok()?))
}

/// A text through a parser whose error says what is wrong and how it is right.
fn parsed<'a, T, E: Display>(
    text: &'a At<String>,
    parse: impl FnOnce(&'a str) -> Result<T, E>,
    problems: &mut Problems,
) -> Option<T> {
    parse(&text.value).map_err(|error| problems.push(Problem::error(text.place, error.to_string()))).ok()
}

/// A whole number within bounds.
fn number(text: &At<String>, bounds: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
    let number =
        parsed(text, |text| text.parse::<u64>().map_err(|_| format!("{text:?} is no whole number")), problems)?;
    within(number, bounds, text.place, ToString::to_string, problems)
}

/// A value, if it is within bounds.
fn within<T: PartialOrd>(
    value: T,
    bounds: RangeInclusive<T>,
    place: Place,
    show: impl Fn(&T) -> String,
    problems: &mut Problems,
) -> Option<T> {
    if bounds.contains(&value) {
        return Some(value);
    }
    let message = format!("{} is out of bounds", show(&value));
    let hint = format!("from {} to {}", show(bounds.start()), show(bounds.end()));
    problems.push(Problem::error(place, message).hint(hint));
    None
}

#[cfg(test)]
mod tests;
