//! ingress-nginx's annotations about cross-origin requests, with its defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderValue;

use super::Reading;
use super::values::{header, switch};
use crate::routing::filters::{Cors, OriginPattern};

const METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, DELETE, PATCH, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
);
const MAX_AGE: u32 = 1_728_000;
/// As many origins are compared with each request's.
const ORIGINS: usize = 100;

impl Reading {
    pub(super) fn cors(&mut self, all: &BTreeMap<&str, &str>) -> Option<Box<Cors>> {
        if !self.value(all, "enable-cors", switch).unwrap_or(false) {
            return None;
        }
        let seconds = |text: &str| text.parse::<u32>().map_err(|_| "it is no number of seconds");
        let max_age = self.value(all, "cors-max-age", seconds).unwrap_or(MAX_AGE);
        Some(Box::new(Cors {
            origins: self.value(all, "cors-allow-origin", origins).unwrap_or_else(|| [OriginPattern::Any].into()),
            methods: self.value(all, "cors-allow-methods", list).unwrap_or(METHODS),
            headers: self.value(all, "cors-allow-headers", list).unwrap_or(HEADERS),
            expose: self.value(all, "cors-expose-headers", list),
            credentials: self.value(all, "cors-allow-credentials", switch).unwrap_or(true),
            max_age: Duration::from_secs(max_age.into()),
        }))
    }
}

/// Methods or fields, separated by commas.
fn list(text: &str) -> Result<HeaderValue, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_, *".contains(&byte);
    if text.bytes().all(fits) { header(text) } else { Err("it is no list of names") }
}

fn origins(text: &str) -> Result<Box<[OriginPattern]>, &'static str> {
    let all = text.split(',').map(str::trim).filter(|part| !part.is_empty()).take(ORIGINS);
    let origins: Box<[_]> = all.map(origin).collect::<Result<_, _>>()?;
    if origins.is_empty() { Err("it names no origin") } else { Ok(origins) }
}

fn origin(text: &str) -> Result<OriginPattern, &'static str> {
    let wrong = "it is no origin such as https://shop.example or https://*.shop.example";
    if text == "*" {
        return Ok(OriginPattern::Any);
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").ok_or(wrong)?;
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let (is_wild, name) = rest.strip_prefix("*.").map_or((false, rest), |name| (true, name));
    if !letters(scheme) || name.is_empty() || !name.bytes().all(fits) {
        return Err(wrong);
    }
    Ok(if is_wild {
        OriginPattern::Subdomain { scheme: scheme.into(), suffix: format!(".{name}").into() }
    } else {
        OriginPattern::Exact(lower.into())
    })
}
