//! What a change of the cluster costs: a whole routing table, built from nothing.

mod fixture;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::{HostPattern, KeyRing, Origin, PathMatch, Strategy, Table};

use self::fixture::{Pod, backend_of, ring, sticky};

const ROUTES: usize = 10_000;
/// 50,000 in all.
const ENDPOINTS: usize = 5;

/// A Service and its pods, as the control plane has them at hand.
struct Service {
    name: String,
    host: String,
    pods: Vec<Pod>,
}

fn services() -> Vec<Service> {
    let service = |at: usize| Service {
        name: format!("shop/web-{at}"),
        host: format!("shop-{at}.example.com"),
        pods: (0..ENDPOINTS).map(|pod| Pod::new(at * ENDPOINTS + pod)).collect(),
    };
    (0..ROUTES).map(service).collect()
}

fn build(services: &[Service], keys: &KeyRing) -> Table {
    let mut builder = Table::builder();
    for Service { name, host, pods } in services {
        let rule = sticky(backend_of(name, pods, keys), Strategy::LeastSessions);
        let origin = Origin { is_default: false, created: 0, name: name.as_str().into() };
        let path = PathMatch::prefix("/").expect("a path");
        builder.add(HostPattern::Exact(host.as_str().into()), path, origin, Arc::new(rule));
    }
    builder.build().0
}

fn snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(20).measurement_time(Duration::from_secs(6));
    let services = services();
    for count in [1, 8] {
        let keys = ring(count);
        group.bench_function(format!("build_{count}_keys"), |bencher| {
            bencher.iter_with_large_drop(|| black_box(build(&services, black_box(&keys))));
        });
    }
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
