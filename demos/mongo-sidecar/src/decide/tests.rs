//! Every failure that is known of sidecars like this one, as a row. A world starts out well; a row spoils it.

mod forming;
mod growing;
mod shrinking;

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
