//! The head that the endpoint gets: another path, another host, and what was cut off. Pure.
//!
//! Captures come from the path as it was matched and stand in the new one as they were: what was encoded stays encoded, so
//! that nothing can be written into a head through them. What comes of it is checked like any other path.

use http::header::{self, HeaderName, HeaderValue};
use http::request;
use http::uri::{PathAndQuery, Uri};

use super::super::error::Error;
use super::Asked;
use crate::routing::filters::{Filters, Rewrite};
use crate::routing::path;

const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REFUSED: Error = Error::BadRequest("The path that this would be rewritten to is none.");

/// What will be changed.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    target: Option<PathAndQuery>,
    host: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
}

impl Rewritten {
    /// What the rule wants of a request for this target.
    pub(super) fn of(filters: &Filters, target: &Uri) -> Result<Self, Error> {
        Ok(Self {
            target: filters.rewrite.as_ref().map(|rewrite| rewritten(rewrite, target)).transpose()?.flatten(),
            host: filters.upstream_host.clone(),
            prefix: filters.forwarded_prefix.clone(),
        })
    }

    /// Changes the head; what the client asked for is returned if it is not in there any more.
    pub(super) fn apply(self, head: &mut request::Parts) -> Option<Asked> {
        if let Some(prefix) = self.prefix {
            head.headers.insert(PREFIX, prefix);
        }
        if self.target.is_none() && self.host.is_none() {
            return None;
        }
        let asked = Asked { host: head.headers.get(header::HOST).cloned(), target: head.uri.clone() };
        if let Some(host) = self.host {
            head.headers.insert(header::HOST, host);
        }
        if let Some(target) = self.target {
            head.uri = Uri::from(target);
        }
        Some(asked)
    }
}

/// The new target, or none if the path is not the one that is rewritten. The query that was asked for follows that of the
/// template, unless this ends with a question mark, as in nginx.
fn rewritten(rewrite: &Rewrite, target: &Uri) -> Result<Option<PathAndQuery>, Error> {
    let made = match (&rewrite.pattern, rewrite.template.as_plain()) {
        (Some(pattern), _) => pattern.expand(target.path(), &rewrite.template),
        (None, plain) => plain.map(ToOwned::to_owned),
    };
    let Some(made) = made else { return Ok(None) };
    let (path, query) = match made.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*made, None),
    };
    path::check(path).map_err(|_| REFUSED)?;
    let asked = target.query().filter(|_| query != Some(""));
    let queries: Vec<&str> = query.into_iter().filter(|query| !query.is_empty()).chain(asked).collect();
    let whole = if queries.is_empty() { path.to_owned() } else { format!("{path}?{}", queries.join("&")) };
    // What follows it would be cut off without a word.
    if whole.contains('#') {
        return Err(REFUSED);
    }
    PathAndQuery::try_from(whole).map(Some).map_err(|_| REFUSED)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::routing::filters::{Pattern, Template};

    fn rewrite(pattern: Option<&str>, template: &str) -> Rewrite {
        let pattern = pattern.map(|pattern| Pattern::path(pattern).unwrap());
        let template = Template::new(template, pattern.as_ref()).unwrap();
        Rewrite { pattern, template }
    }

    #[track_caller]
    fn check(pattern: &str, template: &str, target: &str, expected: &str) {
        let made = rewritten(&rewrite(Some(pattern), template), &target.parse().unwrap()).unwrap();
        assert_eq!(made.as_ref().map_or("unchanged", PathAndQuery::as_str), expected, "{target}");
    }

    #[track_caller]
    fn refused(pattern: &str, template: &str, target: &str) {
        let made = rewritten(&rewrite(Some(pattern), template), &target.parse().unwrap());
        assert!(matches!(made, Err(Error::BadRequest(_))), "{target}: {made:?}");
    }

    #[test]
    fn paths_become_others_and_keep_their_query() {
        check("/app(/|$)(.*)", "/$2", "/app/x/y?a=b&c", "/x/y?a=b&c");
        check("/app(/|$)(.*)", "/$2", "/app", "/");
        check("/app(/|$)(.*)", "/$2", "/other", "unchanged");
        check("/app/(.*)", "/x?from=$1", "/app/y", "/x?from=y");
        check("/app/(.*)", "/x?from=$1", "/app/y?a=b", "/x?from=y&a=b");
        check("/app/(.*)", "/$1?", "/app/y?a=b", "/y");
        let fixed = rewritten(&rewrite(None, "/fixed"), &"/any?a".parse().unwrap()).unwrap().unwrap();
        assert_eq!(fixed.as_str(), "/fixed?a");
    }

    #[test]
    fn what_was_encoded_stays_encoded() {
        check("/app/(.*)", "/$1", "/app/%0d%0aX-Evil:%201", "/%0d%0aX-Evil:%201");
        check("/app/(.*)", "/x?p=$1", "/app/a%3Fb%26c%23d", "/x?p=a%3Fb%26c%23d");
        check("/app/(.*)", "/$1", "/app/caf%C3%A9", "/caf%C3%A9");
    }

    #[test]
    fn a_path_that_could_be_read_as_another_is_not_made() {
        refused("/app(.*)", "/up/.$1", "/app.");
        refused("/app/([^/]*)/(.*)", "/$1$2/x", "/app/./.");
        refused("/app/(.*)", "/%2$1", "/app/e%2e");
        refused("/app/(.*)", "/a%2$1", "/app/fb");
        refused("/app/(.*)", "/a%$1", "/app/zz");
        refused("/app(.*)", "$1", "/apple");
        refused("/app/(.*)", "/a#$1", "/app/b");
    }

    #[test]
    fn a_huge_path_is_no_trouble_for_a_bad_expression() {
        let path = format!("/{}", "a".repeat(16_000));
        check("/(a*)*b", "/x", &path, "unchanged");
        check("/((a*)*)*(.*)", "/y$3", &path, "/y");
    }

    #[test]
    fn what_was_asked_for_is_kept_where_the_head_loses_it() {
        let filters = Filters {
            rewrite: Some(rewrite(Some("/app(.*)"), "/x$1")),
            upstream_host: Some(HeaderValue::from_static("inner.example")),
            forwarded_prefix: Some(HeaderValue::from_static("/app")),
            ..Filters::default()
        };
        let request = Request::builder().uri("/app/1?q").header("host", "outer.example").body(()).unwrap();
        let mut head = request.into_parts().0;
        let asked = Rewritten::of(&filters, &head.uri).unwrap().apply(&mut head).unwrap();
        assert_eq!(
            (asked.host.unwrap(), asked.target),
            (HeaderValue::from_static("outer.example"), "/app/1?q".parse().unwrap())
        );
        assert_eq!(
            (&head.headers["host"], head.uri.to_string()),
            (&HeaderValue::from_static("inner.example"), "/x/1?q".to_owned())
        );
        assert_eq!(head.headers["x-forwarded-prefix"], "/app");
        let prefixed = Filters { forwarded_prefix: filters.forwarded_prefix, ..Filters::default() };
        assert!(Rewritten::of(&prefixed, &head.uri).unwrap().apply(&mut head).is_none());
    }
}
