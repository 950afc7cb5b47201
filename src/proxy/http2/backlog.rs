//! How much of the responses of one connection waits for its client, and whose turn it is to add to that.
//!
//! ## Why it is bounded together
//! hyper bounds what waits on a stream. A client that has opened a hundred of them and reads nothing would cost a hundred
//! times as much. So a body is asked for more only while less than [`MOST`] waits on the whole connection; until then
//! it stays with its endpoint, whose socket fills up.
//!
//! ## What counts
//! What has been handed to hyper and not been written, as long as the socket has no room. While it has, all has been
//! written that the windows of the client allow; what is left is bounded by its stream and counts no longer: a
//! stream without a window keeps none of the others waiting.
//!
//! ## Why pieces are smaller where there are many
//! What has no window waits as well: a piece of it or two for each stream, and the buffer that it was read into. Alone a body
//! has the largest; the more there are, the smaller they get, down to what makes one frame.
//!
//! ## Why there is a queue
//! Whoever is asked first when there is room again would have all of it. So those that wait have their turn one after the
//! other, and whoever has had one goes to the end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::super::body::{Broken, ResponseBody};
use super::super::watch::Watch;

/// From here on nothing more is asked for. A piece may come on top.
pub(in crate::proxy) const MOST: usize = 64 * 1024;
/// No more than this is read of all bodies together, if each has one piece of it,
pub(in crate::proxy) const PIECES: usize = 1024 * 1024;
/// or of each body what makes one frame: smaller ones cost twice the time. The largest that all clients take has 16 KiB; a byte
/// less, and hyper does not take a larger buffer for the next.
const FRAME: usize = 16 * 1024 - 1;

/// What waits on one connection.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Bytes that have been handed on and, as far as is known, not been written.
    waiting: Cell<usize>,
    /// Has the socket no room?
    is_blocked: Cell<bool>,
    /// Bodies that have not come to their end.
    bodies: Cell<usize>,
    /// Streams that have no body any more, and whose end has not been written: what is left may wait for a window.
    left: Cell<usize>,
    /// Those that wait for their turn, by number.
    queue: RefCell<VecDeque<(u64, Waker)>>,
    numbers: Cell<u64>,
    /// Wakes the connection.
    connection: Rc<Watch>,
}

/// The body of a response that waits for its turn.
#[derive(Debug)]
pub(super) struct Paced {
    body: ResponseBody,
    backlog: Rc<Backlog>,
    /// Its place in the queue, if it is there.
    number: Option<u64>,
}

impl Backlog {
    pub(super) fn new(connection: Rc<Watch>) -> Rc<Self> {
        Rc::new(Self {
            waiting: Cell::default(),
            is_blocked: Cell::default(),
            bodies: Cell::default(),
            left: Cell::default(),
            queue: RefCell::default(),
            numbers: Cell::default(),
            connection,
        })
    }

    /// This body's pieces have their turn from now on.
    pub(super) fn pace(self: &Rc<Self>, body: ResponseBody) -> Paced {
        self.bodies.set(self.bodies.get() + 1);
        Paced { body, backlog: Rc::clone(self), number: None }
    }

    /// So much has been written, and there is room for more as far as is known.
    pub(super) fn written(&self, bytes: usize) {
        self.is_blocked.set(false);
        self.waiting.set(self.waiting.get().saturating_sub(bytes));
    }

    /// The socket takes no more.
    pub(super) fn blocked(&self) {
        self.is_blocked.set(true);
    }

    /// The connection has written what it could, and this is left of so many streams.
    pub(super) fn settle(&self, left: usize) {
        self.left.set(left);
        if !self.is_blocked.get() {
            self.waiting.set(0);
        }
        self.call();
    }

    /// Whoever is next may go on, if there is room.
    fn call(&self) {
        if self.has_room()
            && let Some((_, waker)) = self.queue.borrow().front()
        {
            waker.wake_by_ref();
        }
    }

    /// So much may be read of a body at a time.
    fn share(&self) -> usize {
        (PIECES / (self.bodies.get() + self.left.get()).max(1)).max(FRAME)
    }

    fn has_room(&self) -> bool {
        self.waiting.get() < MOST
    }

