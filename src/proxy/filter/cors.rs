//! What scripts of other origins may do ([Fetch §3.3](https://fetch.spec.whatwg.org/#http-cors-protocol)), as
//! ingress-nginx says it. Pure.
//!
//! Like there, an allowed origin gets all the fields with every response, and every OPTIONS of it is taken for a preflight;
//! where all origins are allowed, so is a request that names none. Responses to origins that are not allowed stay as the
//! endpoint made them.
//!
//! ## Why credentials go with `*`
//! Because ingress-nginx sends both, and nothing comes of it: a browser that sends cookies does not take `*` for an answer.
//! An origin is never sent back to whoever asks because *all* are allowed, which would let every site read what its visitors
//! may.
//!
//! ## What is better than there
//! `Vary: Origin`, where the answer depends on it: without it a cache gives one origin what was meant for another.

use http::header::{self, HeaderMap, HeaderValue};

use crate::routing::filters::{Cors, OriginPattern};

/// What a response will say.
#[derive(Debug)]
pub(super) struct Grant {
    varies: bool,
    allowed: Option<Box<Allowed>>,
}

#[derive(Debug)]
struct Allowed {
    origin: HeaderValue,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Grant {
    /// What whoever sends these fields may do.
    pub(super) fn of(cors: &Cors, fields: &HeaderMap) -> Self {
        let all = cors.origins.contains(&OriginPattern::Any);
        let origin = if all { Some(HeaderValue::from_static("*")) } else { named(cors, fields) };
        let allowed = origin.map(|origin| {
            Box::new(Allowed {
                origin,
                methods: cors.methods.clone(),
                headers: cors.headers.clone(),
                expose: cors.expose.clone(),
                credentials: cors.credentials,
                max_age: HeaderValue::from(cors.max_age.as_secs()),
            })
        });
        Self { varies: !all, allowed }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.allowed.is_some()
    }

    /// Says so, in the place of whatever the endpoint has said.
    pub(super) fn tell(&self, fields: &mut HeaderMap) {
        if self.varies && !varies_already(fields) {
            fields.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = &self.allowed else { return };
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.origin.clone());
        fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allowed.methods.clone());
        fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.headers.clone());
        fields.insert(header::ACCESS_CONTROL_MAX_AGE, allowed.max_age.clone());
        if let Some(expose) = &allowed.expose {
            fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        if allowed.credentials {
            fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The request's origin, if it is one of those that are allowed. Whoever names two names none.
fn named(cors: &Cors, fields: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = fields.get_all(header::ORIGIN).into_iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    let text = origin.to_str().ok()?;
    cors.origins.iter().any(|pattern| fits(pattern, text)).then(|| origin.clone())
}

fn fits(pattern: &OriginPattern, origin: &str) -> bool {
    match pattern {
        OriginPattern::Any => true,
        OriginPattern::Exact(exact) => origin.eq_ignore_ascii_case(exact),
        OriginPattern::Subdomain { scheme, suffix } => subdomain(origin, scheme, suffix)
            .is_some_and(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')),
    }
}

/// What stands between the scheme and the suffix.
fn subdomain<'a>(origin: &'a str, scheme: &str, suffix: &str) -> Option<&'a str> {
    let (start, host) = origin.split_once("://")?;
    let (label, end) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
    (start.eq_ignore_ascii_case(scheme) && end.eq_ignore_ascii_case(suffix)).then_some(label)
}

fn varies_already(fields: &HeaderMap) -> bool {
    let lists = fields.get_all(header::VARY).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    lists.map(<[u8]>::trim_ascii).any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cors(origins: &[OriginPattern]) -> Cors {
        Cors {
            origins: origins.into(),
            methods: HeaderValue::from_static("GET, PUT"),
            headers: HeaderValue::from_static("X-Token"),
            expose: None,
            credentials: true,
            max_age: Duration::from_secs(600),
        }
    }

    fn told(cors: &Cors, origins: &[&'static str], fields: &mut HeaderMap) {
        let mut request = HeaderMap::new();
        for origin in origins {
            request.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        Grant::of(cors, &request).tell(fields);
    }

    fn listed() -> Cors {
        let subdomain = OriginPattern::Subdomain { scheme: "https".into(), suffix: ".shop.example:8443".into() };
        cors(&[OriginPattern::Exact("https://a.example".into()), subdomain])
    }

    #[track_caller]
    fn check(origins: &[&'static str], allowed: bool) {
        let mut fields = HeaderMap::new();
        told(&listed(), origins, &mut fields);
        let expected = if allowed { origins.first().copied() } else { None };
        let found = fields.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
        assert_eq!((found, &fields[header::VARY]), (expected, &HeaderValue::from_static("Origin")), "{origins:?}");
    }

    #[test]
    fn origins_are_allowed_to_the_letter_but_for_its_case() {
        check(&["https://a.example"], true);
        check(&["HTTPS://A.example"], true);
        check(&["https://x.shop.example:8443"], true);
        check(&["https://x-1.Shop.example:8443"], true);
    }

    #[test]
    fn what_only_looks_like_an_allowed_origin_is_none() {
        for odd in [
            "",
            "null",
            "http://a.example",
            "https://a.example:443",
            "https://a.example.evil.example",
            "https://evil.example/https://a.example",
            "evilhttps://a.example",
            "https://a.example, https://b.example",
            "https://shop.example:8443",
            "https://.shop.example:8443",
            "https://x.y.shop.example:8443",
            "https://evil.example/.shop.example:8443",
            "https://evil.example?.shop.example:8443",
            "https://x@y.shop.example:8443",
            "https://x.shop.example",
            "http://x.shop.example:8443",
            ".shop.example:8443",
        ] {
            check(&[odd], false);
        }
        check(&[], false);
        check(&["https://a.example", "https://a.example"], false);
    }

    #[test]
    fn where_all_are_allowed_nobody_is_named() {
        for origins in [&["https://evil.example"][..], &[]] {
            let mut fields = HeaderMap::new();
            told(&cors(&[OriginPattern::Exact("https://a.example".into()), OriginPattern::Any]), origins, &mut fields);
            assert_eq!(fields[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(fields[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true", "as ingress-nginx does");
            assert!(!fields.contains_key(header::VARY));
        }
    }

    #[test]
    fn what_the_endpoint_has_said_gives_way_for_allowed_origins_only() {
        let said = || {
            let mut fields = HeaderMap::new();
            fields.append(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://old.example"));
            fields.append(header::VARY, HeaderValue::from_static("accept, ORIGIN"));
            fields
        };
        let mut fields = said();
        told(&listed(), &["https://a.example"], &mut fields);
        assert_eq!(
            fields.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>(),
            ["https://a.example"]
        );
        assert_eq!(fields.get_all(header::VARY).iter().count(), 1, "it is said once");
        assert_eq!(fields[header::ACCESS_CONTROL_MAX_AGE], "600");
        let mut fields = said();
        told(&listed(), &["https://b.example"], &mut fields);
        assert_eq!(fields, said());
    }
}
