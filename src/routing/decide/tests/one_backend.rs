//! Rules with one backend.

use std::time::Duration;

use super::*;

#[test]
fn a_session_begins_where_new_ones_are_taken() {
    check(&newcomer([ready("a"), ready("b")]), &["new a +token", "new b +token"]);
    check(&newcomer([draining("a"), away("b", seconds(99)), ready("c")]), &["new c +token"]);
    check(&newcomer([ready("a"), ready("b")]).unreachable("a", seconds(99)), &["new b +token"]);
    check(&newcomer([ready("a"), ready("b")]).tried("a", seconds(99)), &["new b +token"]);
}

#[test]
fn a_session_begins_somewhere_worse_rather_than_nowhere() {
    let two = [draining("a"), told("b", seconds(0)), away("c", seconds(99))];
    check(&newcomer(two.clone()), &["new a +token", "new b +token"]);
    check(&newcomer(two.clone()).tried("a", seconds(99)), &["new b +token"]);
    check(&newcomer(two).tried("a", seconds(99)).tried("b", seconds(99)), &["unavailable"]);
    check(&newcomer([ready("a"), draining("b")]).unreachable("a", seconds(1)), &["new b +token"]);
    check(&newcomer([ready("a")]).unreachable("a", seconds(1)), &["new a +token"]);
}

#[test]
fn nobody_there_is_unavailable() {
    check(&newcomer([]), &["unavailable"]);
    check(&newcomer([away("a", seconds(99))]), &["unavailable"]);
    check(&newcomer([ready("a")]).tried("a", seconds(99)), &["unavailable"]);
    check(&session_at_a([]), &["unavailable"]);
}

#[test]
fn a_session_comes_back_to_its_endpoint() {
    check(&session_at_a([ready("a"), ready("b")]), &["kept a"]);
    check(&session_at_a([ready("b"), ready("a").passing()]), &["kept a"]);
    check(&session_at_a([draining("a"), ready("b")]), &["kept_draining a"]);
    check(&session_at_a([ready("a"), ready("b")]).unreachable("b", seconds(1)).tried("b", seconds(1)), &["kept a"]);
}

#[test]
fn a_drain_that_was_asked_for_ends_at_its_deadline() {
    let ten_seconds = |case: Case| case.policy(|policy| policy.drain_deadline = Duration::from_secs(10));
    check(&ten_seconds(session_at_a([told("a", seconds(91)), ready("b")])), &["kept_draining a"]);
    check(&ten_seconds(session_at_a([told("a", seconds(90)), ready("b")])), &["reassigned b +token"]);
    for on_lost in [OnLost::Temporary, OnLost::Reject] {
        let drained = session_at_a([told("a", seconds(1)), ready("b")]).on_lost(on_lost);
        check(&ten_seconds(drained), &["reassigned b +token"]);
    }
}

#[test]
fn a_drained_session_stays_where_nobody_is_better_off() {
    let no_time = |case: Case| case.policy(|policy| policy.drain_deadline = Duration::ZERO);
    check(&no_time(session_at_a([told("a", seconds(1))])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), draining("b")])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), told("b", seconds(1))])), &["kept_draining a"]);
    check(&no_time(session_at_a([told("a", seconds(1)), ready("b")]).tried("b", seconds(99))), &["kept_draining a"]);
    let unreachable = session_at_a([told("a", seconds(1)), ready("b")]).unreachable("b", seconds(99));
    check(&no_time(unreachable), &["kept_draining a"]);
}

#[test]
fn a_session_is_told_when_its_endpoint_has_restarted() {
    check(&session_at_a([ready("a").restarted(), ready("b")]), &["restarted a +token"]);
    check(&session_at_a([draining("a").restarted(), ready("b")]), &["restarted a +token"]);
}

#[test]
fn a_session_moves_when_its_endpoint_has_restarted_and_the_policy_says_so() {
    let moving = |case: Case| case.policy(|policy| policy.on_restart = OnRestart::Reassign);
    check(&moving(session_at_a([ready("a").restarted(), ready("b")])), &["reassigned b +token"]);
    check(&moving(session_at_a([draining("a").restarted(), ready("b")])), &["reassigned b +token"]);
    let others = [ready("a").restarted(), ready("b"), ready("c")];
    check(&moving(session_at_a(others)), &["reassigned b +token", "reassigned c +token"]);
    // Nobody is there whom it could move to.
    check(&moving(session_at_a([ready("a").restarted()])), &["restarted a +token"]);
    check(&moving(session_at_a([ready("a").restarted(), draining("b")])), &["restarted a +token"]);
    check(&moving(session_at_a([ready("a"), ready("b")])), &["kept a"]);
}

