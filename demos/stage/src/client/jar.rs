//! A cookie jar for one host and one path: all cookies of the stage are for `/`.

use std::collections::BTreeMap;

use cookie::Cookie;
use http::{HeaderMap, header};

/// What a server has asked to be told again.
#[derive(Clone, Debug, Default)]
pub(super) struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Takes in what a response sets, and throws out what it expires.
    pub(super) fn store(&mut self, headers: &HeaderMap) {
        let fields = headers.get_all(header::SET_COOKIE).iter().filter_map(|field| field.to_str().ok());
        for cookie in fields.filter_map(|field| Cookie::parse(field).ok()) {
            // All servers here say it with Max-Age, which counts for more than Expires (RFC 6265, section 5.3).
            if cookie.max_age().is_some_and(|age| !age.is_positive()) {
                self.0.remove(cookie.name());
            } else {
                self.0.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    /// The `Cookie` header of the next request, if there is anything to tell.
    pub(super) fn header(&self) -> Option<String> {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_expired() {
        let mut jar = Jar::default();
        let mut told = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::SET_COOKIE, field.parse().expect("a header"));
            }
            jar.store(&headers);
            jar.header()
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["a=1; Path=/; HttpOnly", "b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(told(&["a=3; Max-Age=60"]).as_deref(), Some("a=3; b=2"));
        assert_eq!(told(&["a=; Max-Age=0", "b=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]), None);
    }
}
