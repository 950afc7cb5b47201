//! Whose turn it is to move much.
//!
//! ## Why
//! A worker does one thing at a time. What flows freely always has something to do: a handful of large bodies would have the
//! worker to themselves, and a request that takes no time would wait for seconds. So whoever has moved a [`QUANTUM`] waits for its
//! turn. There is one between two looks at the sockets, and what has come meanwhile goes before it: whoever needs little waits for
//! one quantum, however many need much.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::task::yield_now;

use super::connection::BODY_BUFFER;
use super::metrics::Counter;

/// So much is moved in a turn, and before the first: what is read at a time.
pub(super) const QUANTUM: usize = BODY_BUFFER;

/// Those that wait for a turn, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: RefCell<VecDeque<Waker>>,
    /// The number of the first of them.
    first: Cell<u64>,
    came: Notify,
}

/// What has been moved since the last turn, and the number of the next if that is waited for.
#[derive(Debug, Default)]
pub(super) struct Turn {
    moved: usize,
    number: Option<u64>,
}

impl Turns {
    /// Gives one turn after the other, for ever, and counts them.
    pub(super) async fn run(&self, given: &Counter) {
        loop {
            self.came.notified().await;
            while let Some(next) = self.next() {
                given.inc();
                next.wake();
                // Goes on when the sockets have been looked at.
                yield_now().await;
            }
        }
    }

    fn next(&self) -> Option<Waker> {
        let next = self.waiting.borrow_mut().pop_front()?;
        self.first.set(self.first.get() + 1);
        Some(next)
    }
}

impl Turn {
    /// May more be moved now?
    pub(super) fn poll(&mut self, turns: &Turns, cx: &Context<'_>) -> Poll<()> {
        if self.moved < QUANTUM {
            return Poll::Ready(());
        }
        let (mut waiting, first) = (turns.waiting.borrow_mut(), turns.first.get());
        match self.number.map(|number| number.checked_sub(first)) {
            None => {
                self.number = Some(first + waiting.len() as u64);
                waiting.push_back(cx.waker().clone());
                turns.came.notify_one();
            }
            Some(Some(place)) => {
                if let Some(waker) = usize::try_from(place).ok().and_then(|place| waiting.get_mut(place)) {
                    waker.clone_from(cx.waker());
                }
            }
            Some(None) => {
                *self = Self::default();
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// So much has been moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::spawn_local;

    use super::*;

    fn may_move(turn: &mut Turn, turns: &Turns) -> bool {
        turn.poll(turns, &Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn who_has_moved_little_waits_for_nobody_and_the_others_have_their_turns_in_order() {
        let turns = Turns::default();
        let [mut little, mut first, mut gone, mut last] = [const { Turn { moved: QUANTUM - 1, number: None } }; 4];
        for turn in [&mut first, &mut gone, &mut last] {
            assert!(may_move(turn, &turns));
            turn.moved(1);
            assert!(!may_move(turn, &turns));
        }
        // One of them never comes again.
        assert!(may_move(&mut little, &turns) && !may_move(&mut first, &turns));
        turns.next().expect("the first");
        assert!(may_move(&mut first, &turns) && !may_move(&mut last, &turns));
        first.moved(QUANTUM);
        assert!(!may_move(&mut first, &turns), "it has had its turn");
        turns.next().expect("whoever has gone");
        turns.next().expect("the last");
        assert!(may_move(&mut last, &turns) && !may_move(&mut first, &turns));
        turns.next().expect("the first, once more");
        assert!(may_move(&mut first, &turns) && turns.next().is_none());
    }

    #[test]
    fn who_needs_little_waits_for_one_turn_however_many_need_much() {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime");
        runtime.block_on(async {
            let (turns, given) = (Rc::new(Turns::default()), Rc::new(Counter::default()));
            let (all, count) = (Rc::clone(&turns), Rc::clone(&given));
            spawn_local(async move { all.run(&count).await });
            for _ in 0..100 {
                let turns = Rc::clone(&turns);
                spawn_local(async move {
                    let mut turn = Turn::default();
                    loop {
                        poll_fn(|cx| turn.poll(&turns, cx)).await;
                        turn.moved(QUANTUM);
                    }
                });
            }
            while given.get() < 1000 {
                yield_now().await;
            }
            let (mut here, mut there) = UnixStream::pair().expect("two sockets");
            for _ in 0..100 {
                let before = given.get();
                here.write_all(b"x").await.expect("room");
                there.read_u8().await.expect("a byte");
                assert!(given.get() <= before + 2, "{}", given.get() - before);
            }
        });
    }
}
