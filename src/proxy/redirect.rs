//! From HTTP to HTTPS: where a request that came without TLS is sent. Pure.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Uri};

use super::error::Error;
use crate::routing::host;

/// Here certificate authorities look for proof, over plain HTTP: [RFC 8555 §8.3](https://www.rfc-editor.org/rfc/rfc8555#section-8.3).
const ACME: &str = "/.well-known/acme-challenge/";

/// Lets nothing but proofs for certificate authorities go on: everything else is to come again over TLS, to this port.
pub(super) fn check(port: u16, fields: &HeaderMap, target: &Uri) -> Result<(), Error> {
    if is_acme(target.path()) {
        return Ok(());
    }
    let location = fields
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .and_then(|host| host::canonical(host).ok())
        .and_then(|host| location(&host, port, target.path_and_query().map_or("/", PathAndQuery::as_str)));
    Err(location
        .map_or(Error::BadRequest("This is served over HTTPS, and the request names no host."), Error::NeedsTls))
}

/// Does a certificate authority ask for this?
pub(super) fn is_acme(path: &str) -> bool {
    path.starts_with(ACME)
}

fn location(host: &str, port: u16, target: &str) -> Option<HeaderValue> {
    let text = if port == 443 { format!("https://{host}{target}") } else { format!("https://{host}:{port}{target}") };
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sent(host: &str, port: u16, target: &str, expected: &str) {
        let mut fields = HeaderMap::new();
        fields.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        match check(port, &fields, &target.parse().unwrap()) {
            Err(Error::NeedsTls(location)) => assert_eq!(location, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_come_again_over_tls_with_everything_that_they_asked_for() {
        sent("shop.example", 443, "/a?b=c&d", "https://shop.example/a?b=c&d");
        sent("Shop.Example.:8080", 8443, "/", "https://shop.example:8443/");
        sent("[::1]:80", 8443, "/x", "https://[::1]:8443/x");
    }

    #[test]
    fn proofs_for_certificates_go_over_plain_http() {
        assert!(check(443, &HeaderMap::new(), &"/.well-known/acme-challenge/x".parse().unwrap()).is_ok());
    }

    #[test]
    fn without_a_host_there_is_nowhere_to_go() {
        let mut fields = HeaderMap::new();
        assert!(matches!(check(443, &fields, &"/".parse().unwrap()), Err(Error::BadRequest(_))));
        fields.insert(header::HOST, HeaderValue::from_static(""));
        assert!(matches!(check(443, &fields, &"/".parse().unwrap()), Err(Error::BadRequest(_))));
    }
}
