//! The stage for somebody to play on: says what is where and what to try, shows every request, does what is typed.

mod intro;

use std::io::{IsTerminal, Write, stdin, stdout};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use moorline::app::Running;
use moorline::config::args::LogArgs;
use moorline::telemetry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::browser;
use crate::command::{self, Command};
use crate::file::Policy;
use crate::line::Look;
use crate::requests::{Request, Requests, Users};
use crate::stage::{self, Manner, NAMES, Setup, Stage};

/// How the demo is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The port on 127.0.0.1 that clients connect to; 0 takes a free one.
    pub port: u16,
    /// Open the page in a browser?
    pub open: bool,
}

/// Runs until SIGTERM or SIGINT or, if there is a terminal to type at, until `quit`.
///
/// # Errors
/// If it cannot begin, with what to do about it.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    telemetry::install(&LogArgs { filter: "warn".to_owned(), format: None })?;
    // Before anybody is told that it listens: a signal from then on must not just kill the process.
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let look = Look::wanted(stdout().is_terminal());
    let users = Users::default();
    let observed = users.clone();
    let show = move |request: Request| say(&look.line(&request, users.take(&request.request_id).as_deref()));
    let (stage, running) = Stage::open(Setup {
        port: options.port,
        admin: true,
        policy: Policy::Sticky,
        observer: Arc::new(move |served| observed.observe(served)),
        access_log: Box::new(Requests::new(show)),
    })
    .await?;
    let typed = stdin().is_terminal().then(typed);
    say(&intro::text(&stage, typed.is_some()));
    if options.open {
        browser::open(intro::page(&stage), |why| say(&why));
    }
    say(&look.heading());
    watch(&Arc::new(stage), &running, typed, &mut signals).await;
    say("ending: requests under way are answered first, unless there is another signal");
    stage::end(running, signals.any()).await
}

/// Does what is typed, until the end is near.
async fn watch(stage: &Arc<Stage>, running: &Running, typed: Option<mpsc::Receiver<String>>, signals: &mut Signals) {
    let mut sweep = pin!(running.sweep());
    let mut typed = typed;
    let mut rolling = None;
    loop {
        let line = tokio::select! {
            () = &mut sweep => return,
            () = signals.any() => return,
            line = next(&mut typed) => line,
        };
        // No line: somebody pressed Ctrl-D.
        let Some(line) = line else { return };
        match line.parse() {
            _ if line.trim().is_empty() => {}
            Ok(Command::Quit) => return,
            Ok(command) => say(&answer(stage, command, &mut rolling).await),
            Err(error) => say(&error.to_string()),
        }
    }
}

async fn answer(stage: &Arc<Stage>, command: Command, rolling: &mut Option<JoinHandle<()>>) -> String {
    match command {
        Command::Do(verb, name) => verb.perform(stage, &name).await.unwrap_or_else(|error| error.to_string()),
        Command::Roll if rolling.as_ref().is_some_and(|rolling| !rolling.is_finished()) => {
            "it rolls already".to_owned()
        }
        Command::Roll => {
            // A task of its own: it takes as long as somebody is logged in, and meanwhile more may be typed.
            *rolling = Some(tokio::spawn(roll(Arc::clone(stage))));
            format!("rolling: each instance is replaced when its last session has ended, or after {PATIENCE:?}")
        }
        Command::Sessions => command::sessions(stage),
        Command::File => stage.file().trim_end().to_owned(),
        Command::Help | Command::Quit => command::HELP.to_owned(),
    }
}

async fn roll(stage: Arc<Stage>) {
    for name in NAMES {
        say(&format!("{name} drains"));
        match stage.replace(name, Manner::Drained(PATIENCE)).await {
            Ok(lost) => say(&format!("{name} is replaced; sessions lost: {lost}")),
            Err(error) => say(&format!("{name} could not be replaced: {error}")),
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Returns when either comes. Cancel safe.
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What is typed, line by line. The thread that reads it ends with the process: nothing can wake it.
fn typed() -> mpsc::Receiver<String> {
    let (tx, rx) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            if tx.blocking_send(line).is_err() {
                break;
            }
        }
    });
    rx
}

/// The next line; never, if there is no terminal.
async fn next(typed: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

/// Says something on standard output. If nobody reads it any more, the requests are served all the same.
fn say(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// How long a roll waits for the sessions of an instance.
const PATIENCE: Duration = Duration::from_secs(60);
