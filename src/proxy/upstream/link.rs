//! What one request has of an endpoint: a connection of its own over HTTP/1, a share of one over HTTP/2.

use std::task::Context;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use super::super::body::RequestBody;
use super::super::watch::Watch;
use super::connection::{Connection, SendError};
use super::http2::Stream;
use super::place::Place;

/// A request's way to its endpoint, until its response has come to its end.
#[derive(Debug)]
pub(crate) enum Link {
    /// All of a connection.
    Http1(Box<Connection>),
    /// One stream of several.
    Http2(Stream),
}

impl Link {
    /// Sends a request and waits for the head of its response: see [`Connection::send`].
    pub(crate) fn send<'a>(
        &'a mut self,
        request: Request<RequestBody>,
        watch: &'a Watch,
        patience: Duration,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + 'a {
        // Before there is a future: the request does not have to live in it.
        let (one, other) = match self {
            Self::Http1(connection) => (Some(connection.send(request, watch, patience)), None),
            // Boxed: it is large, and HTTP/1 has no need of it.
            Self::Http2(stream) => (None, Some(Box::pin(stream.send(request, watch)))),
        };
        async move {
            match (one, other) {
                (Some(sending), _) => sending.await,
                (None, Some(sending)) => sending.await,
                (None, None) => Err(SendError::Timeout),
            }
        }
    }

    /// The request that was sent last, to be sent once more over another connection.
    pub(crate) fn replay(&mut self) -> Option<Request<RequestBody>> {
        match self {
            Self::Http1(connection) => connection.replay(),
            Self::Http2(stream) => stream.replay(),
        }
    }

    /// So much of a response is read at a time, at most, from now on. Over HTTP/2 the window of its stream bounds it.
    pub(crate) fn read_at_most(&self, bytes: usize) {
        if let Self::Http1(connection) = self {
            connection.read_at_most(bytes);
        }
    }

    /// Moves bytes, where nobody else does.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Http1(connection) = self {
            connection.drive(cx);
        }
    }

    /// The response has come to its end: the connection, if it is this request's alone and can serve another.
    pub(crate) fn into_usable(self, cx: &mut Context<'_>) -> Option<Box<Connection>> {
        match self {
            Self::Http1(mut connection) => connection.is_usable(cx).then_some(connection),
            Self::Http2(mut stream) => {
                stream.complete();
                None
            }
        }
    }

    /// Was the connection made to where the endpoint is, and in the way that it is spoken to now?
    pub(super) fn fits(&self, place: &Place) -> bool {
        match self {
            Self::Http1(connection) => connection.fits(place),
            Self::Http2(stream) => stream.fits(place),
        }
    }

    /// Has the connection had no request before this one?
    pub(crate) fn is_fresh(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_fresh(),
            Self::Http2(stream) => stream.is_fresh(),
        }
    }
}
