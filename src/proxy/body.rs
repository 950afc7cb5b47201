//! Bodies on their way through: frame by frame, never more than one in hand, so that a slow reader slows
//! the writer and nothing piles up here.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::exchange::Exchange;
use super::headers::Trailers;
use super::lane::Lane;
use super::turns::Turn;
use super::upstream::{InFlight, Link};

/// The body of a request, on its way to an endpoint.
#[derive(Debug)]
pub(crate) struct RequestBody(Option<Upload>);

#[derive(Debug)]
struct Upload {
    incoming: Incoming,
    lane: Rc<Lane>,
    turn: Turn,
    /// What of it has been sent before, in vain. Rare, and therefore elsewhere.
    rewound: Option<Box<Rewound>>,
}

/// Why the body of a request does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// The client broke it off.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It is larger than its rule allows.
    #[error("the request body is too large")]
    TooLarge,
}

/// The beginning of a body, to be sent once more.
#[derive(Debug)]
pub(crate) struct Rewound(VecDeque<Frame<Bytes>>);

/// The body of a response, on its way to a client. When it is gone, so is the exchange it belongs to.
#[derive(Debug)]
pub(crate) struct ResponseBody(Option<Download>);

#[derive(Debug)]
struct Download {
    source: Source,
    trailers: Trailers,
    broken: Option<Broken>,
    turn: Turn,
    exchange: Exchange,
}

/// Why a body does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Something went wrong with the connection.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
    /// The endpoint has reset the stream, in a way that hyper takes for its end: RFC 9113 §8.1 does not.
    #[error("the endpoint broke the response off")]
    Reset,
}

#[derive(Debug)]
enum Source {
    /// Ours.
    Own(Option<Bytes>),
    /// An endpoint's. The connection is there until the body has come to its end.
    Upstream { incoming: Incoming, link: Option<Link>, upstream: InFlight },
}

impl RequestBody {
    /// The body that a client sends.
    pub(super) fn new(incoming: Incoming, lane: &Rc<Lane>) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self(Some(Upload { incoming, lane: Rc::clone(lane), turn: Turn::default(), rewound: None }))
    }

    /// No body.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    /// The same body, with what has been taken from it before it.
    pub(super) fn rewound(mut self, Rewound(frames): Rewound) -> Self {
        if let Some(upload) = &mut self.0
            && !frames.is_empty()
        {
            let later = upload.rewound.take().map(|rewound| rewound.0).into_iter().flatten();
            upload.rewound = Some(Box::new(Rewound(frames.into_iter().chain(later).collect())));
        }
        self
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let Some(upload) = &mut self.0 else { return Poll::Ready(None) };
        if let Some(rewound) = &mut upload.rewound
            && let Some(frame) = rewound.0.pop_front()
        {
            return Poll::Ready(Some(Ok(frame)));
        }
        ready!(upload.turn.poll(&upload.lane.worker().turns, cx));
        let polled = Pin::new(&mut upload.incoming).poll_frame(cx);
        if !upload.lane.is_awaited.replace(polled.is_pending()) && polled.is_pending() {
            upload.lane.drained();
        }
        let frame = ready!(polled);
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            upload.turn.moved(bytes, upload.lane.worker().coarse());
            if !upload.lane.admits(bytes) {
                return Poll::Ready(Some(Err(Stopped::TooLarge)));
            }
        }
        // Whoever knows that this was the last does not ask whether there is another.
        upload.lane.uploaded(frame.is_some() && !upload.is_end_stream());
        Poll::Ready(frame.map(|frame| Ok(without_odd_trailers(frame?, Trailers::Listed))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Upload::size_hint)
    }
}

impl Upload {
    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream() && self.rewound.as_ref().is_none_or(|rewound| rewound.0.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rewound {
            None => self.incoming.size_hint(),
            // The head has said already how long it is, if it was known.
            Some(_) => SizeHint::default(),
        }
    }
}

