//! What has come back from an endpoint, made into what its client gets.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Response, Version};
use hyper::body::Incoming;

use super::super::error::Error;
use super::super::headers;
use super::super::session;
use super::super::upgrade::Upgrade;
use super::super::upstream::{Connection, InFlight, Link};
use super::Journey;
use crate::routing::{Forward, Rule, SessionId};
use crate::snapshot::Snapshot;

/// A response whose body is still to come over the connection.
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) content: Content,
    pub(super) upstream: InFlight,
}

/// What follows the head of a response.
pub(super) enum Content {
    Body(Incoming, Link),
    /// Another protocol, for as long as which this session is there.
    Tunnel(Box<Connection>, Option<(SessionId, Duration)>),
}

impl Journey {
    /// Makes the endpoint's response into the one that the client gets.
    pub(super) fn answer(
        &self,
        snapshot: &Snapshot,
        rule: &Rule,
        forward: &Forward<'_>,
        response: Response<Incoming>,
        link: Link,
        upstream: InFlight,
    ) -> Result<Answer, Error> {
        let (mut head, incoming) = response.into_parts();
        let switched = check(&head, self.upgrade.as_ref())?;
        head.version = Version::HTTP_11;
        let ends =
            head.headers.get(headers::SESSION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"end"));
        headers::clean_response(&mut head.headers);
        if let (Some(protocol), Some(upgrade)) = (&switched, &self.upgrade) {
            upgrade.tell(&mut head, protocol.clone());
        }
        if let (Some(persistence), Some(claims)) = (&rule.session, forward.claims) {
            let cookie = &persistence.policy.cookie;
            let recipient = session::Recipient {
                is_tls: self.is_tls,
                is_secured: self.lane.client.is_secured(),
                shuns_none: self.presented.shuns_none,
            };
            let set = if ends {
                self.lane.worker().sessions.end(claims.session);
                self.presented.cookie.then(|| session::expire_cookie(cookie, recipient)).flatten()
            } else if forward.issue {
                let unix = self.lane.worker().now().unix;
                let token = snapshot.keys.seal(&persistence.scope, claims, forward.endpoint, unix);
                session::set_cookie(cookie, token, recipient, unix)
            } else {
                None
            };
            if let Some(set) = set {
                head.headers.append(header::SET_COOKIE, set);
                headers::make_private(&mut head.headers);
            }
        }
        let content = match (switched, link) {
            (None, link) => Content::Body(incoming, link),
            (Some(_), Link::Http1(connection)) => {
                let idle = rule.session.as_ref().map_or(Duration::ZERO, |persistence| persistence.policy.idle);
                Content::Tunnel(connection, forward.claims.map(|claims| (claims.session, idle)))
            }
            (Some(_), Link::Http2(_)) => return Err(Error::BadResponse("101, which HTTP/2 does not have")),
        };
        Ok(Answer { head, content, upstream })
    }
}

/// Refuses a response that would mean one thing to us and another to the client. Returns the protocol that the endpoint
/// speaks from here on, if it is another one.
fn check(head: &http::response::Parts, upgrade: Option<&Upgrade>) -> Result<Option<HeaderValue>, Error> {
    match (head.status.as_u16(), upgrade) {
        (101, Some(_)) => {
            let protocol = head.headers.get(header::UPGRADE).ok_or(Error::BadResponse("101 that names no protocol"))?;
            Ok(Some(protocol.clone()))
        }
        (100..200, _) => Err(Error::BadResponse("an interim response that nobody asked for")),
        // To its client this would mean that the tunnel is there.
        (200..300, Some(Upgrade::Http2)) => Err(Error::BadResponse("an answer in place of a tunnel")),
        (600.., _) => Err(Error::BadResponse("a status above 599")),
        _ => Ok(None),
    }
}
