//! The way to the file: a thread that owns it, and a bounded queue in front.
//!
//! A disk that hangs holds up that thread and nobody else. Who waits for it gives up after a while, and what they asked for
//! may be done later.

use std::{io, thread, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{error, info};

use crate::{
    file::{FileSettings, LogFile},
    line::Entry,
};

/// A handle to the thread; it ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    orders: mpsc::Sender<Order>,
}

/// Why something is not in the file, or cannot be read from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("the disk does not answer")]
    Stuck,
    #[error("{0}")]
    File(#[from] io::Error),
}

#[derive(Debug)]
enum Order {
    Append(Entry, oneshot::Sender<io::Result<String>>),
    Tail(usize, oneshot::Sender<io::Result<String>>),
    Probe(oneshot::Sender<io::Result<()>>),
}

impl Journal {
    /// Starts the thread. Whether the file can be written, the first line tells.
    pub(crate) fn start(settings: FileSettings) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let keeper = Keeper { file: LogFile::new(settings), missing: None, latest: Timestamp::UNIX_EPOCH };
        thread::Builder::new().name("journal".to_owned()).spawn(move || keeper.run(queue))?;
        Ok(Self { orders })
    }

    /// Writes an entry. Returns its line, which is in the file then.
    pub(crate) async fn append(&self, entry: Entry) -> Result<String, JournalError> {
        self.order(|answer| Order::Append(entry, answer)).await
    }

    /// The last lines, as text.
    pub(crate) async fn tail(&self, lines: usize) -> Result<String, JournalError> {
        self.order(|answer| Order::Tail(lines, answer)).await
    }

    /// Can the file be written? If a line has failed, one of its length is tried: there is no other way to know.
    pub(crate) async fn probe(&self) -> Result<(), JournalError> {
        self.order(Order::Probe).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Order) -> Result<T, JournalError> {
        let (tx, rx) = oneshot::channel();
        let answered = timeout(PATIENCE, async {
            // If the thread is gone, nobody answers either.
            let _ = self.orders.send(order(tx)).await;
            rx.await
        });
        match answered.await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) | Err(_) => Err(JournalError::Stuck),
        }
    }
}

/// What the thread has.
struct Keeper {
    file: LogFile,
    /// How long the longest line was that failed, since lines fail. A shorter one that fits proves nothing.
    missing: Option<usize>,
    /// The time of the last line.
    latest: Timestamp,
}

impl Keeper {
    fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        // Whoever has given up does not hear the answer.
        while let Some(order) = queue.blocking_recv() {
            match order {
                Order::Append(entry, answer) => drop(answer.send(self.append(&entry))),
                Order::Tail(lines, answer) => drop(answer.send(self.file.tail(lines, TAIL_BYTES))),
                Order::Probe(answer) => drop(answer.send(self.probe())),
            }
        }
    }

    fn append(&mut self, entry: &Entry) -> io::Result<String> {
        // The time of writing, not of asking: lines stand in the order of their times, even if the clock is set back.
        self.latest = self.latest.max(Timestamp::now());
        let line = entry.line(self.latest);
        match self.file.append(&line) {
            Ok(()) => Ok(line),
            Err(error) => {
                if self.missing.is_none() {
                    error!(%error, "the log cannot be written");
                }
                self.missing = self.missing.max(Some(line.len()));
                Err(error)
            }
        }
    }

    fn probe(&mut self) -> io::Result<()> {
        let Some(missing) = self.missing else { return Ok(()) };
        self.file.rehearse(missing)?;
        self.append(&Entry::Recovered)?;
        self.missing = None;
        info!("the log can be written again");
        Ok(())
    }
}

/// Orders that wait. More of them wait to be let into the queue, one for each connection at most.
const QUEUE: usize = 64;

/// How long somebody waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of the file is read at a time.
const TAIL_BYTES: usize = 1 << 20;
