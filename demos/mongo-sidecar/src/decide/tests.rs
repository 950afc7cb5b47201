//! Every failure that is known of sidecars like this one, as a row. A world starts out well; a row spoils it.

use super::*;
use crate::{
    decision::{Action, Change},
    fixture::{World, host, pod},
    observed::{Marker, Member, Peer, StatusReply},
};

fn check(spoil: impl FnOnce(&mut World), expected: &Decision) {
    let mut world = World::in_step(3);
    spoil(&mut world);
    assert_eq!(decide(&world.who, &world.seen), *expected, "{:#?}", world.seen);
}

fn wait(reason: Reason) -> Decision {
    Decision::Wait(reason)
}

fn change(change: Change) -> Decision {
    Decision::Do(Action::Reconfigure(change))
}

fn add(ordinal: u32) -> Decision {
    change(Change::Add { host: host(ordinal), votes: true })
}

fn remove(ordinal: u32) -> Decision {
    change(Change::Remove { host: host(ordinal) })
}

#[test]
fn a_set_in_step_is_left_alone() {
    check(|_| {}, &wait(Reason::InStep));
    check(|world| world.follows(), &wait(Reason::Following));
}

#[test]
fn nothing_is_done_blindly() {
    check(|world| world.seen.hello = None, &wait(Reason::MongodUnreachable));
    check(|world| world.hello().replica_set_mode = false, &wait(Reason::NotReplicaSetMode));
    check(|world| world.seen.cluster = None, &wait(Reason::KubernetesUnreachable));
    check(|world| world.seen.config = None, &wait(Reason::ConfigUnreadable));
    check(|world| world.seen.status = StatusReply::Unauthorized, &wait(Reason::Unauthorized));
    check(|world| world.seen.status = StatusReply::Failed("boom".into()), &wait(Reason::StatusFailed("boom".into())));
    check(|world| world.cluster().desired = None, &wait(Reason::NoStatefulSet));
    check(|world| world.scale(0), &wait(Reason::ScaledToZero));
}

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

/// Code 93. The predecessor forced its way back in.
#[test]
fn a_removed_member_never_forces_its_way_back() {
    check(
        |world| {
            world.seen.status = StatusReply::InvalidConfig;
            world.members(&[1, 2]);
        },
        &wait(Reason::Removed),
    );
    check(|world| world.seen.status = StatusReply::InvalidConfig, &wait(Reason::AddressMismatch));
    check(
        |world| {
            world.seen.status = StatusReply::InvalidConfig;
            world.seen.config = None;
        },
        &wait(Reason::AddressMismatch),
    );
}

#[test]
fn members_are_added_one_by_one_from_the_lowest_on() {
    check(|world| world.members(&[0]), &Decision::Ask(vec![1, 2]));
    check(
        |world| {
            world.members(&[0]);
            world.answers(&[(1, Peer::Free), (2, Peer::Free)]);
        },
        &add(1),
    );
    check(
        |world| {
            world.members(&[0, 1]);
            world.answers(&[(2, Peer::Free)]);
        },
        &add(2),
    );
    // The one before is behind: the next one does not wait for it.
    check(
        |world| {
            world.members(&[0]);
            world.answers(&[(1, Peer::Unreachable), (2, Peer::Free)]);
        },
        &add(2),
    );
}

/// Code 103, twice: for two members in one change, and for a change that is based on an old version.
#[test]
fn a_change_waits_until_a_majority_has_the_one_before() {
    check(
        |world| {
            world.members(&[0]);
            world.config().committed = false;
        },
        &wait(Reason::NotCommitted),
    );
}

