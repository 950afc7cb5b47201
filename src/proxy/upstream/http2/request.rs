//! A request's head as HTTP/2 has it. Pure.

use std::net::SocketAddr;

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Version, request};

use super::super::super::grpc;
use super::super::connection::SendError;

/// `Host` becomes `:authority`, and a scheme is named. Fields that speak of a connection have gone already.
///
/// # Errors
/// If the host is none that a URI could have.
pub(super) fn translate(head: &mut request::Parts, secure: bool, address: SocketAddr) -> Result<(), SendError> {
    let host = head.headers.remove(header::HOST).filter(|host| !host.is_empty());
    let authority = match host {
        Some(host) => Authority::try_from(host.as_bytes()),
        // A request of HTTP/1.0 has none; HTTP/2 wants one.
        None => Authority::try_from(address.to_string()),
    };
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority.map_err(|_| SendError::NoAuthority)?);
    uri.path_and_query = Some(head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    head.uri = Uri::from_parts(uri).map_err(|_| SendError::NoAuthority)?;
    head.version = Version::HTTP_2;
    if grpc::is_grpc(&head.headers) {
        // Some servers of gRPC refuse a client that does not say that it takes trailers.
        head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn translated(host: Option<&str>, secure: bool, content: &str) -> Result<request::Parts, SendError> {
        let mut request = Request::builder().uri("/a?b=c").header(header::CONTENT_TYPE, content);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        translate(&mut head, secure, "192.0.2.1:80".parse().unwrap()).map(|()| head)
    }

    #[test]
    fn the_host_is_the_authority() {
        let head = translated(Some("a.example:8080"), false, "text/plain").unwrap();
        assert_eq!((head.uri.to_string(), head.version), ("http://a.example:8080/a?b=c".to_owned(), Version::HTTP_2));
        assert!(!head.headers.contains_key(header::HOST) && !head.headers.contains_key(header::TE));
        assert_eq!(translated(Some("[::1]"), true, "x/y").unwrap().uri, "https://[::1]/a?b=c");
        for host in [None, Some("")] {
            assert_eq!(translated(host, false, "x/y").unwrap().uri, "http://192.0.2.1:80/a?b=c");
        }
        assert!(translated(Some("a b"), false, "x/y").is_err());
    }

    #[test]
    fn grpc_says_that_trailers_are_welcome() {
        let head = translated(Some("a"), false, "application/grpc+proto").unwrap();
        assert_eq!(head.headers[header::TE], "trailers");
    }
}
