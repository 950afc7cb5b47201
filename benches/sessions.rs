//! What the index of live sessions costs a request that is kept, when it holds a million of them, and what it costs
//! to sweep them.

mod fixture;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::{Millis, SessionId};
use moorline::sessions::{Berth, Sessions};

use self::fixture::{Cycle, backend, ring};

const LIVE: u64 = 1_000_000;
/// So many users click at the same time.
const WORKING_SET: u64 = 1024;
const IDLE: Duration = Duration::from_secs(30 * 60);
const NOW: Millis = Millis(1000);

/// The id of the n-th session: spread over all 64 bits, as drawn ones are.
fn id(n: u64) -> SessionId {
    SessionId(fastrand::Rng::with_seed(n).u64(..))
}

fn full() -> (Sessions, Vec<Arc<Berth>>) {
    let backend = backend("shop/web", 100, &ring(1));
    let sessions = Sessions::new(usize::try_from(LIVE).expect("fits"), Millis(0));
    let berths: Vec<_> = backend.endpoints().iter().map(|endpoint| sessions.berth(backend.id(), endpoint)).collect();
    for (n, berth) in (0..LIVE).zip(berths.iter().cycle()) {
        sessions.touch(id(n), berth, IDLE, NOW);
    }
    (sessions, berths)
}

fn index(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sessions");
    let (sessions, berths) = full();
    let known = |n: u64| (id(n), &berths[usize::try_from(n).expect("fits") % berths.len()]);
    for (name, count) in [("touch_warm", WORKING_SET), ("touch_cold", LIVE)] {
        let mut known = Cycle::shuffled((0..count).map(known));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (id, berth) = *known.step();
                sessions.touch(black_box(id), berth, IDLE, NOW);
            });
        });
    }
    group.sample_size(10).bench_function("sweep", |bencher| {
        bencher.iter(|| sessions.sweep(black_box(NOW)));
    });
    group.finish();
    assert_eq!(sessions.len(), usize::try_from(LIVE).expect("fits"), "nobody left meanwhile");
}

criterion_group!(benches, index);
criterion_main!(benches);
