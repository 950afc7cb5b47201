//! What a rule does beside routing: who may come, what is answered here, and how a request and its response are changed.
//!
//! | step | what it does | answers |
//! |---|---|---|
//! | `access` | turns away who may not come | 503, 403 |
//! | `redirect` | sends requests elsewhere | 3xx |
//! | `cors` | says what scripts of other origins may do | 204 for preflights |
//! | `rewrite` | makes the head that the endpoint gets | 400 |
//! | `size` | bounds the body | 413 |
//!
//! All of it is decided once, when the head has come, by the snapshot that is in force then; a request that waits for its
//! endpoint keeps what was decided. Only the request's rule is looked up again, by what the client asked for.
//!
//! ## In which order
//! That of ingress-nginx, but for who may come: there redirects and preflights are answered before the client's address is
//! looked at, here nobody learns anything who may not come.
//!
//! Certificate authorities are sent nowhere else: what lies below `/.well-known/acme-challenge/` is not redirected. It is
//! no exception from who may come: a path is something that any client can write.

mod access;
mod asked;
mod cors;
mod redirect;
mod rewrite;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, request};

pub(super) use self::asked::Asked;
use self::cors::Grant;
use self::rewrite::Rewritten;
use super::client::Client;
use super::error::Error;
use super::redirect as https;
use crate::routing::Rule;
use crate::routing::filters::{Filters, Timeouts};

/// What has been decided for one request.
#[derive(Debug, Default)]
pub(super) struct Filtered {
    strict_transport: Option<HeaderValue>,
    grant: Option<Grant>,
    rewritten: Rewritten,
    /// What the client asked for, once the head says something else.
    asked: Option<Asked>,
    /// The most bytes that the body may have.
    pub(super) body_size: Option<u64>,
    /// The time limits of the rule.
    pub(super) timeouts: Timeouts,
}

/// Does what the rule of a request wants, before anybody else gets to see it. What is to be done later, to the head that
/// the endpoint gets and to the response, is left in `filtered`, whether the request goes on or not.
pub(super) fn check(
    rule: &Rule,
    client: &Client,
    head: &request::Parts,
    is_tls: bool,
    filtered: &mut Option<Box<Filtered>>,
) -> Result<(), Error> {
    let to_https =
        || rule.redirect_to_https.filter(|_| !is_tls).map(|port| https::check(port, &head.headers, &head.uri));
    let Some(filters) = &rule.filters else { return to_https().unwrap_or(Ok(())) };
    let filtered = filtered.insert(Box::new(Filtered::of(filters, client, &head.headers)));
    access::check(&filters.access, client, &head.headers)?;
    redirect::app_root(filters, head)?;
    if head.method == Method::OPTIONS && filtered.grant.as_ref().is_some_and(Grant::is_allowed) {
        return Err(Error::Preflight);
    }
    redirect::check(filters, head)?;
    to_https().unwrap_or(Ok(()))?;
    check_size(filters, &head.headers)?;
    filtered.rewritten = Rewritten::of(filters, &head.uri)?;
    Ok(())
}

/// A body that says itself that it is too large is not waited for.
fn check_size(filters: &Filters, fields: &HeaderMap) -> Result<(), Error> {
    let said = fields.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match (said.and_then(|length| length.parse::<u64>().ok()), filters.body_size) {
        (Some(length), Some(most)) if length > most => Err(Error::BodyTooLarge),
        _ => Ok(()),
    }
}

impl Filtered {
    fn of(filters: &Filters, client: &Client, fields: &HeaderMap) -> Self {
        Self {
            // Only where TLS ends here do we know that the host can be had over it: RFC 6797 §7.2.
            strict_transport: filters.strict_transport.clone().filter(|_| client.is_secured()),
            grant: filters.cors.as_ref().map(|cors| Grant::of(cors, fields)),
            rewritten: Rewritten::default(),
            asked: None,
            body_size: filters.body_size,
            timeouts: filters.timeouts,
        }
    }

    /// Makes the client's head into the one that the endpoint gets.
    pub(super) fn apply(&mut self, head: &mut request::Parts) {
        self.asked = std::mem::take(&mut self.rewritten).apply(head);
    }

    /// What the client asked for, if the head does not say it any more.
    pub(super) fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// Adds to a response, whoever made it, what the rule says of all of them.
    pub(super) fn tell(&self, fields: &mut HeaderMap) {
        if let Some(value) = &self.strict_transport {
            fields.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
        }
        if let Some(grant) = &self.grant {
            grant.tell(fields);
        }
    }
}
