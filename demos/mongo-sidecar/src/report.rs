//! What is shown of a cycle to people, probes and Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    cycle::Outcome,
    decision::Decision,
    labels::Role,
    observed::{Desired, Identity, Observed, StatusReply},
};

/// A cycle, as `/status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When it ended.
    #[serde(skip)]
    pub at: Instant,
    /// When it looked around, in milliseconds since 1970: what it tells of is from then or later.
    pub began_unix_ms: u64,
    /// How many there have been.
    pub cycles: u64,
    /// Whose.
    pub pod: String,
    /// Its host in the configuration.
    pub host: String,
    /// Nothing is changed.
    pub dry_run: bool,
    /// What mongod says that it is.
    pub role: Option<&'static str>,
    /// Whether mongod is in the set.
    pub member: bool,
    /// What was decided, in a word.
    pub state: String,
    /// The same in a sentence.
    pub message: String,
    /// It will not end by itself.
    pub needs_somebody: bool,
    /// It may be over in a second.
    #[serde(skip)]
    pub brief: bool,
    /// Something was done.
    #[serde(skip)]
    pub acted: bool,
    /// This pod is to end.
    pub leaving: bool,
    /// Nothing of this pod is left that its end could disturb.
    pub may_stop: bool,
    /// The set's id, as far as this member knows.
    pub replica_set_id: Option<String>,
    /// The election term.
    pub term: Option<i64>,
    /// How many members vote.
    pub voting_members: Option<usize>,
    /// The members, and whether they serve.
    pub members: Vec<ReportedMember>,
    /// How many are wanted.
    pub wanted: Option<u32>,
    /// What is allowed but not good.
    pub warnings: Vec<String>,
    /// What failed in this cycle.
    pub errors: Vec<String>,
}

/// One member.
#[derive(Clone, Debug, Serialize)]
pub struct ReportedMember {
    /// Its host.
    pub host: String,
    /// It answers and has the data.
    pub healthy: bool,
}

impl Report {
    /// Before the first cycle.
    #[must_use]
    pub fn starting(pod: &str, message: &str, errors: Vec<String>) -> Self {
        Self {
            at: Instant::now(),
            began_unix_ms: 0,
            cycles: 0,
            pod: pod.to_owned(),
            host: String::new(),
            dry_run: false,
            role: None,
            member: false,
            state: "Starting".to_owned(),
            message: message.to_owned(),
            needs_somebody: false,
            brief: true,
            acted: false,
            leaving: false,
            may_stop: false,
            replica_set_id: None,
            term: None,
            voting_members: None,
            members: Vec::new(),
            wanted: None,
            warnings: Vec::new(),
            errors,
        }
    }

    /// Of a cycle.
    #[must_use]
    pub fn of(who: &Identity, dry_run: bool, began: SystemTime, cycles: u64, outcome: &Outcome) -> Self {
        let seen = &outcome.seen;
        let status = if let StatusReply::Member(status) = &seen.status { Some(status) } else { None };
        let desired = seen.cluster.as_ref().and_then(|cluster| cluster.desired);
        let leaving = is_leaving(who, seen);
        let member = status.is_some();
        let (state, message, needs_somebody, brief) = summary(&outcome.decision);
        // A clock before 1970 is wrong, and so would be any other answer.
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            began_unix_ms: u64::try_from(began).unwrap_or(u64::MAX),
            cycles,
            host: who.host(),
            dry_run,
            role: role(seen),
            member,
            state,
            needs_somebody,
            // A label is what clients go by: one that could not be written is tried again soon.
            brief: brief || !outcome.labelled,
            acted: outcome.done,
            leaving,
            may_stop: may_stop(who, seen, desired, leaving && (outcome.labelled || dry_run), member),
            replica_set_id: seen.config.as_ref().map(|config| config.replica_set_id.clone()),
            term: status.map(|status| status.term),
            voting_members: status.map(|status| status.voting_members),
            members: status.iter().flat_map(|status| &status.members).map(reported).collect(),
            wanted: desired.map(|desired| desired.replicas),
            warnings: warnings(seen),
            ..Self::starting(&who.pod(who.ordinal), &message, outcome.errors.clone())
        }
    }

    /// Whether mongod can be read from, at least.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.role.is_some()
    }
}

