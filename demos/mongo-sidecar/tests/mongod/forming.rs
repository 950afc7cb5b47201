use std::{sync::Arc, time::Duration};

use mongodb::bson::doc;
use tokio::{sync::Notify, time::sleep};

use crate::support::{FIRST, Lab, until};

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

/// Twenty times: the first pod's sidecar is killed in the middle of its Nth cycle, in every other run together with its mongod
/// as a new pod with the same volume.
#[tokio::test(flavor = "multi_thread")]
async fn restarts_at_every_step_of_forming_the_set_leave_one_set() {
    for run in 0..20 {
        let mut lab = Lab::of(3).await;
        let wake = Arc::new(Notify::new());
        for _ in 0..run / 2 {
            for ordinal in 1..=3 {
                lab.sidecar(ordinal, &wake).cycle().await;
            }
        }
        let killed = lab.sidecar(FIRST, &wake);
        let cycle = tokio::spawn(async move { killed.cycle().await });
        // Not to wait for something, but to be early or late.
        sleep(Duration::from_millis(run % 7 * 3)).await;
        cycle.abort();
        lab.restart(FIRST, run % 2 == 0).await;
        lab.start_sidecars();
        lab.in_step(3).await;
        lab.the_one_set().await;
        assert_eq!(lab.kubernetes.ids().len(), 1, "run {run}");
    }
}

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
