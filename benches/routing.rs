//! Which rule: the look-up of host and path, and what it takes to get them into the form that is looked up.

mod fixture;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::path::PathError;
use moorline::routing::{HostPattern, Origin, PathMatch, Strategy, Table, host, path};

use self::fixture::{Cycle, backend, ring, sticky};

/// So many look-ups are warm: hosts that are asked for again and again, in tables of any size.
const WORKING_SET: usize = 64;

/// What each host serves; the last one exactly.
const RULES: [&str; 8] = ["/", "/api", "/api/v1", "/api/v1/users", "/static", "/login", "/admin/console", "/healthz"];
/// What it is asked for: each rule is found by one of them.
const REQUESTS: [&str; 8] = [
    "/products/17",
    "/api/v2/things",
    "/api/v1/orders/9",
    "/api/v1/users/42",
    "/static/app.js",
    "/login",
    "/admin/console/",
    "/healthz",
];

fn host_name(at: usize) -> String {
    format!("shop-{at}.example.com")
}

fn table(hosts: usize) -> Table {
    let rule = Arc::new(sticky(backend("shop/web", 3, &ring(1)), Strategy::LeastSessions));
    let mut builder = Table::builder();
    for at in 0..hosts {
        let origin = Origin { is_default: false, created: 0, name: format!("shop/{at}").into() };
        for path in RULES {
            let matches = if path == "/healthz" { PathMatch::exact(path) } else { PathMatch::prefix(path) };
            let matches = matches.expect("a path");
            builder.add(HostPattern::Exact(host_name(at).into()), matches, origin.clone(), Arc::clone(&rule));
        }
    }
    builder.build().0
}

fn requests(hosts: impl Iterator<Item = usize>) -> Cycle<(String, &'static str)> {
    Cycle::shuffled(hosts.flat_map(|at| REQUESTS.map(|path| (host_name(at), path))))
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing");
    for hosts in [10, 1_000, 100_000] {
        let table = table(hosts);
        let mut warm = requests((0..hosts).step_by((hosts / WORKING_SET).max(1)).take(WORKING_SET));
        group.bench_function(format!("find_warm_{hosts}"), |bencher| {
            bencher.iter(|| {
                let (host, path) = warm.step();
                black_box(table.find(black_box(host), black_box(path)))
            });
        });
        let mut cold = requests(0..hosts);
        group.bench_function(format!("find_cold_{hosts}"), |bencher| {
            bencher.iter(|| {
                let (host, path) = cold.step();
                black_box(table.find(black_box(host), black_box(path)))
            });
        });
    }
    group.finish();
}

fn canonical_form(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing");
    let mut requests = requests(0..WORKING_SET);
    group.bench_function("canonical_and_check", |bencher| {
        bencher.iter(|| {
            let (host, path) = requests.step();
            let host = host::canonical(black_box(host)).map(|host| host.len());
            let path: Result<(), PathError> = path::check(black_box(path));
            black_box((host, path))
        });
    });
    group.finish();
}

criterion_group!(benches, find, canonical_form);
criterion_main!(benches);
