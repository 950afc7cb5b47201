//! The body of a request over HTTP/2, of which the beginning is kept until the endpoint answers.
//!
//! ## Why
//! An endpoint that stops, or has enough to do, refuses requests that it has not looked at; they may be sent again. But
//! hyper has the body by then, and has sent what there was of it: without the beginning only requests without a body
//! could be saved, and every call of gRPC has one.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, request};
use http_body::{Body, Frame, SizeHint};

use super::super::super::body::{RequestBody, Rewound, Stopped};
use super::peer::{State, Uploading};

/// Of a body that is longer than this nothing is kept: it is sent once.
pub(in crate::proxy) const KEPT: usize = 64 * 1024;

/// A body in the hands of hyper.
#[derive(Debug)]
pub(super) struct StreamBody {
    kept: Rc<RefCell<Option<Kept>>>,
    /// Unless there is nothing to send.
    _uploading: Option<Uploading>,
}

/// A body, and what has been taken from it.
#[derive(Debug)]
pub(super) struct Kept {
    body: RequestBody,
    frames: Vec<Frame<Bytes>>,
    size: usize,
    is_whole: bool,
}

/// A request that was sent, as long as it could be sent again.
#[derive(Debug)]
pub(super) struct Copy {
    head: request::Parts,
    kept: Rc<RefCell<Option<Kept>>>,
}

/// The request was taken back, to be sent elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the request was taken back")]
pub(super) struct TakenBack;

/// Why a body does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client broke it off, or sends too much.
    #[error(transparent)]
    Client(#[from] Stopped),
    /// It was taken back.
    #[error(transparent)]
    TakenBack(#[from] TakenBack),
}

impl StreamBody {
    pub(super) fn new(body: RequestBody, peer: &Rc<State>) -> (Self, Rc<RefCell<Option<Kept>>>) {
        let uploading = (!body.is_end_stream()).then(|| peer.upload());
        let kept = Kept { body, frames: Vec::new(), size: 0, is_whole: true };
        let kept = Rc::new(RefCell::new(Some(kept)));
        (Self { kept: Rc::clone(&kept), _uploading: uploading }, kept)
    }
}

impl Copy {
    pub(super) fn new(head: request::Parts, kept: Rc<RefCell<Option<Kept>>>) -> Self {
        Self { head, kept }
    }

    /// The request as it was, if all of its body is still there. hyper gets no more of it.
    pub(super) fn restore(&mut self) -> Option<Request<RequestBody>> {
        let Kept { body, frames, is_whole: true, .. } = self.kept.borrow_mut().take()? else { return None };
        Some(Request::from_parts(self.head.clone(), body.rewound(Rewound::new(frames))))
    }
}

/// The endpoint has answered: what was kept is not needed any more.
impl Drop for Copy {
    fn drop(&mut self) {
        if let Some(kept) = &mut *self.kept.borrow_mut() {
            kept.forget();
        }
    }
}

impl Kept {
    fn forget(&mut self) {
        self.is_whole = false;
        self.frames = Vec::new();
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if !self.is_whole {
            return;
        }
        let copy = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Frame::data(data.clone()),
            (None, Some(trailers)) => Frame::trailers(HeaderMap::clone(trailers)),
            (None, None) => return,
        };
        self.size += frame.data_ref().map_or(0, Bytes::len);
        if self.size > KEPT {
            return self.forget();
        }
        self.frames.push(copy);
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut kept = self.kept.borrow_mut();
        let Some(kept) = &mut *kept else { return Poll::Ready(Some(Err(TakenBack.into()))) };
        let frame = ready!(Pin::new(&mut kept.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            kept.keep(&frame);
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.kept.borrow().as_ref().is_none_or(|kept| kept.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.kept.borrow().as_ref().map_or_else(SizeHint::default, |kept| kept.body.size_hint())
    }
}
