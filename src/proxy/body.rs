//! Bodies on their way through: frame by frame, never more than one in hand, so that a slow reader slows
//! the writer and nothing piles up here.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::exchange::Exchange;
use super::headers;
use super::lane::Lane;
use super::upstream::{Connection, InFlight};

/// The body of a request, on its way to an endpoint.
#[derive(Debug)]
pub(crate) struct RequestBody(Option<Upload>);

#[derive(Debug)]
struct Upload {
    incoming: Incoming,
    lane: Rc<Lane>,
}

/// The body of a response, on its way to a client. When it is gone, so is the exchange it belongs to.
#[derive(Debug)]
pub(crate) struct ResponseBody(Option<Download>);

#[derive(Debug)]
struct Download {
    source: Source,
    broken: Option<hyper::Error>,
    exchange: Exchange,
}

#[derive(Debug)]
enum Source {
    /// Ours.
    Own(Option<Bytes>),
    /// An endpoint's. The connection is there until the body has come to its end.
    Upstream { incoming: Incoming, connection: Option<Box<Connection>>, upstream: InFlight },
}

impl RequestBody {
    /// The body that a client sends.
    pub(super) fn new(incoming: Incoming, lane: &Rc<Lane>) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self(Some(Upload { incoming, lane: Rc::clone(lane) }))
    }

    /// No body.
    pub(super) fn empty() -> Self {
        Self(None)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(upload) = &mut self.0 else { return Poll::Ready(None) };
        let polled = Pin::new(&mut upload.incoming).poll_frame(cx);
        upload.lane.is_awaited.set(polled.is_pending());
        let frame = ready!(polled);
        upload.lane.uploaded(frame.is_some());
        Poll::Ready(frame.map(|frame| frame.map(without_odd_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |upload| upload.incoming.size_hint())
    }
}

impl ResponseBody {
    /// No body, of an exchange that goes on elsewhere.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// A body of our own.
    pub(super) fn own(bytes: Bytes, exchange: Exchange) -> Self {
        let source = Source::Own((!bytes.is_empty()).then_some(bytes));
        Self(Some(Download { source, broken: None, exchange }))
    }

    /// The body that an endpoint sends over this connection.
    pub(super) fn upstream(
        incoming: Incoming,
        connection: Box<Connection>,
        upstream: InFlight,
        exchange: Exchange,
    ) -> Self {
        let source = Source::Upstream { incoming, connection: Some(connection), upstream };
        let mut download = Download { source, broken: None, exchange };
        if download.is_end_stream() {
            download.exchange.completed();
            download.give_back(&mut Context::from_waker(std::task::Waker::noop()));
        }
        Self(Some(download))
    }
}

impl Download {
    /// The body has come to its end: the connection may serve another request.
    fn give_back(&mut self, cx: &mut Context<'_>) {
        if let Source::Upstream { connection, upstream, .. } = &mut self.source
            && let Some(mut connection) = connection.take()
            && connection.is_usable(cx)
        {
            self.exchange.give_back(upstream, connection);
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let (incoming, connection) = match &mut self.source {
            Source::Own(bytes) => {
                let bytes = bytes.take();
                self.exchange.sent(bytes.as_ref().map_or(0, Bytes::len));
                self.exchange.completed();
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            Source::Upstream { incoming, connection, .. } => (incoming, connection),
        };
        // What has arrived already costs no turn of the connection; what has not needs one.
        let mut frame = Pin::new(&mut *incoming).poll_frame(cx);
        if frame.is_pending()
            && let Some(connection) = connection
        {
            connection.drive(cx);
            frame = Pin::new(&mut *incoming).poll_frame(cx);
        }
        let frame = match ready!(frame) {
            Some(Ok(frame)) => Some(frame),
            Some(Err(error)) => {
                // What has come so far is written out first: a client that is told of the end at once would
                // never see the beginning.
                self.exchange.broke(&error);
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        };
        self.exchange.sent(frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len));
        if frame.is_none() || incoming.is_end_stream() {
            self.exchange.completed();
            self.give_back(cx);
        }
        Poll::Ready(frame.map(|frame| Ok(without_odd_trailers(frame))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Upstream { incoming, .. } => self.broken.is_none() && incoming.is_end_stream(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(download) => download.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Download::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_ref().map(|download| &download.source) {
            None => SizeHint::with_exact(0),
            Some(Source::Own(bytes)) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Some(Source::Upstream { incoming, .. }) => incoming.size_hint(),
        }
    }
}

/// Trailers that could change what the head has said do not pass.
fn without_odd_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => {
            let kept: HeaderMap = trailers
                .iter()
                .filter(|(name, _)| headers::is_allowed_trailer(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            Frame::trailers(kept)
        }
        Err(frame) => frame,
    }
}
