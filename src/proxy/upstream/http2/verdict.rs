//! What an error of HTTP/2 says of the request that it ended. Pure.

use std::error::Error;

use h2::Reason;

/// What became of a request that has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The endpoint has refused its stream, and done nothing: RFC 9113 §8.7.
    Refused,
    /// The endpoint takes nothing more, and has not got to it: RFC 9113 §6.8.
    GoneAway,
    /// The connection broke: nobody knows.
    Broken,
    /// The endpoint has reset the stream, or sent something that makes no sense: that is its answer.
    Answered,
}

impl Verdict {
    /// Has the endpoint done nothing of what it was asked?
    pub(super) fn is_unprocessed(self) -> bool {
        matches!(self, Self::Refused | Self::GoneAway)
    }
}

/// What this error says.
pub(super) fn verdict(error: &hyper::Error) -> Verdict {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return of_h2(error);
        }
        cause = error.source();
    }
    // Without a reason of HTTP/2 it is the connection: a PING that nobody has answered, for one.
    Verdict::Broken
}

fn of_h2(error: &h2::Error) -> Verdict {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Verdict::Refused,
        // Streams that the endpoint has got to go on after it: h2 ends only the others.
        Some(_) if error.is_go_away() && error.is_remote() => Verdict::GoneAway,
        Some(_) => Verdict::Answered,
        None => Verdict::Broken,
    }
}
