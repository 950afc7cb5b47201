//! What a request asks for: its target and host in the one form that is matched and forwarded, its rule, its session.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri, Version, request};

use super::client::Client;
use super::error::Error;
use super::filter::{self, Filtered};
use super::guard::{self, FIELDS, is_length};
use super::session::Presented;
use super::upgrade;
use crate::routing::{self, Rule, Scope};
use crate::snapshot::Snapshot;

/// Brings the head into the form that is matched, and reads its session, if its rule keeps sessions: what the cookies
/// say, and where that counts. What its rule does beside is decided, too, and noted in `filtered`.
pub(super) fn read_session(
    client: &Client,
    head: &mut request::Parts,
    is_tls: bool,
    filtered: &mut Option<Box<Filtered>>,
) -> Result<(Presented, Option<Scope>), Error> {
    let worker = &client.worker;
    normalize(head, worker.limits.target_size)?;
    let snapshot = worker.current().ok_or(Error::NotConfigured)?;
    let rule = find(client, &snapshot, head.headers.get(header::HOST), &head.uri)?;
    filter::check(rule, client, head, is_tls, filtered)?;
    let Some(persistence) = &rule.session else { return Ok(Default::default()) };
    let unix = worker.now().unix;
    let presented = client.memory.borrow_mut().read(persistence, &snapshot.keys, &mut head.headers, unix);
    Ok((presented, Some(persistence.scope)))
}

/// The rule for a request.
pub(super) fn find<'s>(
    client: &Client,
    snapshot: &'s Snapshot,
    host: Option<&HeaderValue>,
    uri: &Uri,
) -> Result<&'s Rule, Error> {
    let host = match host {
        Some(host) => host.to_str().map_err(|_| Error::BadRequest("The Host header is no host name."))?,
        None => "",
    };
    let host = match host {
        "" => host.into(),
        _ => routing::host::canonical(host).map_err(|_| Error::BadRequest("The Host header is no host name."))?,
    };
    if !client.covers(&host) {
        return Err(Error::Misdirected);
    }
    snapshot.routes.find(&host, uri.path()).ok_or(Error::NoRoute)
}

/// Brings a request's target into the form that is matched and forwarded: an absolute path, and the host in `Host`.
fn normalize(head: &mut request::Parts, target_size: usize) -> Result<(), Error> {
    if head.uri.path_and_query().is_some_and(|target| target.as_str().len() > target_size) {
        return Err(Error::TargetTooLong);
    }
    if head.method == Method::CONNECT && !upgrade::is_websocket_connect(head) {
        return Err(Error::BadRequest("CONNECT is not served here."));
    }
    if head.version == Version::HTTP_2 {
        normalize_http2(head)?;
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() || (host.is_none() && head.version == Version::HTTP_11) {
        return Err(Error::BadRequest("A request has exactly one Host header."));
    }
    if let Some(authority) = head.uri.authority() {
        if host.is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())) {
            return Err(Error::BadRequest("The Host header differs from the request target."));
        }
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| Error::BadRequest("The request target has no host."))?;
        head.headers.insert(header::HOST, host);
        let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        head.uri = Uri::from(target);
    } else if host.is_none() {
        // HTTP/1.0 knows no Host, HTTP/1.1 wants one: RFC 9112 §3.2 has it empty then.
        head.headers.insert(header::HOST, HeaderValue::from_static(""));
    }
    routing::path::check(head.uri.path()).map_err(|error| {
        Error::BadRequest(match error {
            routing::path::PathError::DotSegment => "Paths with dot segments are not served.",
            routing::path::PathError::EncodedSlash => "Paths with encoded slashes or backslashes are not served.",
            _ => "The request target is no path.",
        })
    })
}

/// What the guard checks of HTTP/1 on the bytes, and what HTTP/2 says in another way.
fn normalize_http2(head: &mut request::Parts) -> Result<(), Error> {
    let fields = &mut head.headers;
    if fields.len() > FIELDS {
        return Err(Error::Refused(guard::Rule::TooManyFields));
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or_else(|| fields.get(header::HOST).map(HeaderValue::as_bytes));
    if !guard::is_authority(host.ok_or(Error::Refused(guard::Rule::HostMissing))?) {
        return Err(Error::Refused(guard::Rule::Host));
    }
    if let Some(path) = head.uri.path_and_query() {
        guard::check_path(path.as_str().as_bytes()).map_err(Error::Refused)?;
    }
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (_, Some(_)) => return Err(Error::Refused(guard::Rule::LengthRepeated)),
        (Some(length), None) if !is_length(length.as_bytes()) => return Err(Error::Refused(guard::Rule::Length)),
        _ => {}
    }
    let mut expected = fields.get_all(header::EXPECT).iter();
    if expected.next().is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        || expected.next().is_some()
    {
        return Err(Error::Refused(guard::Rule::Expect));
    }
    join_cookies(fields);
    Ok(())
}

/// HTTP/2 clients may send each cookie in a field of its own, which HTTP/1 does not know (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let mut crumbs = fields.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // All parts are header values already, and so is what stands between them.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        fields.insert(header::COOKIE, joined);
    }
}