impl Rewound {
    pub(super) fn new(frames: Vec<Frame<Bytes>>) -> Self {
        Self(frames.into())
    }
}

impl ResponseBody {
    /// No body, of an exchange that goes on elsewhere.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// A body of our own, unless the request is one whose answer has none.
    pub(super) fn own(bytes: Bytes, mut exchange: Exchange) -> Self {
        let is_none = bytes.is_empty() || exchange.leaves_body_out();
        if is_none {
            // Nobody asks for the first piece of nothing.
            exchange.completed();
        }
        let source = Source::Own((!is_none).then_some(bytes));
        Self(Some(Download { source, trailers: Trailers::Listed, broken: None, turn: Turn::default(), exchange }))
    }

    /// The body that an endpoint sends over this connection.
    pub(super) fn upstream(
        incoming: Incoming,
        link: Link,
        upstream: InFlight,
        trailers: Trailers,
        exchange: Exchange,
    ) -> Self {
        let source = Source::Upstream { incoming, link: Some(link), upstream };
        let mut download = Download { source, trailers, broken: None, turn: Turn::default(), exchange };
        if download.is_end_stream() {
            download.exchange.completed();
            download.give_back(&mut Context::from_waker(std::task::Waker::noop()));
        }
        Self(Some(download))
    }

    /// The endpoint is not asked for more: the client has not taken what there is.
    pub(super) fn client_stalls(&self) {
        if let Some(download) = &self.0 {
            download.exchange.client_stalls();
        }
    }

    /// No piece of it is larger than this from now on, unless it is here already.
    pub(super) fn read_at_most(&self, bytes: usize) {
        if let Some(Download { source: Source::Upstream { link: Some(link), .. }, .. }) = &self.0 {
            link.read_at_most(bytes);
        }
    }
}

impl Download {
    /// The body has come to its end: the connection may serve another request.
    fn give_back(&mut self, cx: &mut Context<'_>) {
        if let Source::Upstream { link, upstream, .. } = &mut self.source
            && let Some(link) = link.take()
            && let Some(connection) = link.into_usable(cx)
        {
            self.exchange.give_back(upstream, connection);
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let (incoming, link) = match &mut self.source {
            Source::Own(bytes) => {
                let bytes = bytes.take();
                self.exchange.sent(bytes.as_ref().map_or(0, Bytes::len));
                self.exchange.completed();
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            Source::Upstream { incoming, link, .. } => (incoming, link),
        };
        ready!(self.turn.poll(&self.exchange.worker().turns, cx));
        // What has arrived already costs no turn of the connection; what has not needs one.
        let mut frame = Pin::new(&mut *incoming).poll_frame(cx);
        if frame.is_pending()
            && let Some(link) = link
        {
            link.drive(cx);
            frame = Pin::new(&mut *incoming).poll_frame(cx);
        }
        if frame.is_pending() {
            self.exchange.waits();
        }
        let frame = match ready!(frame) {
            Some(Ok(frame)) => Some(frame),
            None if incoming.is_end_stream() || !matches!(link, Some(Link::Http2(_))) => None,
            broken => {
                let error = broken.and_then(Result::err).map_or(Broken::Reset, Broken::Connection);
                // What has come so far is written out first: a client that is told of the end at once would
                // never see the beginning.
                self.exchange.broke(&error);
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let bytes = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.turn.moved(bytes, self.exchange.worker().coarse());
        self.exchange.sent(bytes);
        if frame.is_none() || incoming.is_end_stream() {
            self.exchange.completed();
            self.give_back(cx);
        }
        Poll::Ready(frame.map(|frame| Ok(without_odd_trailers(frame, self.trailers))))
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
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
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
fn without_odd_trailers(frame: Frame<Bytes>, allowed: Trailers) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => {
            let kept: HeaderMap = trailers
                .iter()
                .filter(|(name, _)| allowed.admit(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            Frame::trailers(kept)
        }
        Err(frame) => frame,
    }
}
