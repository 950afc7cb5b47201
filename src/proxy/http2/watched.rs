//! How many streams of a connection are under a limit of their own.
//!
//! ## Why they are counted
//! A stream is watched for as long as its request, its response or its tunnel passes through here. What is left after that is
//! hyper's to write, and hyper waits for a window or for room in the socket without an end. So the connection asks how many
//! streams are open on the wire: those beyond the ones that are watched have to move by themselves. Which they are nobody can
//! say, so as many as are watched and move may hide as many that do not; what they keep is bounded (`backlog`).

use std::cell::Cell;
use std::rc::Rc;

use super::super::watch::Watch;

/// The streams of one connection.
#[derive(Debug)]
pub(super) struct Watched {
    streams: Cell<usize>,
    connection: Rc<Watch>,
}

/// One of them, until it is watched no longer.
#[derive(Debug)]
pub(in crate::proxy) struct Stream(Rc<Watched>);

impl Watched {
    pub(super) fn new(connection: Rc<Watch>) -> Rc<Self> {
        Rc::new(Self { streams: Cell::default(), connection })
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Another one begins.
    pub(super) fn begin(self: &Rc<Self>) -> Rc<Stream> {
        self.streams.set(self.streams.get() + 1);
        Rc::new(Stream(Rc::clone(self)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Self(watched) = self;
        watched.streams.set(watched.streams.get() - 1);
        // Its last frames may wait for something that never comes.
        watched.connection.wake();
    }
}
