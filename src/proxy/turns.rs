//! Whose turn it is to move much.
//!
//! ## Why
//! A worker does one thing at a time. What flows freely always has something to do: a handful of large bodies would have the
//! worker to themselves, and a request that takes no time would wait for seconds. So whoever has moved a [`QUANTUM`] waits for its
//! turn. What has come between two looks at the sockets goes before it: whoever needs little waits for a quantum, however many need
//! much.
//!
//! ## Why there may be several
//! Where those who need little keep the worker busy themselves, a look may take long to come, and one quantum would be all that
//! is moved meanwhile. So there is one more for each [`SHARE`] of time that they have taken since the last look, up to [`MOST`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::connection::BODY_BUFFER;
use super::metrics::Counter;
use crate::routing::Millis;

/// So much is moved in a turn, and before the first: what is read at a time.
pub(super) const QUANTUM: usize = BODY_BUFFER;

/// What a quantum takes, with room for TLS and for slower cores than the one on which it is some 50 µs. It is no time of the others.
const TAKES: Duration = Duration::from_micros(100);
/// For each of these that the others take a turn is given: about a fifth of the time.
const SHARE: Duration = Duration::from_micros(250);
/// No more than so many at a time.
const MOST: usize = 16;
/// What has taken longer than this to come to a quantum is not much.
const LITTLE: u64 = 1_000;

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
    /// When that began.
    since: Millis,
    number: Option<u64>,
}

impl Turns {
    /// Gives one turn after the other, for ever, and counts them.
    pub(super) async fn run(&self, given: &Counter) {
        loop {
            self.came.notified().await;
            let (mut looked, mut turns) = (Instant::now(), 1);
            loop {
                let moving = self.give(turns, given);
                if moving == 0 {
                    break;
                }
                // Goes on when the sockets have been looked at.
                yield_now().await;
                let now = Instant::now();
                turns = turns_after(now.saturating_duration_since(looked), moving);
                looked = now;
            }
        }
    }

    /// Gives so many turns, as far as somebody waits. How many? Whoever has gone has had one, too: it costs a look.
    fn give(&self, turns: usize, given: &Counter) -> u32 {
        let mut moving = 0;
        for next in (0..turns).map_while(|_| self.next()) {
            moving += 1;
            given.inc();
            next.wake();
        }
        moving
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

    /// So much has been moved, at this time.
    pub(super) fn moved(&mut self, bytes: usize, now: Millis) {
        if now.0.saturating_sub(self.since.0) > LITTLE {
            (self.moved, self.since) = (0, now);
        }
        self.moved += bytes;
    }
}

/// How many turns there are when the last look is so long ago, and so many have moved since.
fn turns_after(look: Duration, moving: u32) -> usize {
    let others = look.saturating_sub(TAKES * moving);
    usize::try_from(1 + others.as_micros() / SHARE.as_micros()).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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
        let [mut little, mut first, mut gone, mut last] =
            [const { Turn { moved: QUANTUM - 1, since: Millis(0), number: None } }; 4];
        for turn in [&mut first, &mut gone, &mut last] {
            assert!(may_move(turn, &turns));
            turn.moved(1, Millis(0));
            assert!(!may_move(turn, &turns));
        }
        // One of them never comes again.
        assert!(may_move(&mut little, &turns) && !may_move(&mut first, &turns));
        turns.next().expect("the first");
        assert!(may_move(&mut first, &turns) && !may_move(&mut last, &turns));
        first.moved(QUANTUM, Millis(0));
        assert!(!may_move(&mut first, &turns), "it has had its turn");
        turns.next().expect("whoever has gone");
        turns.next().expect("the last");
        assert!(may_move(&mut last, &turns) && !may_move(&mut first, &turns));
        turns.next().expect("the first, once more");
        assert!(may_move(&mut first, &turns) && turns.next().is_none());
    }

    #[test]
    fn what_comes_slowly_is_not_much() {
        let (turns, mut turn) = (Turns::default(), Turn::default());
        for second in 1..100 {
            turn.moved(QUANTUM / 2, Millis(2_000 * second));
            assert!(may_move(&mut turn, &turns));
        }
        turn.moved(QUANTUM / 2, Millis(200_000 - 1_500));
        assert!(!may_move(&mut turn, &turns));
    }

    #[test]
    fn there_are_more_turns_where_the_others_take_long() {
        for (micros, turns) in [(0, 1), (50, 1), (349, 1), (350, 2), (1_100, 5), (3_850, 16), (u64::MAX, 16)] {
            assert_eq!(turns_after(Duration::from_micros(micros), 1), turns, "{micros} µs");
        }
        // Not where it is the quanta that do.
        assert_eq!(turns_after(Duration::from_micros(16 * 100 + 249), 16), 1);
    }

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_asked_last_is_woken() {
        let (turns, mut turn) = (Turns::default(), Turn { moved: QUANTUM, ..Turn::default() });
        let wakers: [Arc<Woken>; 2] = std::array::from_fn(|_| Arc::new(Woken(AtomicUsize::new(0))));
        for woken in &wakers {
            let waker = Waker::from(Arc::clone(woken));
            assert!(turn.poll(&turns, &Context::from_waker(&waker)).is_pending());
        }
        turns.next().expect("it waits").wake();
        assert_eq!(wakers.map(|woken| woken.0.load(Ordering::SeqCst)), [0, 1]);
    }

    #[test]
    fn who_needs_little_waits_for_few_turns_however_many_need_much() {
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
                        turn.moved(QUANTUM, Millis(0));
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
                // Two looks; several turns each time only where this machine has stood still.
                assert!(given.get() <= before + 2 * MOST as u64, "{}", given.get() - before);
            }
        });
    }
}
