//! Rules with several backends, canaries among them; cookies of ingress-nginx; rules without sessions.

use super::*;

#[test]
fn backends_share_new_sessions_by_weight_and_keep_what_they_have() {
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(1, 1), &["new a +token", "new x +token"]);
    check(&shared(1, 0), &["new a +token"]);
    check(&shared(0, 3), &["new x +token"]);
    check(&shared(0, 0), &["unavailable"]);
    check(&shared(0, 1).home("web", "a"), &["kept a"]);
    check(&shared(1, 0).home("canary", "x"), &["kept x"]);
    check(&shared(0, 0).home("canary", "x"), &["kept x"]);
    check(&newcomer([ready("a")]).weight(0), &["unavailable"]);
}

#[test]
fn a_backend_that_has_nobody_leaves_its_share_to_the_others() {
    let shared = |web: Vec<Spec>| newcomer(web).canary(1, [ready("x")]);
    check(&shared(vec![]), &["new x +token"]);
    check(&shared(vec![away("a", seconds(99))]), &["new x +token"]);
    check(&shared(vec![draining("a")]), &["new x +token"]);
    check(&shared(vec![ready("a")]).unreachable("a", seconds(1)), &["new x +token"]);
    check(&shared(vec![ready("a")]).tried("x", seconds(1)), &["new a +token"]);
}

#[test]
fn a_lost_session_stays_with_its_backend_if_that_has_anybody() {
    let lost = |web: Vec<Spec>| session_at_a(web).canary(1, [ready("x")]);
    check(&lost(vec![away("a", seconds(1)), ready("b")]), &["reassigned b +token"]);
    check(&lost(vec![away("a", seconds(1)), ready("b")]).weight(0), &["reassigned b +token"]);
    check(&lost(vec![away("a", seconds(1)), draining("b")]), &["reassigned x +token"]);
    check(&lost(vec![away("a", seconds(1))]), &["reassigned x +token"]);
    check(&lost(vec![ready("b")]).canary(0, [ready("y")]), &["reassigned b +token", "reassigned x +token"]);
    check(&lost(vec![ready("b")]).weight(0), &["reassigned x +token"]);
}

#[test]
fn a_request_goes_to_the_canary_or_the_primary_as_it_prefers() {
    use CanarySessions::Sticky;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Sticky, Preference::Canary), &["new x +token"]);
    check(&shared(100, 0).trying(Sticky, Preference::None), &["new a +token"]);
    check(&shared(0, 100).trying(Sticky, Preference::Primary), &["new a +token"]);
    check(&shared(0, 100).trying(Sticky, Preference::None), &["new x +token"]);
    check(&shared(1, 1).trying(Sticky, Preference::None), &["new a +token", "new x +token"]);
    let plain = |case: Case| Case { sticky: false, ..case };
    check(&plain(shared(100, 0).trying(Sticky, Preference::Canary)), &["unpinned x"]);
    check(&plain(shared(0, 100).trying(Sticky, Preference::Primary)), &["unpinned a"]);
    // Without a canary nobody is asked.
    check(&Case { preference: Preference::Canary, ..shared(1, 0) }, &["new a +token"]);
}

#[test]
fn a_session_is_asked_before_the_preference() {
    use CanarySessions::Sticky;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Sticky, Preference::Primary).home("canary", "x"), &["kept x"]);
    check(&shared(0, 100).trying(Sticky, Preference::Canary).home("web", "a"), &["kept a"]);
    // One whose endpoint nobody knows any more belongs nowhere.
    check(&shared(100, 0).trying(Sticky, Preference::Canary).home("web", "gone"), &["reassigned x +token"]);
}

#[test]
fn a_canary_that_has_nobody_leaves_its_requests_to_the_primary_and_never_means_never() {
    use CanarySessions::Sticky;
    let dead = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [away("x", seconds(1))]);
    check(&dead(0, 100).trying(Sticky, Preference::None), &["new a +token"]);
    check(&dead(0, 100).trying(Sticky, Preference::Canary), &["new a +token"]);
    check(&dead(0, 100).trying(Sticky, Preference::None).home("canary", "x"), &["reassigned a +token"]);
    let alone = |preference| newcomer([]).canary(50, [ready("x")]).trying(Sticky, preference);
    check(&alone(Preference::Primary), &["unavailable"]);
    check(&alone(Preference::None), &["new x +token"]);
}