fn reported(member: &crate::observed::MemberStatus) -> ReportedMember {
    ReportedMember { host: member.host.clone(), healthy: member.healthy }
}

fn role(seen: &Observed) -> Option<&'static str> {
    let hello = seen.hello.as_ref()?;
    match (hello.primary, hello.secondary) {
        (true, _) => Some(Role::Primary.as_str()),
        (_, true) => Some(Role::Replica.as_str()),
        _ => None,
    }
}

fn summary(decision: &Decision) -> (String, String, bool, bool) {
    match decision {
        Decision::Ask(_) => ("Ask".to_owned(), "peers have to be asked".to_owned(), false, true),
        Decision::Do(action) => (action.code().to_owned(), action.to_string(), false, true),
        Decision::Wait(reason) => (reason.code(), reason.to_string(), reason.needs_somebody(), reason.is_brief()),
    }
}

fn is_leaving(who: &Identity, seen: &Observed) -> bool {
    let mut pods = seen.cluster.iter().flat_map(|cluster| &cluster.pods);
    pods.any(|pod| pod.uid == who.uid && pod.terminating)
}

/// A pod that will be back may stop once it has no label: mongod itself hands the primary's part over. One that will not
/// be back may stop when it is no member any more. Without Kubernetes nobody knows, and nobody is kept.
fn may_stop(who: &Identity, seen: &Observed, desired: Option<Desired>, unlabelled: bool, member: bool) -> bool {
    let comes_back = desired.is_none_or(|desired| desired.replicas == 0 || desired.wants(who.ordinal));
    seen.cluster.is_none() || unlabelled && (comes_back || !member)
}

fn warnings(seen: &Observed) -> Vec<String> {
    let voters = seen.config.as_ref().map_or(1, crate::observed::Config::voters);
    let even = voters.is_multiple_of(2);
    even.then(|| format!("{voters} members vote: that survives no more failures than {} would", voters - 1))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decision::Reason, fixture::World};

    fn report(spoil: impl FnOnce(&mut World)) -> Report {
        after(spoil, true)
    }

    fn after(spoil: impl FnOnce(&mut World), labelled: bool) -> Report {
        let mut world = World::in_step(3);
        spoil(&mut world);
        let decision = Decision::Wait(Reason::InStep);
        let outcome = Outcome { seen: world.seen, decision, done: false, labelled, errors: Vec::new() };
        Report::of(&world.who, false, UNIX_EPOCH, 1, &outcome)
    }

    #[test]
    fn a_label_that_could_not_be_written_is_tried_again_soon() {
        assert!(!after(|_| {}, true).brief);
        assert!(after(|_| {}, false).brief);
    }

    #[test]
    fn a_pod_that_will_be_back_may_stop_at_once() {
        assert!(!report(|_| {}).may_stop, "nobody wants it to");
        assert!(report(|world| world.cluster().pods[0].terminating = true).may_stop);
    }

    #[test]
    fn a_pod_that_will_not_be_back_may_stop_when_it_is_no_member_any_more() {
        let last = |world: &mut World| {
            world.i_am(2);
            world.desire(2);
            world.cluster().pods[2].terminating = true;
        };
        assert!(!report(last).may_stop);
        let removed = report(|world| {
            last(world);
            world.seen.status = StatusReply::InvalidConfig;
        });
        assert!(removed.may_stop);
    }

    #[test]
    fn nobody_is_kept_by_a_cluster_that_is_silent_or_going() {
        let last = |world: &mut World| {
            world.i_am(2);
            world.desire(0);
            world.cluster().pods[2].terminating = true;
        };
        assert!(report(last).may_stop);
        assert!(report(|world| world.seen.cluster = None).may_stop);
        let deleted = report(|world| {
            last(world);
            world.cluster().desired = None;
        });
        assert!(deleted.may_stop);
    }

    #[test]
    fn an_even_number_of_votes_is_warned_of() {
        assert!(report(|_| {}).warnings.is_empty());
        let even = report(|world| world.members(&[0, 1, 2, 3]));
        assert_eq!(even.warnings, ["4 members vote: that survives no more failures than 3 would"]);
    }
}
