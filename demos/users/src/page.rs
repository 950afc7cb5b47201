//! Part of the list: which one a request wants, and where the next one is.

use axum::{
    extract::Query,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use moorline_service::reply;
use serde::Deserialize;

use crate::{
    problem::Problem,
    user::{User, UserId},
};

/// Which users are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) after: Option<UserId>,
    limit: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    after: Option<String>,
    limit: Option<String>,
}

impl Wanted {
    /// Reads `?after=<id>&limit=<number>`.
    pub(crate) fn parse(uri: &Uri) -> Result<Self, Problem> {
        let Query(Typed { after, limit }) =
            Query::try_from_uri(uri).map_err(|error| Problem::Query(error.body_text()))?;
        let limit = match limit.as_deref().map(str::parse) {
            None => DEFAULT,
            Some(Ok(limit @ 1..=MOST)) => limit,
            Some(_) => return Err(Problem::Query(format!("limit must be a number from 1 to {MOST}"))),
        };
        let after = after.map(|id| id.parse()).transpose();
        let after = after.map_err(|_| Problem::Query("after must be the id of a user".to_owned()))?;
        Ok(Self { after, limit })
    }

    /// How many to ask the store for: one more than fit, which tells whether there is a next page.
    pub(crate) fn asked(self) -> u16 {
        self.limit + 1
    }

    /// The answer. It names the next page in a `Link` (RFC 8288) if there is one.
    pub(crate) fn respond(self, mut users: Vec<User>) -> Response {
        let has_more = users.len() > self.limit.into();
        users.truncate(self.limit.into());
        let rsp = reply::json(&users);
        let Some(last) = users.last().filter(|_| has_more) else { return rsp };
        let link = format!("</user?limit={}&after={}>; rel=\"next\"", self.limit, last.id);
        // Digits and a UUID between our own constants.
        let link = HeaderValue::try_from(link).expect("ASCII text");
        ([(header::LINK, link)], rsp).into_response()
    }
}

const DEFAULT: u16 = 100;
const MOST: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_which_page_or_what_is_wrong() {
        let id = "0192f3a4-5b6c-7d8e-9f01-23456789abcd";
        let parse = |query: &str| Wanted::parse(&format!("/user{query}").parse().expect("a target")).ok();
        assert_eq!(parse(""), Some(Wanted { after: None, limit: 100 }));
        assert_eq!(parse("?limit=1"), Some(Wanted { after: None, limit: 1 }));
        assert_eq!(parse(&format!("?limit=1000&after={id}")), Some(Wanted { after: id.parse().ok(), limit: 1000 }));
        for bad in [
            "?limit=0",
            "?limit=1001",
            "?limit=-1",
            "?limit=",
            "?limit=ten",
            "?limit=99999999999",
            "?after=",
            "?after=1",
            "?skip=10",
            "?limit=1&limit=2",
            "?after[$ne]=1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
