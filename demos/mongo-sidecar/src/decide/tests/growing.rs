//! Members that are to come.

use super::*;

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
