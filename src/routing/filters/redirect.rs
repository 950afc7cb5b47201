//! Redirects: requests that are answered with another place.

use http::{HeaderValue, StatusCode};

/// A request is sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// With which status: one of 3xx.
    pub status: StatusCode,
    /// Where to.
    pub location: Location,
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// There, whatever was asked for.
    Fixed(HeaderValue),
    /// There, followed by the path and query that were asked for (nginx's `$request_uri`).
    WithTarget(HeaderValue),
}
