//! Who gets somebody new, and who moves where when an endpoint goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::routing::fixture::{Load, Spec, backend, draining, ready, ring};

const ROUNDS: usize = 2000;

fn web(endpoints: &[Spec]) -> Arc<Backend> {
    backend("web", endpoints, &ring(&[(0, 0)]))
}

fn load(weights: &[(&str, u32)]) -> std::collections::HashMap<String, u32> {
    weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
}

/// How often each endpoint is chosen.
fn shares(strategy: super::Strategy, endpoints: &[Spec], load: &Load) -> BTreeMap<String, usize> {
    let backend = web(endpoints);
    let mut rng = fastrand::Rng::with_seed(1);
    let choice = Choice { backend: &backend, tried: &[], load };
    let mut shares = BTreeMap::new();
    for _ in 0..ROUNDS {
        let endpoint = choice.balanced(Rank::Ready, strategy, &mut rng).unwrap();
        *shares.entry(endpoint.name.as_ref().to_owned()).or_default() += 1;
    }
    shares
}

fn three() -> [Spec; 3] {
    [ready("a"), ready("b"), ready("c")]
}

const ALL: [super::Strategy; 4] = [
    super::Strategy::LeastSessions,
    super::Strategy::LeastRequests,
    super::Strategy::RoundRobin,
    super::Strategy::Random,
];

#[test]
fn equal_endpoints_get_about_equal_shares() {
    for strategy in ALL {
        for (name, share) in shares(strategy, &three(), &Load::default()) {
            assert!((ROUNDS * 3 / 10..ROUNDS * 11 / 30).contains(&share), "{strategy:?}: {name} got {share}");
        }
    }
}

#[test]
fn turns_are_taken_one_after_the_other() {
    let (backend, load) = (web(&three()), Load::default());
    let choice = Choice { backend: &backend, tried: &[], load: &load };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut next = || choice.balanced(Rank::Ready, super::Strategy::RoundRobin, &mut rng).map(|e| e.name.to_string());
    let turns: Vec<_> = (0..7).filter_map(|_| next()).collect();
    assert_eq!(turns, ["a", "b", "c", "a", "b", "c", "a"]);
    load.turn.set(usize::MAX);
    assert!(next().is_some() && next().is_some(), "the count may run over");
}

#[test]
fn of_two_candidates_the_lighter_one_is_chosen() {
    let sessions = Load { sessions: load(&[("a", 5), ("b", 6)]), ..Load::default() };
    assert_eq!(shares(super::Strategy::LeastSessions, &three()[..2], &sessions), [("a".to_owned(), ROUNDS)].into());
    // The heaviest of three never wins, the lightest wins each comparison it is in.
    let sessions = Load { sessions: load(&[("a", 5), ("b", 6), ("c", 7)]), ..Load::default() };
    let shares_of_three = shares(super::Strategy::LeastSessions, &three(), &sessions);
    assert_eq!(shares_of_three.get("c"), None);
    assert!(shares_of_three["a"] > shares_of_three["b"]);
    let requests = Load { requests: load(&[("a", 5), ("b", 4)]), ..Load::default() };
    assert_eq!(shares(super::Strategy::LeastRequests, &three()[..2], &requests), [("b".to_owned(), ROUNDS)].into());
    assert_eq!(shares(super::Strategy::LeastSessions, &three()[..2], &requests), [("b".to_owned(), ROUNDS)].into());
}

#[test]
fn sessions_do_not_weigh_where_requests_are_asked_for() {
    let sessions = Load { sessions: load(&[("a", 5)]), ..Load::default() };
    assert_eq!(shares(super::Strategy::LeastRequests, &three(), &sessions).len(), 3);
}

#[test]
fn an_endpoint_alone_gets_everything() {
    for strategy in ALL {
        assert_eq!(shares(strategy, &[ready("a"), draining("b")], &Load::default())["a"], ROUNDS);
    }
}

#[test]
fn unreachable_and_tried_endpoints_are_passed_over() {
    let backend = web(&three());
    let load = Load { unreachable: [("a".to_owned(), Millis(0))].into(), ..Load::default() };
    let tried = [backend.endpoints()[1].id.clone()];
    let choice = Choice { backend: &backend, tried: &tried, load: &load };
    let mut rng = fastrand::Rng::with_seed(1);
    for strategy in ALL {
        for _ in 0..50 {
            let mut name = |rank| choice.balanced(rank, strategy, &mut rng).map(|endpoint| endpoint.name.to_string());
            assert_eq!(name(Rank::Ready).as_deref(), Some("c"));
            assert_eq!(name(Rank::ReadyUnreachable).as_deref(), Some("a"));
            assert_eq!((name(Rank::Draining), name(Rank::DrainingUnreachable)), (None, None));
        }
    }
}

fn names(count: usize) -> Vec<Spec> {
    (0..count).map(|at| ready(format!("web-{at}"))).collect()
}

/// Where these sessions would move to.
fn homes(endpoints: &[Spec], sessions: u64) -> Vec<String> {
    let (backend, load) = (web(endpoints), Load::default());
    let choice = Choice { backend: &backend, tried: &[], load: &load };
    let home = |session: u64| choice.rendezvous(Rank::Ready, session, None).unwrap().name.to_string();
    (0..sessions).map(home).collect()
}

#[test]
fn only_the_sessions_of_a_lost_endpoint_move() {
    let mut endpoints = names(10);
    let before = homes(&endpoints, 2000);
    endpoints.remove(3);
    let after = homes(&endpoints, 2000);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(before, _)| *before == "web-3"));
    assert!((150..250).contains(&moved.len()), "{} of 2000 lived on one of ten", moved.len());
    let to: BTreeSet<_> = moved.iter().map(|(_, after)| after).collect();
    assert_eq!(to.len(), 9, "they spread over all that are left");
}

#[test]
fn a_new_endpoint_takes_its_share_from_all_and_nobody_else_moves() {
    let (before, after) = (homes(&names(9), 2000), homes(&names(10), 2000));
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
    assert!(moved.clone().all(|(_, after)| *after == "web-9"));
    assert!((150..250).contains(&moved.count()));
}

#[test]
fn rendezvous_is_the_same_in_every_process_and_every_version() {
    // Replicas of two versions serve side by side during an upgrade.
    let homes: String = homes(&names(5), 12).iter().map(|home| home.trim_start_matches("web-")).collect();
    assert_eq!(homes, "304133002321");
}

proptest! {
    #[test]
    fn whoever_leaves_an_endpoint_does_not_come_back_to_it(count in 2usize..8, session: u64, at in 0usize..8) {
        let (backend, load) = (web(&names(count)), Load::default());
        let home = &backend.endpoints()[at % count].id;
        let choice = Choice { backend: &backend, tried: &[], load: &load };
        let chosen = choice.rendezvous(Rank::Ready, session, Some(home)).unwrap();
        prop_assert_ne!(&chosen.id, home);
        // It is the one that would have come second, or first.
        let all = choice.rendezvous(Rank::Ready, session, None).unwrap();
        prop_assert!(all.id == *home || all.id == chosen.id);
    }

    #[test]
    fn the_order_of_endpoints_makes_no_difference(count in 1usize..12, turn in 0usize..12, session: u64) {
        let mut turned = names(count);
        turned.rotate_left(turn % count);
        let (here, there, load) = (web(&names(count)), web(&turned), Load::default());
        let at = |backend: &Arc<Backend>| {
            let choice = Choice { backend, tried: &[], load: &load };
            choice.rendezvous(Rank::Ready, session, None).map(|endpoint| endpoint.id.clone())
        };
        prop_assert_eq!(at(&here), at(&there));
    }
}
