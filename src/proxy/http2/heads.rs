//! How much of heads there may be under way on one connection.
//!
//! ## Why they are bounded together
//! A head is kept several times over until its request has been answered: as it came, as it is sent, to be sent again, and in
//! the room of the buffers that it went through; that is about nine times its size. Large heads on as many streams as a client
//! may open would cost a connection tens of megabytes.
//!
//! ## Why ordinary ones are not counted
//! They fit into what a connection to an endpoint has room for anyway. So only clients with large heads can be refused, and
//! only with several at a time; they are told that nothing was done and that they may ask again (RFC 9113 §8.7).

use std::cell::Cell;
use std::rc::Rc;

use http::Request;

/// A head up to this size is an ordinary one.
const ORDINARY: usize = 8 * 1024;

/// What each field counts besides its bytes, as in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2).
const OVERHEAD: usize = 32;

/// The heads that are under way on one connection.
#[derive(Debug)]
pub(super) struct Heads {
    under_way: Cell<usize>,
    most: usize,
}

/// A head that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    heads: Rc<Heads>,
    size: usize,
}

/// There is no room for this head now. hyper finds in its source what the stream is reset with.
#[derive(Debug, thiserror::Error)]
#[error("too much of large heads under way on one connection")]
pub(super) struct TooMany(#[source] h2::Error);

impl Heads {
    /// So many bytes at a time, or a single head.
    pub(super) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { under_way: Cell::new(0), most })
    }

    /// Counts the head of a request, if it is large.
    ///
    /// # Errors
    /// There is no room for it beside the others.
    pub(super) fn take<B>(self: &Rc<Self>, request: &Request<B>) -> Result<Option<Share>, TooMany> {
        let size = size(request);
        if size <= ORDINARY {
            return Ok(None);
        }
        let before = self.under_way.get();
        if before > 0 && before.saturating_add(size) > self.most {
            return Err(TooMany(h2::Reason::REFUSED_STREAM.into()));
        }
        self.under_way.set(before + size);
        Ok(Some(Share { heads: Rc::clone(self), size }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.heads.under_way.set(self.heads.under_way.get() - self.size);
    }
}

/// As much as a head takes when nothing of it is compressed.
fn size<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD);
    target + fields.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(size: usize) -> Request<()> {
        Request::builder().header("x", "v".repeat(size)).body(()).unwrap()
    }

    #[test]
    fn ordinary_heads_are_never_too_many() {
        let heads = Heads::new(10_000);
        let large = heads.take(&request(9_000)).unwrap();
        assert!(large.is_some() && heads.take(&request(9_000)).is_err());
        assert!((0..1000).all(|_| heads.take(&request(8_000)).unwrap().is_none()));
        drop(large);
        assert!(heads.take(&request(9_000)).is_ok(), "there is room again");
    }

    #[test]
    fn a_single_head_is_never_too_many() {
        let heads = Heads::new(0);
        let alone = heads.take(&request(60_000)).unwrap();
        assert!(alone.is_some() && heads.take(&request(9_000)).is_err());
    }

    #[test]
    fn small_fields_count_for_what_they_take() {
        let mut many = Request::new(());
        for number in 0..300 {
            many.headers_mut().append("x", number.into());
        }
        assert!(Heads::new(0).take(&many).unwrap().is_some());
    }
}
