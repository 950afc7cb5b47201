use mongodb::bson::{Document, doc};

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
    let new = lab.kubernetes.labelled_primary().expect("somebody");
    assert_eq!(lab.kubernetes.primaries(), [old, new]);
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
    for ordinal in 1..=3 {
        lab.kill(ordinal);
    }
    for ordinal in 1..=3 {
        lab.restart(ordinal, true).await;
        lab.start_sidecar(ordinal);
    }
    lab.in_step(3).await;
    assert_eq!(lab.the_one_set().await, id);
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
