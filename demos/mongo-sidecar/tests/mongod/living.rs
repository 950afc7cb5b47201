use mongodb::bson::{DateTime, Document, doc};
use moorline_mongo_sidecar::{
    mongod::{Access, ask},
    observed::Peer,
};

use crate::support::{FIRST, Lab, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_set_follows_the_statefulset_up_and_down_with_its_primary_among_those_that_go() {
    let mut lab = Lab::formed(3).await;
    let id = lab.the_one_set().await;
    let client = lab.client().await;
    let documents = client.database("test").collection::<Document>("documents");
    documents.insert_one(doc! { "_id": 1 }).await.expect("written");

    lab.want(5).await;
    lab.start_sidecars();
    lab.in_step(5).await;
    let primary = lab.primary().expect("a primary");
    // Whoever it was, the last one takes over.
    let mut config =
        lab.command(primary, doc! { "replSetGetConfig": 1 }).await.get_document("config").expect("one").clone();
    for member in config.get_array_mut("members").expect("members") {
        let member = member.as_document_mut().expect("a member");
        if member.get_str("host").is_ok_and(|host| host == lab.host(5)) {
            member.insert("priority", 10);
        }
    }
    config.insert("version", config.get_i32("version").expect("a version") + 1);
    lab.command(primary, doc! { "replSetReconfig": config }).await;
    until("the last pod is primary", async || lab.kubernetes.labelled_primary() == Some(5)).await;

    lab.scale_down(3).await;
    lab.in_step(3).await;
    assert_eq!(lab.the_one_set().await, id);
    documents.insert_one(doc! { "_id": 2 }).await.expect("written");
    assert_eq!(documents.count_documents(doc! {}).await.expect("counted"), 2);
    client.shutdown().await;
    assert_eq!(lab.kubernetes.most_primaries(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_label_follows_the_primary_when_it_is_killed() {
    let mut lab = Lab::formed(3).await;
    let id = lab.the_one_set().await;
    let old = lab.primary().expect("a primary");
    lab.kill(old);
    until("somebody else is labelled", async || lab.kubernetes.labelled_primary().is_some_and(|new| new != old)).await;
    let labelled = DateTime::now();
    let new = lab.kubernetes.labelled_primary().expect("somebody");
    assert_eq!(lab.kubernetes.primaries(), [old, new]);
    let status = lab.command(new, doc! { "replSetGetStatus": 1 }).await;
    let election = status.get_document("electionCandidateMetrics").expect("it was elected");
    let elected = election.get_datetime("lastElectionDate").expect("a time");
    let lag = labelled.timestamp_millis() - elected.timestamp_millis();
    assert!((0..=2000).contains(&lag), "the label came {lag} ms after the election");
    assert_eq!(lab.kubernetes.most_primaries(), 1);
    lab.start(old);
    lab.in_step(3).await;
    assert_eq!(lab.the_one_set().await, id);
}

/// It is in the configuration still, so the others bring it back; what it must not do is to form a set of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_pod_comes_back_into_its_set_after_its_volume_was_lost() {
    let mut lab = Lab::formed(3).await;
    let id = lab.the_one_set().await;
    let client = lab.client().await;
    let documents = client.database("test").collection::<Document>("documents");
    documents.insert_one(doc! { "_id": 1 }).await.expect("written");
    lab.lose_volume(FIRST).await;
    lab.in_step(3).await;
    assert_eq!(lab.the_one_set().await, id);
    assert_eq!(documents.count_documents(doc! {}).await.expect("counted"), 1);
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pods_may_be_replaced_at_once() {
    let mut lab = Lab::formed(3).await;
    let id = lab.the_one_set().await;
    let client = lab.client().await;
    let documents = client.database("test").collection::<Document>("documents");
    documents.insert_one(doc! { "_id": 1 }).await.expect("written");
    for ordinal in 1..=3 {
        lab.kill(ordinal);
    }
    for ordinal in 1..=3 {
        lab.replace(ordinal).await;
        lab.start_sidecar(ordinal);
    }
    lab.in_step(3).await;
    assert_eq!(lab.the_one_set().await, id);
    assert_eq!(documents.count_documents(doc! {}).await.expect("counted"), 1);
    client.shutdown().await;
}

/// Two sets that were merged lose each other's data, or their majority.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_set_is_refused() {
    let mut lab = Lab::formed(3).await;
    let id = lab.the_one_set().await;
    lab.want_one_of_another_set(4).await;
    let primary = lab.primary().expect("a primary");
    lab.start_sidecars();
    lab.says(primary, "ForeignSet").await;
    // Its own sidecar knows that its set is not the one, and lets nobody take it for primary.
    lab.says(4, "OtherSetMarked").await;
    assert_eq!(lab.kubernetes.labels()["mongo-4"], None);
    assert!(lab.report(primary).needs_somebody);
    // Somebody has emptied its volume.
    lab.lose_volume(4).await;
    lab.in_step(4).await;
    assert_eq!(lab.the_one_set().await, id);
}

/// The pods of a StatefulSet have the same names in every set that they form, and its volumes outlive it.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_an_earlier_set_of_the_same_names_has_left_is_refused() {
    for removed in [false, true] {
        eprintln!("the volume's mongod had been removed from its set: {removed}");
        let mut lab = Lab::formed(3).await;
        let old = lab.the_one_set().await;
        let mut left = if removed { lab.scale_down(2).await } else { Vec::new() };
        left.append(&mut lab.begin_anew(2).await);
        let id = lab.the_one_set().await;
        assert_ne!(id, old);
        lab.want_one_with(left.pop().expect("a volume")).await;
        let peer = ask(&lab.host(3), &Access::default()).await;
        assert_eq!(peer == Peer::Outside { replica_set_id: old }, removed, "{peer:?}");
        let primary = lab.primary().expect("a primary");
        lab.says(primary, "ForeignSet").await;
        assert!(lab.report(primary).needs_somebody);
        // Somebody has emptied it.
        lab.lose_volume(3).await;
        lab.in_step(3).await;
        assert_eq!(lab.the_one_set().await, id);
    }
}

/// Where mongod knows users, and not ours: a new one is as good as any, a member does not say in which set it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_know_the_user_is_told_by_hello_alone() {
    let mut lab = Lab::of(2).await;
    lab.kubernetes.desire(1);
    lab.start_sidecar(FIRST);
    lab.in_step(1).await;
    let user = Some(("nobody".to_owned(), "knows".to_owned(), "admin".to_owned()));
    let access = Access { user, tls: None };
    let host = lab.host(FIRST);
    let withheld = Peer::InSet { me: host.clone(), hosts: vec![host.clone()], replica_set_id: None };
    assert_eq!(ask(&host, &access).await, withheld);
    assert_eq!(ask(&lab.host(2), &access).await, Peer::Free);
    let replica_set_id = lab.report(FIRST).replica_set_id;
    let member = Peer::InSet { me: host.clone(), hosts: vec![host.clone()], replica_set_id };
    assert_eq!(ask(&host, &Access::default()).await, member);
}

/// It is added when it answers, and nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_pod_is_not_added_and_holds_up_nobody() {
    let mut lab = Lab::formed(1).await;
    lab.want_one_that_is_down(2);
    lab.want(3).await;
    lab.start_sidecars();
    until("the third is a member", async || lab.report(3).member).await;
    lab.says(FIRST, "CandidateSilent").await;
    assert!(!lab.report(2).member);
    lab.start(2);
    lab.in_step(3).await;
}
