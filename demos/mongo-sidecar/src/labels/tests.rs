use super::*;
use crate::fixture::World;

const PRIMARY: Option<Role> = Some(Role::Primary);
const REPLICA: Option<Role> = Some(Role::Replica);

fn check(spoil: impl FnOnce(&mut World), expected: &[(Ordinal, Option<Role>, Option<i64>)]) {
    let mut world = World::in_step(3);
    spoil(&mut world);
    let written = labels(&world.who, &world.seen);
    let written: Vec<_> = written.iter().map(|label| (label.ordinal, label.role, label.term)).collect();
    assert_eq!(written, expected, "{:#?}", world.seen);
}

fn wears(world: &mut World, ordinal: usize, label: &str, term: Option<i64>) {
    let pod = &mut world.cluster().pods[ordinal];
    pod.label = Some(label.into());
    pod.term = term;
}

#[test]
fn each_sidecar_labels_its_own_pod() {
    check(|_| {}, &[(0, PRIMARY, Some(7))]);
    check(|world| world.follows(), &[(0, REPLICA, None)]);
}

#[test]
fn what_is_right_is_not_written_again() {
    check(|world| wears(world, 0, "primary", Some(7)), &[]);
    check(
        |world| {
            world.follows();
            wears(world, 0, "replica", None);
        },
        &[],
    );
}

#[test]
fn a_new_term_is_written_down() {
    check(|world| wears(world, 0, "primary", Some(6)), &[(0, PRIMARY, Some(7))]);
}

/// A dead node's sidecar cannot take the label away itself.
#[test]
fn stale_primaries_lose_the_label_before_the_new_one_takes_it() {
    check(
        |world| {
            wears(world, 0, "replica", None);
            wears(world, 1, "primary", Some(6));
            wears(world, 2, "primary", None);
        },
        &[(1, REPLICA, None), (2, REPLICA, None), (0, PRIMARY, Some(7))],
    );
}

#[test]
fn a_primary_that_has_a_successor_gives_way() {
    check(
        |world| {
            wears(world, 0, "primary", Some(7));
            wears(world, 1, "primary", Some(8));
        },
        &[(0, None, None)],
    );
}

#[test]
fn a_primary_without_a_majority_takes_no_label() {
    check(
        |world| {
            wears(world, 0, "primary", Some(7));
            world.unhealthy(1);
            world.unhealthy(2);
        },
        &[(0, None, None)],
    );
}

#[test]
fn the_primary_of_a_set_that_is_not_the_marked_one_takes_no_label() {
    for marker in [None, Some(Marker::Settled { replica_set_id: "set-b".into() })] {
        check(|world| world.cluster().marker = marker, &[]);
    }
}

#[test]
fn whoever_is_neither_has_no_label() {
    let wears_one = |world: &mut World| wears(world, 0, "replica", None);
    for spoil in [
        |world: &mut World| world.seen.hello = None,
        |world: &mut World| world.seen.status = StatusReply::InvalidConfig,
        |world: &mut World| world.hello().primary = false,
        |world: &mut World| world.cluster().pods[0].terminating = true,
    ] {
        check(
            |world| {
                wears_one(world);
                spoil(world);
            },
            &[(0, None, None)],
        );
    }
}

#[test]
fn a_pod_that_was_replaced_labels_nobody() {
    check(|world| world.cluster().pods[0].uid = "uid-after".into(), &[]);
    check(|world| world.seen.cluster = None, &[]);
}
