//! What a rule does to requests and responses beside saying where they go. Most rules do nothing of it.
//!
//! These are facts that a control plane has checked; what is done with them is the proxy's. Texts that end up in
//! a header or a redirect are header values already, so that nothing has to be checked while a request waits.

mod canary;
mod cors;
mod pattern;
mod redirect;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;

pub use self::canary::{Canary, CanaryHeader, CanarySessions, HeaderWant, Preference};
pub use self::cors::{Cors, OriginPattern};
pub use self::pattern::{Pattern, PatternError, Template};
pub use self::redirect::{Location, Redirect};

/// What a rule does beside routing.
#[derive(Debug, Default)]
pub struct Filters {
    /// Who may come at all.
    pub access: Access,
    /// Where requests are sent instead of being served.
    pub redirect: Option<Redirect>,
    /// Where a request for `/` is sent: the application's own root.
    pub app_root: Option<HeaderValue>,
    /// The path that the endpoint gets, made of the one that was asked for.
    pub rewrite: Option<Rewrite>,
    /// The `Host` that the endpoint gets.
    pub upstream_host: Option<HeaderValue>,
    /// `X-Forwarded-Prefix` for the endpoint.
    pub forwarded_prefix: Option<HeaderValue>,
    /// What other origins' scripts may do.
    pub cors: Option<Box<Cors>>,
    /// `Strict-Transport-Security` of responses over TLS.
    pub strict_transport: Option<HeaderValue>,
    /// The most bytes that a request's body may have (413).
    pub body_size: Option<u64>,
    /// Time limits that take the place of the general ones.
    pub timeouts: Timeouts,
}

impl Filters {
    /// Do they do nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            access,
            redirect,
            app_root,
            rewrite,
            upstream_host,
            forwarded_prefix,
            cors,
            strict_transport,
            body_size,
            timeouts,
        } = self;
        *access == Access::Open
            && redirect.is_none()
            && app_root.is_none()
            && rewrite.is_none()
            && upstream_host.is_none()
            && forwarded_prefix.is_none()
            && cors.is_none()
            && strict_transport.is_none()
            && body_size.is_none()
            && *timeouts == Timeouts::default()
    }
}

/// Who may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    #[default]
    Open,
    /// Clients from these networks; the others get 403.
    Only(Box<[IpNet]>),
    /// Nobody (503): something that is meant to protect it is not understood.
    Closed(Arc<str>),
}

/// How a path becomes another one.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// What the path has to look like; the template's captures are this one's. None: the template is the path.
    pub pattern: Option<Pattern>,
    /// The path that it becomes.
    pub template: Template,
}

/// Time limits of one rule; `None` leaves the general limit in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection to an endpoint stands.
    pub connect: Option<Duration>,
    /// How long an endpoint may be silent: before the head of its response, within the body, in a tunnel.
    pub read: Option<Duration>,
    /// How long an endpoint may take nothing of a request's body.
    pub send: Option<Duration>,
}
