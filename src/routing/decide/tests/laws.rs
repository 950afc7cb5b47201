//! What holds for any rule and any request.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn some_condition() -> impl Strategy<Value = Condition> {
    let moment = || (60u64..=100).prop_map(seconds);
    prop_oneof![
        3 => Just(Condition::Ready),
        1 => proptest::option::of(moment()).prop_map(|told| Condition::Draining { told }),
        1 => moment().prop_map(|since| Condition::Away { since }),
    ]
}

fn some_endpoints(names: &'static [&'static str]) -> impl Strategy<Value = Vec<Spec>> {
    let spec = |name: &'static str| {
        (some_condition(), 1u32..3, any::<bool>()).prop_map(move |(condition, life, returns)| Spec {
            name: name.to_owned(),
            life,
            condition,
            returns: if returns { Return::Expected } else { Return::Never },
        })
    };
    proptest::sample::subsequence(names, 0..=names.len())
        .prop_flat_map(move |names| names.into_iter().map(spec).collect::<Vec<_>>())
}

prop_compose! {
    fn some_case()(
        web in some_endpoints(&["a", "b", "c"]),
        canary in some_endpoints(&["x", "y"]),
        weights in (0u32..3, 0u32..3),
        (on_lost, on_restart) in (
            prop_oneof![Just(OnLost::Reassign), Just(OnLost::Temporary), Just(OnLost::Reject)],
            prop_oneof![Just(OnRestart::Keep), Just(OnRestart::Reassign)],
        ),
        (hold, drain_deadline) in (0u64..40, 0u64..40),
        strategy in prop_oneof![
            Just(balance::Strategy::LeastSessions), Just(balance::Strategy::LeastRequests), Just(balance::Strategy::RoundRobin),
            Just(balance::Strategy::Random),
        ],
        home in proptest::option::of(prop_oneof![
            Just(("web", "a")), Just(("web", "b")), Just(("canary", "x")), Just(("canary", "gone")),
        ]),
        tried in proptest::sample::subsequence(&["a", "b", "c", "x", "y"], 0..=5),
        failed_since in proptest::option::of((60u64..=100).prop_map(seconds)),
        unreachable in proptest::sample::subsequence(&["a", "b", "c", "x", "y"], 0..=5),
    ) -> Case {
        let policy = SessionPolicy {
            strategy, on_lost, on_restart,
            hold: Duration::from_secs(hold),
            drain_deadline: Duration::from_secs(drain_deadline),
            ..SessionPolicy::default()
        };
        let load = Load {
            unreachable: unreachable.into_iter().map(|name| (name.to_owned(), seconds(80))).collect(),
            ..Load::default()
        };
        let backends = vec![(weights.0, "web", web), (weights.1, "canary", canary)];
        Case { backends, policy, home, tried, failed_since, load, ..newcomer([]) }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { backends, policy, home, tried, failed_since, load, .. } = self;
        f.debug_tuple("Case").field(&(backends, policy, home, tried, failed_since, load)).finish()
    }
}

proptest! {
    #[test]
    fn equal_arguments_give_equal_answers(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let answer = case.answer(&case.rule(&keys), &keys, session, seed);
        case.load.turn.set(0);
        prop_assert_eq!(case.answer(&case.rule(&keys), &keys, session, seed), answer);
    }

    #[test]
    fn whatever_the_case_the_answer_makes_sense(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let rule = case.rule(&keys);
        let answer = case.answer(&rule, &keys, session, seed);
        let all = || case.backends.iter().flat_map(|(weight, backend, specs)| {
            specs.iter().map(move |spec| (*weight, *backend, spec))
        });
        let askable = |spec: &Spec| {
            !matches!(spec.condition, Condition::Away { .. }) && !case.tried.contains(&&*spec.name)
        };
        let named = |name: &str| all().find(|(.., spec)| spec.name == name).unwrap();
        let at_home = |name: &str| case.home.is_some_and(|(_, home)| home == name);
        match answer.split(' ').collect::<Vec<_>>()[..] {
            [outcome, name, "+token"] => {
                prop_assert!(askable(named(name).2));
                match outcome {
                    "new" => prop_assert!(case.home.is_none() && named(name).0 > 0),
                    "restarted" => prop_assert!(at_home(name) && named(name).2.life == 2),
                    "reassigned" => prop_assert!(case.home.is_some() && !at_home(name)),
                    _ => prop_assert!(false, "{} does not change the token", outcome),
                }
            }
            [outcome, name] => {
                prop_assert!(askable(named(name).2));
                match outcome {
                    "kept" | "kept_draining" => prop_assert!(at_home(name) && named(name).2.life == 1),
                    "temporary" => prop_assert!(case.policy.on_lost == OnLost::Temporary && !at_home(name)),
                    _ => prop_assert!(false, "{} changes the token", outcome),
                }
            }
            ["held", "for", name, "until", until] => {
                let until = seconds(until.parse().unwrap());
                prop_assert!(at_home(name) && named(name).2.returns == Return::Expected);
                prop_assert!(NOW.mono < until && until <= NOW.mono.plus(case.policy.hold));
            }
            ["rejected"] => prop_assert!(case.home.is_some() && case.policy.on_lost == OnLost::Reject),
            ["unavailable"] => {
                // A session whose endpoint is known may move within its backend, whatever share that has.
                let own = case.home.filter(|home| all().any(|(_, _, spec)| spec.name == home.1));
                let open = |weight: u32, backend: &str| weight > 0 || own.is_some_and(|own| own.0 == backend);
                let nobody = all().all(|(weight, backend, spec)| !askable(spec) || !open(weight, backend));
                prop_assert!(nobody, "somebody could have been asked");
            }
            _ => prop_assert!(false, "no answer: {}", answer),
        }
    }

    #[test]
    fn nobody_goes_to_an_endpoint_that_is_worse_than_another(case in some_case(), session: u64, seed: u64) {
        let keys = ring(&[(0, 0)]);
        let rule = case.rule(&keys);
        let answer = case.answer(&rule, &keys, session, seed);
        let good = |name: &str| {
            let spec = case.backends.iter().flat_map(|(.., specs)| specs).find(|spec| spec.name == name).unwrap();
            spec.condition == Condition::Ready && !case.load.unreachable.contains_key(name)
        };
        let shared = case.backends.iter().filter(|(weight, ..)| *weight > 0).flat_map(|(.., specs)| specs);
        let best = shared.into_iter().any(|spec| good(&spec.name) && !case.tried.contains(&&*spec.name));
        if let ["new" | "reassigned" | "temporary", name, ..] = answer.split(' ').collect::<Vec<_>>()[..] {
            prop_assert!(good(name) || !best, "{}", answer);
        }
    }
}
