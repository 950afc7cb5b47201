//! One row of the table: a stage of its own, the users' waves, the roll in between.

use std::fmt;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Scale;
use super::user::{self, User};
use crate::file::Policy;
use crate::requests::{Request, Requests};
use crate::stage::{self, Manner, NAMES, Setup, Stage};

/// How the instances are rolled, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    RoundRobin,
    Sticky,
    Drained,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Row {
    act: Act,
    /// How many requests there should have been.
    pub planned: usize,
    /// How many the proxy has answered, according to its access log.
    pub answered: usize,
    /// What the users counted.
    pub tally: Tally,
}

/// What users counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that they made.
    pub requests: usize,
    /// Users who lost their session.
    pub lost: usize,
    /// Answers that nobody should get, and answers that never came.
    pub errors: Vec<String>,
    /// Users who were served by several instances.
    pub moved: usize,
}

impl Act {
    pub(super) const ALL: [Self; 3] = [Self::RoundRobin, Self::Sticky, Self::Drained];

    pub(super) async fn play(self, scale: &Scale) -> anyhow::Result<Row> {
        let answered = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&answered);
        let count = move |_: Request| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let (stage, running) = Stage::open(Setup {
            port: 0,
            admin: false,
            policy: if self == Self::RoundRobin { Policy::RoundRobin } else { Policy::Sticky },
            observer: Arc::new(|_| ()),
            access_log: Box::new(Requests::new(count)),
        })
        .await?;
        let tally = self.visits(scale, &stage).await?;
        // The access log is complete once the proxy has ended.
        stage::end(running, std::future::pending()).await?;
        let planned = scale.users * (scale.requests + user::LOGIN_AND_LOGOUT);
        Ok(Row { act: self, planned, answered: answered.load(Ordering::Relaxed), tally })
    }

    /// One wave of users comes first, and then one during the replacement of each instance.
    async fn visits(self, scale: &Scale, stage: &Stage) -> anyhow::Result<Tally> {
        let mut visits = JoinSet::new();
        let waves = NAMES.len() + 1;
        let wave = |number: usize| number * scale.users / waves..(number + 1) * scale.users / waves;
        arrive(&mut visits, wave(0), scale.requests, stage.address()).await;
        for (name, number) in NAMES.into_iter().zip(1..) {
            let newcomers = arrive(&mut visits, wave(number), scale.requests, stage.address());
            let (replaced, ()) = tokio::join!(stage.replace(name, self.manner()), newcomers);
            replaced?;
        }
        let mut tally = Tally::default();
        while let Some(visit) = visits.join_next().await {
            tally += visit?;
        }
        Ok(tally)
    }

    fn manner(self) -> Manner {
        match self {
            Self::RoundRobin | Self::Sticky => Manner::AtOnce,
            Self::Drained => Manner::Drained(PATIENCE),
        }
    }
}

/// Users come in, one after the other.
async fn arrive(visits: &mut JoinSet<Tally>, users: std::ops::Range<usize>, requests: usize, address: SocketAddr) {
    for number in users {
        visits.spawn(User::new(number, address).visit(requests));
        sleep(BETWEEN_ARRIVALS).await;
    }
}

impl Row {
    /// What the row is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.act {
            Act::RoundRobin => "round robin",
            Act::Sticky => "sticky",
            Act::Drained => "sticky, with drains",
        }
    }

    /// Everything that should not be. Only the last row promises its users anything; the counts have to agree in each.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let Tally { requests, lost, errors, .. } = &self.tally;
        let mut complaints = Vec::new();
        if (*requests, self.answered) != (self.planned, self.planned) {
            let Self { planned, answered, .. } = self;
            complaints.push(format!("{planned} requests were planned, {requests} made and {answered} answered"));
        }
        if self.act == Act::Drained {
            if *lost > 0 {
                complaints.push(format!("{lost} users lost their sessions"));
            }
            if !errors.is_empty() {
                complaints.push(format!("{} errors", errors.len()));
            }
        }
        complaints
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, Tally { requests, lost, errors, moved }) = (self.name(), &self.tally);
        write!(f, "{name:24}{requests:>10}{lost:>15}{:>8}{moved:>8}", errors.len())
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.lost += other.lost;
        self.errors.extend(other.errors);
        self.moved += other.moved;
    }
}

/// Users stay for about a second, so that a dozen of them are there at any time.
const BETWEEN_ARRIVALS: Duration = Duration::from_millis(60);

/// How long an instance may drain: several times as long as any user stays.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_row_has_to_be_clean_but_every_count_has_to_agree() {
        let tally = Tally { requests: 10, lost: 1, errors: vec!["502".to_owned()], moved: 1 };
        let row = |act, answered| Row { act, planned: 10, answered, tally: tally.clone() };
        assert_eq!(row(Act::Sticky, 10).complaints(), Vec::<String>::new());
        assert_eq!(row(Act::Drained, 10).complaints(), ["1 users lost their sessions", "1 errors"]);
        assert_eq!(row(Act::RoundRobin, 9).complaints(), ["10 requests were planned, 10 made and 9 answered"]);
    }
}
