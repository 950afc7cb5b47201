//! What a client asked for, after the head has been made into another one: rules are found by it.

use http::header::{self, HeaderValue};
use http::{Request, Uri};

use super::Filtered;

/// The host and the target.
#[derive(Debug)]
pub(in super::super) struct Asked {
    /// The `Host` field.
    pub(in super::super) host: Option<HeaderValue>,
    /// The target.
    pub(in super::super) target: Uri,
}

impl Asked {
    /// The host and the target that a request came with.
    pub(in super::super) fn of<'a, B>(
        request: &'a Request<B>,
        filtered: Option<&'a Filtered>,
    ) -> (Option<&'a HeaderValue>, &'a Uri) {
        match filtered.and_then(Filtered::asked) {
            Some(asked) => (asked.host.as_ref(), &asked.target),
            None => (request.headers().get(header::HOST), request.uri()),
        }
    }
}
