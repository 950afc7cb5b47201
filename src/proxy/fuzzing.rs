//! What fuzzers reach of the proxy, and nobody else: compiled with `--cfg fuzzing` alone. `fuzz/` has the targets.

use std::net::SocketAddr;

use super::frames;
use super::guard::{self, FIELDS, Place, RequestGuard};
use super::proxy_protocol::{self, Parsed};
use crate::limits::Limits;
use crate::routing::Millis;

/// The guard of HTTP/1, as far as it says where requests begin and end.
#[derive(Debug)]
pub struct Requests(RequestGuard);

impl Requests {
    /// With the bounds that are in force by default.
    #[must_use]
    pub fn new() -> Self {
        let Limits { head_size, target_size, .. } = Limits::default();
        Self(RequestGuard::new(guard::Bounds { head_size, target_size, fields: FIELDS, prior_knowledge: true }))
    }

    /// Follows what a client sends, of whose requests none is answered with another protocol.
    pub fn feed(&mut self, bytes: &[u8]) {
        let _ = self.0.feed(bytes);
        self.0.decide(self.0.heads(), false);
        self.0.consume(usize::MAX);
    }

    /// How many heads have passed.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.0.heads()
    }

    /// Is the last request whole, and nothing of the next there?
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.0.is_between()
    }

    /// Does the client speak HTTP/2?
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.0.is_http2()
    }

    /// The rule that was broken, and whether it was in a head.
    #[must_use]
    pub fn refusal(&self) -> Option<(&'static str, bool)> {
        self.0.refusal().map(|refusal| (refusal.rule.name(), refusal.place == Place::Head))
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

/// A guard of HTTP/2.
#[derive(Debug)]
pub struct Frames(Side);

#[derive(Debug)]
enum Side {
    Client(frames::Guard),
    Endpoint(frames::EndpointGuard),
}

impl Frames {
    /// Of a connection with a client, with these bounds, from the time 0.
    #[must_use]
    pub fn of_client(frames: usize, head_size: usize, streams: usize) -> Self {
        Self(Side::Client(frames::Guard::new(frames::Bounds { frames, head_size, streams }, Millis(0))))
    }

    /// Of a connection to an endpoint.
    #[must_use]
    pub fn of_endpoint(frames: usize, head_size: usize, streams: usize) -> Self {
        Self(Side::Endpoint(frames::EndpointGuard::new(frames::Bounds { frames, head_size, streams }, Millis(0))))
    }

    fn guard(&mut self) -> &mut dyn frames::Follow {
        match &mut self.0 {
            Side::Client(guard) => guard,
            Side::Endpoint(guard) => guard,
        }
    }

    /// The other side sends, at this time in milliseconds. What there is too much of.
    pub fn feed(&mut self, bytes: &[u8], millis: u64) -> Option<&'static str> {
        self.guard().feed(bytes, Millis(millis)).err().map(frames::Flood::name)
    }

    /// We send.
    pub fn wrote(&mut self, bytes: &[u8], millis: u64) -> Option<&'static str> {
        self.guard().wrote(bytes, Millis(millis)).err().map(frames::Flood::name)
    }
}

/// Reads a header of the PROXY protocol: whose connection it is and how long it is, or nothing if it goes on.
///
/// # Errors
/// Why it is none.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, String> {
    match proxy_protocol::parse(bytes) {
        Ok(Parsed::Incomplete) => Ok(None),
        Ok(Parsed::Complete { client, length }) => Ok(Some((client, length))),
        Err(broken) => Err(broken.to_string()),
    }
}
