//! Requests that are sent elsewhere. Pure.

use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{StatusCode, request};

use super::super::error::Error;
use super::https;
use crate::routing::filters::{Filters, Location};

/// Sends a request for `/` to the application's own root: 302.
pub(super) fn app_root(filters: &Filters, head: &request::Parts) -> Result<(), Error> {
    match &filters.app_root {
        Some(root) if head.uri.path() == "/" => {
            Err(Error::Redirected { status: StatusCode::FOUND, location: root.clone() })
        }
        _ => Ok(()),
    }
}

/// Sends a request where the rule says, unless it is a certificate authority's.
pub(super) fn check(filters: &Filters, head: &request::Parts) -> Result<(), Error> {
    let Some(redirect) = filters.redirect.as_ref().filter(|_| !https::is_acme(head.uri.path())) else { return Ok(()) };
    let location = match &redirect.location {
        Location::Fixed(location) => location.clone(),
        Location::WithTarget(start) => {
            let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
            let whole = [start.as_bytes(), target.as_bytes()].concat();
            // A header value and a target that has been parsed: together they are a header value, too.
            HeaderValue::from_bytes(&whole).map_err(|_| Error::BadRequest("The request target is no path."))?
        }
    };
    Err(Error::Redirected { status: redirect.status, location })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::routing::filters::Redirect;

    fn head(target: &str) -> request::Parts {
        Request::builder().uri(target).body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn check_sent(filters: &Filters, target: &str, expected: Option<(u16, &str)>) {
        let head = head(target);
        let sent = app_root(filters, &head).and_then(|()| check(filters, &head));
        match (sent, expected) {
            (Ok(()), None) => {}
            (Err(Error::Redirected { status, location }), Some((code, place))) => {
                assert_eq!((status.as_u16(), location.to_str().unwrap()), (code, place), "{target}");
            }
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn only_the_root_itself_is_sent_to_the_applications() {
        let filters = Filters { app_root: Some(HeaderValue::from_static("/app")), ..Filters::default() };
        check_sent(&filters, "/", Some((302, "/app")));
        check_sent(&filters, "/?a=b", Some((302, "/app")));
        check_sent(&filters, "//", None);
        check_sent(&filters, "/app", None);
    }

    #[test]
    fn requests_are_sent_there_with_or_without_what_they_asked_for() {
        let to = |location| {
            let status = StatusCode::MOVED_PERMANENTLY;
            Filters { redirect: Some(Redirect { status, location }), ..Filters::default() }
        };
        let place = HeaderValue::from_static("https://new.example");
        check_sent(&to(Location::Fixed(place.clone())), "/a?b=c", Some((301, "https://new.example")));
        check_sent(&to(Location::WithTarget(place.clone())), "/a?b=c", Some((301, "https://new.example/a?b=c")));
        let split = "/a%0d%0aSet-Cookie:x=y";
        let stays = "https://new.example/a%0d%0aSet-Cookie:x=y";
        check_sent(&to(Location::WithTarget(place.clone())), split, Some((301, stays)));
        check_sent(&to(Location::Fixed(place)), "/.well-known/acme-challenge/x", None);
    }
}
