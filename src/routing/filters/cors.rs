//! Cross-origin requests ([Fetch §3.2](https://fetch.spec.whatwg.org/#http-cors-protocol)): what other origins'
//! scripts may do, said by the proxy for the application.

use std::time::Duration;

use http::HeaderValue;

/// What is answered to browsers that ask for another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose scripts may read responses.
    pub origins: Box<[OriginPattern]>,
    /// `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
    /// `Access-Control-Allow-Headers`.
    pub headers: HeaderValue,
    /// `Access-Control-Expose-Headers`.
    pub expose: Option<HeaderValue>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// `Access-Control-Max-Age`, in whole seconds.
    pub max_age: Duration,
}

/// An origin, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`
    Any,
    /// `https://shop.example:8443`, in lower case.
    Exact(Box<str>),
    /// `https://*.shop.example`: exactly one label stands for the star.
    Subdomain {
        /// `https`
        scheme: Box<str>,
        /// `.shop.example`, with the port if there is one.
        suffix: Box<str>,
    },
}