    /// Is it the turn of whoever has this number? If not, it has one from now on.
    fn admits(&self, number: &mut Option<u64>, cx: &Context<'_>) -> bool {
        let mut queue = self.queue.borrow_mut();
        let is_next = queue.front().map(|(first, _)| *first) == *number;
        if is_next && self.has_room() {
            if number.take().is_some() {
                queue.pop_front();
            }
            return true;
        }
        match *number {
            Some(number) => {
                if let Some((_, waker)) = queue.iter_mut().find(|(place, _)| *place == number) {
                    waker.clone_from(cx.waker());
                }
            }
            None => {
                let next = self.numbers.get();
                self.numbers.set(next + 1);
                queue.push_back((next, cx.waker().clone()));
                *number = Some(next);
            }
        }
        false
    }

    /// So much more has been handed on.
    fn add(&self, bytes: usize) {
        self.waiting.set(self.waiting.get() + bytes);
        if !self.has_room() {
            // It may be that none of it has a window, and that nothing else would have the connection say so.
            self.connection.wake();
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if !this.backlog.admits(&mut this.number, cx) {
            this.body.client_stalls();
            return Poll::Pending;
        }
        this.body.read_at_most(this.backlog.share());
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.backlog.add(frame.data_ref().map_or(0, Bytes::len));
        }
        this.backlog.call();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.backlog.bodies.set(self.backlog.bodies.get() - 1);
        if let Some(number) = self.number {
            self.backlog.queue.borrow_mut().retain(|(place, _)| *place != number);
            // It may have been called, and not come.
            self.backlog.call();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::super::super::watch::Watches;
    use super::*;
    use crate::limits::Limits;
    use crate::routing::Millis;

    /// Somebody who waits for a turn, and how often it has been called.
    #[derive(Default)]
    struct Waiter {
        number: Option<u64>,
        called: Arc<Called>,
    }

    #[derive(Default)]
    struct Called(AtomicUsize);

    impl Wake for Called {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Waiter {
        fn asks(&mut self, backlog: &Backlog) -> bool {
            let waker = Waker::from(Arc::clone(&self.called));
            backlog.admits(&mut self.number, &Context::from_waker(&waker))
        }

        fn called(&self) -> usize {
            self.called.0.load(Ordering::Relaxed)
        }
    }

    fn backlog() -> Rc<Backlog> {
        Backlog::new(Watches::default().add(&Limits::default(), Millis(0)))
    }

    #[test]
    fn nothing_is_asked_for_while_the_socket_has_no_room_and_much_waits() {
        let (backlog, mut one) = (backlog(), Waiter::default());
        backlog.blocked();
        backlog.add(MOST - 1);
        backlog.settle(0);
        assert!(one.asks(&backlog), "there is room for a little");
        backlog.add(1);
        backlog.settle(0);
        assert!(!one.asks(&backlog));
        backlog.written(1);
        backlog.settle(0);
        assert!(one.called() == 1 && one.asks(&backlog));
    }

    #[test]
    fn what_has_no_window_counts_no_longer_once_the_rest_is_written() {
        let (backlog, mut one) = (backlog(), Waiter::default());
        backlog.add(10 * MOST);
        assert!(!one.asks(&backlog), "it is not known yet");
        backlog.settle(0);
        assert!(one.called() == 1 && one.asks(&backlog));
    }

    #[test]
    fn turns_are_taken_one_after_the_other() {
        let (backlog, mut one, mut two, mut three) =
            (backlog(), Waiter::default(), Waiter::default(), Waiter::default());
        backlog.blocked();
        backlog.add(MOST);
        assert!(!one.asks(&backlog) && !two.asks(&backlog));
        backlog.written(MOST);
        backlog.settle(0);
        assert_eq!((one.called(), two.called()), (1, 0));
        assert!(!three.asks(&backlog), "whoever comes last is not first");
        assert!(one.asks(&backlog) && !one.asks(&backlog), "nor is whoever had a turn");
        backlog.call();
        assert!(two.called() == 1 && two.asks(&backlog) && three.asks(&backlog) && one.asks(&backlog));
    }

    #[test]
    fn where_there_are_many_bodies_their_pieces_are_small() {
        let backlog = backlog();
        backlog.bodies.set(1);
        assert_eq!(backlog.share(), PIECES, "alone it has all that there is");
        backlog.bodies.set(40);
        assert_eq!(backlog.share(), PIECES / 40);
        backlog.bodies.set(100);
        assert_eq!(backlog.share(), FRAME);
        backlog.bodies.set(1);
        backlog.settle(39);
        assert_eq!(backlog.share(), PIECES / 40, "the others may not be written yet");
    }
}
