//! Members that are to go, and those that are none of ours.

use super::*;

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
    let elsewhere = |replica_set_id: Option<&str>| Peer::InSet {
        me: host(1),
        hosts: vec![host(1), "elsewhere:27017".into()],
        replica_set_id: replica_set_id.map(str::to_owned),
    };
    let objection = Reason::ForeignSet { host: host(1) };
    assert!(objection.needs_somebody());
    for foreign in [
        elsewhere(Some("set-b")),
        elsewhere(None),
        // The set that this StatefulSet had before, on a volume that was kept.
        World::in_set(1, Some("set-b")),
        Peer::Outside { replica_set_id: "set-b".into() },
    ] {
        check(
            |world| {
                world.members(&[0, 2]);
                world.answers(&[(1, foreign.clone())]);
            },
            &wait(objection.clone()),
        );
        check(
            |world| {
                world.members(&[0]);
                world.answers(&[(1, foreign), (2, Peer::Free)]);
            },
            &add(2),
        );
    }
}

/// It has the name that a member of ours has now; its set is another one for all that.
#[test]
fn a_member_of_another_set_is_not_taken_for_one_of_ours_under_another_name() {
    check(
        |world| {
            world.members(&[0, 1]);
            let hosts = vec![host(0), host(1)];
            world.answers(&[(2, Peer::InSet { me: host(1), hosts, replica_set_id: Some("set-b".into()) })]);
        },
        &wait(Reason::ForeignSet { host: host(2) }),
    );
}

/// Removed a moment ago and wanted again, it has not heard of either.
#[test]
fn a_member_that_has_not_heard_of_its_removal_is_waited_for() {
    let outdated = Reason::CandidateOutdated { host: host(2) };
    assert!(outdated.is_brief() && !outdated.needs_somebody());
    check(
        |world| {
            world.members(&[0, 1]);
            world.answers(&[(2, World::in_our_set(2))]);
        },
        &wait(outdated),
    );
    // Now it has.
    check(
        |world| {
            world.members(&[0, 1]);
            world.answers(&[(2, Peer::Outside { replica_set_id: "set-a".into() })]);
        },
        &add(2),
    );
}

/// Users are data of the set: whoever does not know ours is hardly one of us, and waiting would not show it.
#[test]
fn a_member_that_does_not_say_of_which_set_is_for_somebody_to_look_at() {
    let unreadable = Reason::CandidateUnreadable { host: host(1) };
    assert!(unreadable.needs_somebody() && !unreadable.is_brief());
    let withheld = World::in_set(1, None);
    check(
        |world| {
            world.members(&[0, 2]);
            world.answers(&[(1, withheld.clone())]);
        },
        &wait(unreadable),
    );
    check(
        |world| {
            world.members(&[0]);
            world.answers(&[(1, withheld), (2, Peer::Free)]);
        },
        &add(2),
    );
}

/// `replSetInitiate {}` leaves "mongo-0:27017", the predecessor without a service leaves addresses; the stable name beside
/// them is error 103, "map to this node", for ever.
#[test]
fn a_member_under_an_address_is_not_added_again_under_its_name() {
    let named = |name: &str| Peer::InSet {
        me: name.to_owned(),
        hosts: vec![name.to_owned(), host(0)],
        replica_set_id: Some("set-a".into()),
    };
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