#[test]
fn a_new_member_gets_its_vote_before_the_next_one_comes() {
    let syncing = wait(Reason::Syncing { host: host(1) });
    check(
        |world| {
            world.members(&[0, 1]);
            world.unhealthy(1);
            world.status().voting_members = 1;
            world.answers(&[(2, Peer::Free)]);
        },
        &syncing,
    );
    // It has the data; the server has not given it the vote yet.
    check(
        |world| {
            world.members(&[0, 1]);
            world.status().voting_members = 1;
        },
        &syncing,
    );
    // It can go again, though.
    check(
        |world| {
            world.scale(1);
            world.members(&[0, 1]);
            world.unhealthy(1);
            world.status().voting_members = 1;
        },
        &remove(1),
    );
}

/// Before 5.0 a new member had its vote at once.
#[test]
fn on_mongodb_4_4_the_vote_is_given_by_hand() {
    let old = |world: &mut World| {
        world.hello().wire_version = 9;
        world.members(&[0]);
        world.answers(&[(1, Peer::Free), (2, Peer::Free)]);
    };
    check(old, &change(Change::Add { host: host(1), votes: false }));
    let added = |world: &mut World| {
        old(world);
        world.members(&[0, 1]);
        world.config().members[1].votes = false;
        world.status().voting_members = 1;
    };
    check(added, &change(Change::GiveVote { host: host(1) }));
    check(
        |world| {
            added(world);
            world.unhealthy(1);
        },
        &wait(Reason::Syncing { host: host(1) }),
    );
    // Somebody wanted it without one.
    check(
        |world| {
            added(world);
            world.config().members[1].special = true;
        },
        &change(Change::Add { host: host(2), votes: false }),
    );
}

