//! Before there is a set.

use super::*;

#[test]
fn the_first_pod_forms_the_set_alone_and_claims_it_first() {
    let asked = |world: &mut World| world.answers(&[(1, Peer::Free), (2, Peer::Free)]);
    check(|world| world.is_new(), &Decision::Ask(vec![1, 2]));
    check(
        |world| {
            world.is_new();
            asked(world);
        },
        &Decision::Do(Action::ClaimMarker),
    );
    check(
        |world| {
            world.is_new();
            asked(world);
            world.cluster().marker = Some(Marker::Pending { uid: "uid-0".into() });
        },
        &Decision::Do(Action::Initiate),
    );
    // Its own marker is not: the peers are asked again, a restart later.
    check(
        |world| {
            world.is_new();
            world.cluster().marker = Some(Marker::Pending { uid: "uid-0".into() });
        },
        &Decision::Ask(vec![1, 2]),
    );
    // An earlier pod of this name had claimed it.
    check(
        |world| {
            world.is_new();
            asked(world);
            world.cluster().marker = Some(Marker::Pending { uid: "uid-before".into() });
        },
        &Decision::Do(Action::ClaimMarker),
    );
}

#[test]
fn the_other_pods_wait_to_be_added() {
    check(
        |world| {
            world.is_new();
            world.i_am(1);
        },
        &wait(Reason::WaitingToBeAdded),
    );
}

#[test]
fn the_first_pod_is_the_one_with_the_lowest_ordinal_that_is_wanted() {
    check(
        |world| {
            world.is_new();
            world.i_am(1);
            world.cluster().desired.as_mut().expect("a set").start = 1;
            world.cluster().pods = [1, 2, 3].map(pod).to_vec();
            world.answers(&[(2, Peer::Free), (3, Peer::Free)]);
        },
        &Decision::Do(Action::ClaimMarker),
    );
}

/// Code 94 on ordinal 0 though there is a set: bitnami's and sclorg's charts formed a second one here.
#[test]
fn a_first_pod_that_lost_its_volume_forms_no_second_set() {
    let settled = Some(Marker::Settled { replica_set_id: "set-a".into() });
    check(
        |world| {
            world.is_new();
            world.cluster().marker = settled;
            world.answers(&[(1, Peer::Free), (2, Peer::Free)]);
        },
        &wait(Reason::DataLost),
    );
    // Without a marker: the set was formed by somebody else's sidecar.
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, Peer::Unreachable), (2, World::in_our_set(2))]);
        },
        &wait(Reason::PeerHasSet { pod: "mongo-2".into() }),
    );
}

/// It was removed from its set, or does not find its address there (any more): its data may be all that is left.
#[test]
fn a_peer_with_data_keeps_the_first_pod_from_forming_a_set() {
    let has_data = Reason::PeerHasData { pod: "mongo-1".into() };
    assert!(has_data.needs_somebody());
    let outside = Peer::Outside { replica_set_id: "set-b".into() };
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, outside.clone()), (2, Peer::Free)]);
        },
        &wait(has_data),
    );
    // One that is in a set is the better answer: it may bring the first pod back.
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, outside), (2, World::in_our_set(2))]);
        },
        &wait(Reason::PeerHasSet { pod: "mongo-2".into() }),
    );
}

/// Code 74, and worse: an unreachable peer may have a set.
#[test]
fn a_silent_peer_keeps_the_first_pod_from_forming_a_set() {
    let silent = |pod: &str| wait(Reason::PeerSilent { pod: pod.into() });
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, Peer::Free), (2, Peer::Unreachable)]);
        },
        &silent("mongo-2"),
    );
    let is_starting = |world: &mut World| {
        world.is_new();
        world.answers(&[(2, Peer::Free)]);
        world.cluster().pods[1].running = false;
    };
    check(is_starting, &silent("mongo-1"));
    let is_missing = |world: &mut World| {
        world.is_new();
        world.answers(&[(1, Peer::Free)]);
        world.cluster().pods.pop();
    };
    check(is_missing, &silent("mongo-2"));
    // With OrderedReady it comes only when this one is ready.
    check(
        |world| {
            is_missing(world);
            world.cluster().desired.as_mut().expect("a set").ordered = true;
        },
        &Decision::Do(Action::ClaimMarker),
    );
    // On its way out is still there.
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, Peer::Free)]);
            world.cluster().pods[2].terminating = true;
        },
        &Decision::Ask(vec![2]),
    );
    check(
        |world| {
            world.is_new();
            world.answers(&[(1, Peer::NotReplicaSetMode), (2, Peer::Free)]);
        },
        &wait(Reason::CandidateNotReplicaSetMode { host: host(1) }),
    );
}

/// Its node was lost, it was deleted by force, and it runs on.
#[test]
fn a_pod_that_was_replaced_keeps_still() {
    for spoil in [World::is_new, |_: &mut World| {}] {
        check(
            |world| {
                spoil(world);
                world.cluster().pods[0].uid = "uid-after".into();
            },
            &wait(Reason::Superseded),
        );
        check(
            |world| {
                spoil(world);
                world.cluster().pods.remove(0);
            },
            &wait(Reason::Superseded),
        );
    }
}

/// Code 23 is "somebody has": by then the status says that there is a set, and it only has to be written down.
#[test]
fn a_set_without_its_marker_gets_it_before_its_second_member() {
    let settle = Decision::Do(Action::SettleMarker { replica_set_id: "set-a".into() });
    for marker in
        [None, Some(Marker::Pending { uid: "uid-0".into() }), Some(Marker::Pending { uid: "uid-before".into() })]
    {
        check(
            |world| {
                world.cluster().marker = marker;
                world.members(&[0]);
            },
            &settle,
        );
    }
    check(
        |world| world.cluster().marker = Some(Marker::Settled { replica_set_id: "set-b".into() }),
        &wait(Reason::OtherSetMarked),
    );
}
