//! What a change of the cluster costs: a whole routing table, built from nothing.

mod fixture;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::{HostPattern, KeyRing, Origin, PathMatch, Strategy, Table};

use self::fixture::{backend, ring, sticky};

const ROUTES: usize = 10_000;
/// 50,000 in all.
const ENDPOINTS: usize = 5;

fn build(keys: &KeyRing) -> Table {
    let mut builder = Table::builder();
    for at in 0..ROUTES {
        let rule = sticky(backend(&format!("shop/web-{at}"), ENDPOINTS, keys), Strategy::LeastSessions);
        let origin = Origin { created: 0, name: format!("shop/{at}").into() };
        let host = HostPattern::Exact(format!("shop-{at}.example.com").into());
        builder.add(host, PathMatch::prefix("/").expect("a path"), origin, Arc::new(rule));
    }
    builder.build().0
}

fn snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(20).measurement_time(Duration::from_secs(6));
    for count in [1, 8] {
        let keys = ring(count);
        group.bench_function(format!("build_{count}_keys"), |bencher| {
            bencher.iter_with_large_drop(|| black_box(build(black_box(&keys))));
        });
    }
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