#[test]
fn a_canary_without_sessions_is_asked_first_and_keeps_none() {
    use CanarySessions::Legacy;
    let shared = |web, canary| newcomer([ready("a")]).weight(web).canary(canary, [ready("x")]);
    check(&shared(100, 0).trying(Legacy, Preference::Canary), &["unpinned x"]);
    check(&shared(100, 0).trying(Legacy, Preference::Canary).home("web", "a"), &["unpinned x"]);
    check(&shared(0, 100).trying(Legacy, Preference::Primary).home("web", "a"), &["kept a"]);
    check(&shared(0, 100).trying(Legacy, Preference::Primary), &["new a +token"]);
    check(&shared(1, 1).trying(Legacy, Preference::None).home("web", "a"), &["kept a", "unpinned x"]);
    check(&shared(1, 1).trying(Legacy, Preference::None), &["new a +token", "unpinned x"]);
    check(&shared(1, 1).trying(Legacy, Preference::None).of_nginx("gone"), &["new a +token", "unpinned x"]);
    let dead = newcomer([ready("a")]).canary(100, [away("x", seconds(1))]);
    check(&dead.trying(Legacy, Preference::Canary), &["new a +token"]);
}

#[test]
fn a_session_of_ingress_nginx_is_adopted_where_it_was() {
    let two = || newcomer([ready("a"), ready("b")]);
    check(&two().of_nginx("b"), &["adopted b +token"]);
    check(&newcomer([draining("a"), ready("b")]).of_nginx("a"), &["adopted a +token"]);
    check(&newcomer([away("a", seconds(99)), ready("b")]).of_nginx("a"), &["held for a until 129"]);
    check(&newcomer([away("a", seconds(1)), ready("b")]).of_nginx("a"), &["reassigned b +token"]);
    check(&newcomer([away("a", seconds(1)), ready("b")]).of_nginx("a").on_lost(OnLost::Reject), &["rejected"]);
    check(&two().of_nginx("a").tried("a", seconds(1)), &["reassigned b +token"]);
    let lost = newcomer([away("a", seconds(1)), ready("b"), ready("c")]).of_nginx("a");
    check(&lost, &["reassigned b +token", "reassigned c +token"]);
}

#[test]
fn a_cookie_of_ingress_nginx_that_names_nobody_begins_a_session_and_a_token_counts_for_more() {
    check(&newcomer([ready("a"), ready("b")]).of_nginx("gone"), &["new a +token", "new b +token"]);
    check(
        &newcomer([ready("a"), ready("b"), ready("c")]).of_nginx("gone").tried("b", seconds(99)),
        &["new a +token", "new c +token"],
    );
    check(&newcomer([away("a", seconds(1))]).of_nginx("gone"), &["unavailable"]);
    check(&Case { legacy: Some(("web", "b")), ..session_at_a([ready("a"), ready("b")]) }, &["kept a"]);
    check(&Case { sticky: false, ..newcomer([ready("a")]).of_nginx("a") }, &["unpinned a"]);
    let legacy = newcomer([ready("a")]).canary(0, [ready("x")]).trying(CanarySessions::Legacy, Preference::None);
    check(&Case { legacy: Some(("canary", "x")), ..legacy }, &["new a +token"]);
}

#[test]
fn a_rule_without_sessions_only_balances() {
    let plain = |case: Case| Case { sticky: false, ..case };
    check(&plain(newcomer([ready("a"), ready("b")])), &["unpinned a", "unpinned b"]);
    check(&plain(session_at_a([ready("a"), ready("b")])), &["unpinned a", "unpinned b"]);
    check(&plain(newcomer([ready("a"), draining("b")])), &["unpinned a"]);
    check(&plain(newcomer([away("a", seconds(1))])), &["unavailable"]);
}