#[test]
fn a_session_waits_for_an_endpoint_that_is_expected_back() {
    check(&session_at_a([away("a", seconds(71)), ready("b")]), &["held for a until 101"]);
    check(&session_at_a([away("a", seconds(70)), ready("b")]), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(99)).passing(), ready("b")]), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(100)), ready("b")]).policy(|p| *p = hold(0)), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(99))]), &["held for a until 129"]);
    for on_lost in [OnLost::Temporary, OnLost::Reject] {
        check(&session_at_a([away("a", seconds(99)), ready("b")]).on_lost(on_lost), &["held for a until 129"]);
    }
}

#[test]
fn a_session_waits_for_an_endpoint_that_cannot_be_reached() {
    let two = |a: Spec| session_at_a([a, ready("b")]);
    check(&two(ready("a")).unreachable("a", seconds(80)), &["held for a until 110"]);
    check(&two(draining("a")).unreachable("a", seconds(80)), &["held for a until 110"]);
    check(&two(ready("a")).tried("a", seconds(90)), &["held for a until 120"]);
    check(&two(ready("a").passing()).unreachable("a", seconds(80)), &["reassigned b +token"]);
    check(&two(ready("a").passing()).tried("a", seconds(99)), &["reassigned b +token"]);
    check(&two(ready("a")).unreachable("a", seconds(70)), &["reassigned b +token"]);
    check(&two(ready("a")).unreachable("a", seconds(99)).policy(|p| *p = hold(0)), &["reassigned b +token"]);
}

#[test]
fn no_request_waits_for_longer_than_hold_from_its_first_failure() {
    let two = |a: Spec| session_at_a([a, ready("b")]).tried("a", seconds(75));
    check(&two(ready("a")), &["held for a until 105"]);
    check(&two(ready("a")).unreachable("a", seconds(99)), &["held for a until 105"]);
    check(&two(ready("a")).unreachable("a", seconds(72)), &["held for a until 102"]);
    check(&two(away("a", seconds(99))), &["held for a until 105"]);
    check(&two(away("a", seconds(72))), &["held for a until 102"]);
    check(&session_at_a([ready("a"), ready("b")]).tried("a", seconds(70)), &["reassigned b +token"]);
}

#[test]
fn a_lost_session_moves_is_served_elsewhere_or_is_rejected() {
    let gone = [ready("b"), ready("c")];
    let check_lost = |case: fn() -> Case| {
        check(&case(), &["reassigned b +token", "reassigned c +token"]);
        check(&case().on_lost(OnLost::Temporary), &["temporary b", "temporary c"]);
        check(&case().on_lost(OnLost::Reject), &["rejected"]);
    };
    check(&session_at_a(gone), &["reassigned b +token", "reassigned c +token"]);
    check_lost(|| session_at_a([ready("b"), ready("c")]));
    check_lost(|| session_at_a([away("a", seconds(1)), ready("b"), ready("c"), draining("d")]));
    check_lost(|| session_at_a([ready("a"), ready("b"), ready("c")]).unreachable("a", seconds(1)));
    check_lost(|| session_at_a([ready("a"), ready("b"), ready("c")]).tried("a", seconds(1)));
    check_lost(|| session_at_a([ready("b"), ready("c"), ready("d")]).unreachable("d", seconds(99)));
}

#[test]
fn a_lost_session_moves_somewhere_worse_rather_than_nowhere() {
    check(&session_at_a([away("a", seconds(1)), draining("b")]), &["reassigned b +token"]);
    check(&session_at_a([ready("a"), draining("b")]).unreachable("a", seconds(1)), &["reassigned b +token"]);
    check(&session_at_a([away("a", seconds(1)), ready("b")]).unreachable("b", seconds(9)), &["reassigned b +token"]);
    // Before it goes to one that cannot be reached either, its own is asked once more.
    let both = || session_at_a([ready("a"), ready("b")]).unreachable("a", seconds(1)).unreachable("b", seconds(1));
    check(&both(), &["kept a"]);
    check(&both().tried("a", seconds(1)), &["reassigned b +token"]);
    check(&both().tried("a", seconds(1)).tried("b", seconds(1)), &["unavailable"]);
    check(&both().on_lost(OnLost::Temporary), &["kept a"]);
    check(&session_at_a([ready("a").restarted()]).unreachable("a", seconds(1)), &["restarted a +token"]);
    check(&session_at_a([away("a", seconds(1))]), &["unavailable"]);
}
