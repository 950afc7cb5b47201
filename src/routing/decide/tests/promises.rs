//! What holds beside the table: replicas agree, tokens are not taken for others, and a kept session costs no allocation.

use super::*;

#[test]
fn parallel_requests_and_all_replicas_move_a_session_to_the_same_endpoint() {
    let keys = ring(&[(0, 0), (1, 0)]);
    let mut names: Vec<Spec> = (0..20).map(|at| ready(format!("web-{at}"))).collect();
    let here = session_at_a(names.clone());
    names.rotate_left(7);
    names.reverse();
    let there = session_at_a(names);
    let (here_rule, there_rule) = (here.rule(&keys), there.rule(&ring(&[(1, 0), (0, 0)])));
    let mut reached = BTreeSet::new();
    for session in (0..200u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let answer = here.answer(&here_rule, &keys, session, 0);
        for request in 1..20 {
            assert_eq!(answer, here.answer(&here_rule, &keys, session, request));
            assert_eq!(answer, there.answer(&there_rule, &keys, session, request));
        }
        reached.insert(answer);
    }
    assert_eq!(reached.len(), 20, "they spread over all that are there");
}

#[test]
fn tokens_that_are_none_begin_a_session() {
    let (keys, others) = (ring(&[(0, 0)]), ring(&[(3, 0)]));
    let home = ready("a").build(&BackendId::new("web"));
    let sealed = keys.seal(&scope(), Claims::new(SessionId(1), NOW.unix), &home, NOW.unix);
    let foreign = Scope::new("", "cart", "", &SessionPolicy::default().cookie.name);
    assert!(keys.open(&scope(), sealed.as_bytes()).is_some());
    assert_eq!(keys.open(&foreign, sealed.as_bytes()), None);
    assert_eq!(others.open(&scope(), sealed.as_bytes()), None);
}

#[test]
fn a_token_of_a_key_that_the_snapshot_does_not_know_names_nobody() {
    let case = session_at_a([ready("a")]);
    let rule = case.rule(&KeyRing::new(vec![key(1, 0)]).unwrap());
    assert_eq!(case.answer(&rule, &ring(&[(0, 0)]), 1, 1), "reassigned a +token");
}

#[test]
fn a_kept_session_is_decided_upon_without_an_allocation() {
    let keys = ring(&[(0, 0), (1, 0)]);
    for case in [session_at_a([ready("a"), ready("b")]), session_at_a([draining("a"), ready("b")])] {
        let (rule, token) = (case.rule(&keys), case.token(1, &keys));
        let mut rng = fastrand::Rng::with_seed(1);
        let attempt = Attempt { token: token.as_ref(), ..Attempt::default() };
        let allocated = allocation_counter::measure(|| {
            assert!(matches!(decide(&rule, &attempt, &case.load, &mut rng, NOW), Decision::Forward(_)));
        });
        assert_eq!(allocated.count_total, 0);
    }
}

#[test]
fn a_token_is_found_and_opened_without_an_allocation() {
    let (keys, scope) = (ring(&[(0, 0), (1, 0)]), scope());
    let home = ready("a").build(&BackendId::new("web"));
    let sealed = keys.seal(&scope, Claims::new(SessionId(1), NOW.unix), &home, NOW.unix);
    let field = format!("theme=dark; moorline={sealed}; lang=de");
    let allocated = allocation_counter::measure(|| {
        let value = crate::routing::session::values(field.as_bytes(), "moorline").next();
        assert!(value.is_some_and(|value| keys.open(&scope, value).is_some()));
    });
    assert_eq!(allocated.count_total, 0);
}
