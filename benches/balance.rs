//! Which endpoint for somebody new, by each strategy, and where a session moves whose endpoint is gone: the whole of
//! `decide`.

mod fixture;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::{Attempt, BackendId, Strategy, decide};

use self::fixture::{Cycle, Idle, NOW, Pod, backend, ring, sticky, token};

const STRATEGIES: [(&str, Strategy); 4] = [
    ("least_sessions", Strategy::LeastSessions),
    ("least_requests", Strategy::LeastRequests),
    ("round_robin", Strategy::RoundRobin),
    ("random", Strategy::Random),
];

fn strategies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    let (keys, load, mut rng) = (ring(1), Idle::default(), fastrand::Rng::with_seed(1));
    for endpoints in [3, 100, 10_000] {
        let backend = backend("shop/web", endpoints, &keys);
        for (name, strategy) in STRATEGIES {
            let rule = sticky(backend.clone(), strategy);
            group.bench_function(format!("{name}_{endpoints}"), |bencher| {
                bencher.iter(|| black_box(decide(black_box(&rule), &Attempt::default(), &load, &mut rng, NOW)));
            });
        }
    }
    group.finish();
}

fn rendezvous(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    let (keys, load, mut rng) = (ring(1), Idle::default(), fastrand::Rng::with_seed(1));
    for endpoints in [3, 100, 10_000] {
        let backend = backend("shop/web", endpoints, &keys);
        let gone = Pod::new(endpoints).endpoint(&BackendId::new("shop/web"));
        let mut tokens = Cycle::shuffled((0..64).map(|session| token(&keys, session, &backend, &gone)));
        let rule = sticky(backend, Strategy::LeastSessions);
        group.bench_function(format!("rendezvous_{endpoints}"), |bencher| {
            bencher.iter(|| {
                let attempt = Attempt { token: Some(black_box(tokens.step())), ..Attempt::default() };
                black_box(decide(black_box(&rule), &attempt, &load, &mut rng, NOW))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, strategies, rendezvous);
criterion_main!(benches);
