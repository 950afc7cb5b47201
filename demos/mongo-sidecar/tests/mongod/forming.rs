use std::sync::Arc;

use mongodb::bson::doc;
use moorline_mongo_sidecar::{cycle::Outcome, decision::Decision, observed::Marker};

use crate::support::{FIRST, Lab, Write, soon, until};

#[tokio::test(flavor = "multi_thread")]
async fn three_empty_mongods_become_one_set() {
    let lab = Lab::formed(3).await;
    lab.the_one_set().await;
    assert_eq!(lab.kubernetes.ids().len(), 1);
    assert_eq!(lab.kubernetes.most_primaries(), 1);
    let config = lab.command(FIRST, doc! { "replSetGetConfig": 1 }).await;
    let config = config.get_document("config").expect("a configuration");
    let members = config.get_array("members").expect("members").iter().map(|member| member.as_document().expect("one"));
    let hosts: Vec<_> = members.map(|member| member.get_str("host").expect("a host").to_owned()).collect();
    assert_eq!(hosts, [lab.host(1), lab.host(2), lab.host(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let mut lab = Lab::of(1).await;
    lab.dry_run();
    lab.start_sidecars();
    lab.says(FIRST, "ClaimMarker").await;
    let cycles = lab.report(FIRST).cycles;
    until("it goes on", async || lab.report(FIRST).cycles > cycles + 2).await;
    assert_eq!(lab.report(FIRST).state, "ClaimMarker");
    assert_eq!(lab.kubernetes.marker(), None);
    assert_eq!(lab.kubernetes.labels()["mongo-1"], None);
}

/// Twenty times: at each step the first pod's sidecar is killed, while it does that step or when it has done it; alone, or
/// with its mongod, as a pod that is replaced and keeps its volume. What was under way takes effect later, when the sidecar
/// is there again, or is lost with the pod.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_at_any_step_of_forming_the_set_leaves_one_set() {
    let cases = [false, true].map(|half_way| [false, true].map(|whole_pod| (half_way, whole_pod)));
    for (step, action) in STEPS.into_iter().enumerate() {
        for (half_way, whole_pod) in cases.concat() {
            eprintln!("killed at {action}, half way: {half_way}, the whole pod: {whole_pod}");
            let mut lab = Lab::of(3).await;
            reach(&lab, step).await;
            let mut under_way = None;
            if half_way {
                under_way = kill_within(&lab, action).await;
            } else {
                assert_eq!(done(&lab.sidecar(FIRST, &Arc::default()).cycle().await), Some(action));
            }
            if whole_pod {
                lab.replace(FIRST).await;
            }
            lab.start_sidecars();
            if let (Some((seen, marker)), false) = (under_way, whole_pod) {
                // Refused if the new sidecar has been faster.
                let _ = lab.kubernetes.arrives(seen.as_ref(), &marker);
            }
            lab.in_step(3).await;
            lab.the_one_set().await;
            assert_eq!(lab.kubernetes.ids().len(), 1);
        }
    }
}

/// Kills the first pod's sidecar when it has begun this action, and before that takes effect. A command is with mongod, which
/// carries it out in a while; a write of the marker is returned.
async fn kill_within(lab: &Lab, action: &str) -> Option<Write> {
    let command = match action {
        "Initiate" => Some("replSetInitiate"),
        "Add" => Some("replSetReconfig"),
        _ => None,
    };
    let sidecar = lab.sidecar(FIRST, &Arc::default());
    let cycle = async move { sidecar.cycle().await };
    let (cycle, write) = if let Some(command) = command {
        lab.hold_command(FIRST, command).await;
        let cycle = tokio::spawn(cycle);
        soon("mongod has the command", lab.holds_command(FIRST)).await;
        (cycle, None)
    } else {
        let write = lab.kubernetes.hold_write();
        let cycle = tokio::spawn(cycle);
        let write = soon("the marker is about to be written", write).await.expect("it is sent");
        assert_eq!(matches!(write.1, Marker::Pending { .. }), action == "ClaimMarker");
        (cycle, Some(write))
    };
    cycle.abort();
    let killed = cycle.await.expect_err("it has not come to its end");
    assert!(killed.is_cancelled(), "{killed}");
    write
}

/// Lets the first pod's sidecar do so many steps, and waits until the next one is what it would do now.
async fn reach(lab: &Lab, steps: usize) {
    let sidecar = lab.sidecar(FIRST, &Arc::default());
    let mut taken = Vec::new();
    let all = async {
        while taken.len() < steps {
            taken.extend(done(&sidecar.cycle().await));
        }
    };
    soon("the steps before", all).await;
    assert_eq!(taken, STEPS[..steps]);
    let next = async {
        loop {
            let outcome = lab.rehearsal(FIRST).cycle().await;
            if matches!(&outcome.decision, Decision::Do(action) if action.code() == STEPS[steps]) {
                return;
            }
        }
    };
    soon("the next step", next).await;
}

fn done(outcome: &Outcome) -> Option<&'static str> {
    match &outcome.decision {
        Decision::Do(action) if outcome.done => Some(action.code()),
        _ => None,
    }
}

/// What the first pod's sidecar does to form a set of three.
const STEPS: [&str; 5] = ["ClaimMarker", "Initiate", "SettleMarker", "Add", "Add"];

/// A peer that does not answer may have a set.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_formed_while_a_peer_is_silent() {
    let mut lab = Lab::of(3).await;
    lab.kill(3);
    lab.start_sidecars();
    lab.says(FIRST, "PeerSilent").await;
    assert_eq!(lab.kubernetes.marker(), None);
    lab.start(3);
    lab.in_step(3).await;
    lab.the_one_set().await;
}

/// Somebody has formed a set on the second pod by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_a_set_is_what_the_first_pod_waits_for() {
    let mut lab = Lab::of(3).await;
    let config = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": lab.host(2) }],
    "settings": { "electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300 } };
    lab.command(2, doc! { "replSetInitiate": config }).await;
    lab.start_sidecar(1);
    lab.says(1, "PeerHasSet").await;
    // Its own sidecar adopts it and takes the others in.
    lab.start_sidecars();
    lab.in_step(3).await;
    lab.the_one_set().await;
}

/// "8 voting members" is what MongoDB refuses.
#[tokio::test(flavor = "multi_thread")]
async fn of_eight_members_seven_vote() {
    let mut lab = Lab::of(8).await;
    lab.start_sidecars();
    until("eight are members", async || {
        lab.primary().map(|primary| lab.report(primary)).is_some_and(|report| {
            report.state == "InStep" && report.members.len() == 8 && report.members.iter().all(|member| member.healthy)
        })
    })
    .await;
    let primary = lab.primary().expect("a primary");
    assert_eq!(lab.report(primary).voting_members, Some(7));
    lab.the_one_set().await;
}