#[test]
fn only_seven_members_vote() {
    let many = |world: &mut World| {
        world.scale(9);
        world.members(&[0, 1, 2, 3, 4, 5, 6]);
        world.answers(&[(7, Peer::Free), (8, Peer::Free)]);
    };
    check(many, &change(Change::Add { host: host(7), votes: false }));
    check(
        |world| {
            many(world);
            world.members(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
            for member in &mut world.config().members[7..] {
                member.votes = false;
            }
            world.status().voting_members = 7;
        },
        &wait(Reason::InStep),
    );
}

#[test]
fn a_set_has_at_most_fifty_members() {
    check(
        |world| {
            world.scale(51);
            world.members(&(0..50).collect::<Vec<_>>());
            for member in &mut world.config().members[7..] {
                member.votes = false;
            }
            world.status().voting_members = 7;
            world.answers(&[(50, Peer::Free)]);
        },
        &wait(Reason::Full),
    );
}

/// Added and removed in turns, for ever, up to version 12 800 119 of the configuration.
#[test]
fn a_terminating_pod_is_neither_added_nor_removed() {
    check(
        |world| {
            world.members(&[0, 1]);
            world.cluster().pods[2].terminating = true;
        },
        &wait(Reason::InStep),
    );
    check(|world| world.cluster().pods[2].terminating = true, &wait(Reason::InStep));
}

/// The minority of a partition threw the majority out.
#[test]
fn a_partition_removes_nobody() {
    check(
        |world| {
            world.unhealthy(1);
            world.unhealthy(2);
            world.cluster().pods.truncate(1);
        },
        &wait(Reason::InStep),
    );
}

#[test]
fn a_pod_that_has_yet_to_run_is_not_asked() {
    check(
        |world| {
            world.members(&[0, 1]);
            world.cluster().pods[2].running = false;
        },
        &wait(Reason::InStep),
    );
}

#[test]
fn scaling_down_removes_one_by_one_from_the_highest_on() {
    let five = |world: &mut World| {
        world.scale(5);
        world.members(&[0, 1, 2, 3, 4]);
        world.desire(3);
    };
    check(five, &remove(4));
    // Their pods may be dying, or gone.
    check(
        |world| {
            five(world);
            world.cluster().pods.truncate(3);
        },
        &remove(4),
    );
    check(
        |world| {
            five(world);
            world.members(&[0, 1, 2, 3]);
        },
        &remove(3),
    );
    // Removal comes before addition.
    check(
        |world| {
            five(world);
            world.members(&[0, 1, 4]);
            world.answers(&[(2, Peer::Free)]);
        },
        &remove(4),
    );
}

#[test]
fn a_primary_that_is_not_wanted_removes_the_others_and_steps_down() {
    let last = |world: &mut World| {
        world.scale(5);
        world.members(&[0, 1, 2, 3, 4]);
        world.i_am(4);
        world.desire(3);
    };
    check(last, &remove(3));
    let alone = |world: &mut World| {
        last(world);
        world.members(&[0, 1, 2, 4]);
    };
    check(alone, &Decision::Do(Action::StepDown));
    check(
        |world| {
            alone(world);
            for ordinal in [0, 1, 2] {
                world.unhealthy(ordinal);
            }
        },
        &wait(Reason::NoSuccessor),
    );
}

#[test]
fn nobody_is_removed_without_whom_there_is_no_majority() {
    let five = |world: &mut World| {
        world.scale(5);
        world.members(&[0, 1, 2, 3, 4]);
        world.desire(3);
        world.unhealthy(1);
        world.unhealthy(2);
    };
    check(five, &wait(Reason::MajorityAtRisk { host: host(4) }));
    // The dead first, if they have to go anyway.
    check(
        |world| {
            five(world);
            world.desire(2);
        },
        &remove(2),
    );
}

/// "Replica set IDs do not match": two sets that had been merged by force lost their majority.
#[test]
fn a_member_of_another_set_is_refused_and_holds_up_nobody() {
    let foreign = Peer::InSet { me: host(1), hosts: vec![host(1), "elsewhere:27017".into()] };
    let objection = wait(Reason::ForeignSet { host: host(1) });
    check(
        |world| {
            world.members(&[0, 2]);
            world.answers(&[(1, foreign.clone())]);
        },
        &objection,
    );
    check(
        |world| {
            world.members(&[0]);
            world.answers(&[(1, foreign), (2, Peer::Free)]);
        },
        &add(2),
    );
}

/// Removed a moment ago and wanted again, it has not heard of either.
#[test]
fn a_member_that_has_not_heard_of_its_removal_is_waited_for() {
    check(
        |world| {
            world.members(&[0, 1]);
            world.answers(&[(2, World::in_our_set(2))]);
        },
        &wait(Reason::CandidateOutdated { host: host(2) }),
    );
}

/// `replSetInitiate {}` leaves "mongo-0:27017", the predecessor without a service leaves addresses; the stable name beside
/// them is error 103, "map to this node", for ever.
#[test]
fn a_member_under_an_address_is_not_added_again_under_its_name() {
    let named = |name: &str| Peer::InSet { me: name.to_owned(), hosts: vec![name.to_owned(), host(0)] };
    let address = "10.244.1.7:27017";
    check(
        |world| {
            world.members(&[0, 1]);
            world.config().members.push(Member { id: 9, host: address.into(), votes: true, special: false });
            world.status().voting_members = 3;
            world.answers(&[(2, named(address))]);
        },
        &wait(Reason::OtherName { host: host(2), known_as: address.into() }),
    );
    // The primary itself.
    check(
        |world| {
            world.members(&[1, 2]);
            world.config().members.push(Member { id: 0, host: "mongo-0:27017".into(), votes: true, special: false });
            world.status().voting_members = 3;
            world.answers(&[(0, named("mongo-0:27017"))]);
        },
        &wait(Reason::OtherName { host: host(0), known_as: "mongo-0:27017".into() }),
    );
}

#[test]
fn foreign_members_are_left_alone() {
    check(
        |world| {
            let foreign = Member { id: 9, host: "backup.example:27017".into(), votes: false, special: false };
            world.config().members.push(foreign);
        },
        &wait(Reason::InStep),
    );
}

#[test]
fn hosts_differ_in_more_than_case() {
    check(|world| world.config().members[2].host = host(2).to_uppercase(), &wait(Reason::InStep));
}
