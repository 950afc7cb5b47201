//! Which rule a request finds: tables of cases, and a second, naive implementation to compare with.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::*;
use crate::routing::fixture::{backend, ready, ring, sticky};
use crate::routing::{BackendId, KeyRing, host};

/// A rule that can be told from others: by its backend.
fn rule(name: &str) -> Arc<Rule> {
    static KEYS: LazyLock<KeyRing> = LazyLock::new(|| ring(&[(0, 0)]));
    Arc::new(sticky(vec![(1, backend(name, &[], &KEYS))], SessionPolicy::default()))
}

fn name_of(rule: &Rule) -> &str {
    rule.backends[0].backend.id().as_str()
}

fn origin(created: u64, name: &str) -> Origin {
    Origin { is_default: false, created, name: name.into() }
}

/// `= /path` is exact, anything else a prefix, as [`PathMatch`] displays them.
fn path_match(text: &str) -> PathMatch {
    match text.strip_prefix("= ") {
        Some(exact) => PathMatch::exact(exact).unwrap(),
        None => PathMatch::prefix(text).unwrap(),
    }
}

/// A table of `host path` lines; each rule is called after its line.
fn table(lines: &[&str]) -> Table {
    let mut table = Table::builder();
    for line in lines {
        let (host, path) = line.split_once(' ').unwrap();
        table.add(host.parse().unwrap(), path_match(path), origin(0, line), rule(line));
    }
    let (table, shadowed) = table.build();
    assert_eq!(shadowed, []);
    table
}

#[track_caller]
fn check(table: &Table, request: &str, expected: Option<&str>) {
    let (host, path) = request.split_at(request.find('/').unwrap());
    assert_eq!(table.find(host, path).map(name_of), expected, "{request}");
}

#[test]
fn an_exact_path_beats_the_longest_prefix_beats_a_shorter_one() {
    let table = table(&["a.example /", "a.example /shop", "a.example /shop/cart", "a.example = /shop/cart"]);
    check(&table, "a.example/", Some("a.example /"));
    check(&table, "a.example/shopping", Some("a.example /"));
    check(&table, "a.example/shop", Some("a.example /shop"));
    check(&table, "a.example/shop/", Some("a.example /shop"));
    check(&table, "a.example/shop/cart", Some("a.example = /shop/cart"));
    check(&table, "a.example/shop/cart/", Some("a.example /shop/cart"));
    check(&table, "a.example/shop/cart/7", Some("a.example /shop/cart"));
    check(&table, "b.example/", None);
}

#[test]
fn an_exact_host_beats_a_wildcard_beats_any() {
    let table = table(&["* /", "*.example /", "a.example /", "*.b.example /"]);
    check(&table, "a.example/", Some("a.example /"));
    check(&table, "z.example/", Some("*.example /"));
    check(&table, "z.b.example/", Some("*.b.example /"));
    check(&table, "b.example/", Some("*.example /"));
    // A wildcard stands for one label.
    check(&table, "y.z.b.example/", Some("* /"));
    check(&table, "example/", Some("* /"));
    check(&table, "localhost/", Some("* /"));
    check(&table, "/", Some("* /"));
}

#[test]
fn the_most_specific_host_decides_alone() {
    let table = table(&["* /", "*.example /shop", "a.example /cart"]);
    check(&table, "a.example/shop", None);
    check(&table, "b.example/cart", None);
    check(&table, "b.example/shop", Some("*.example /shop"));
    check(&table, "b.c/cart", Some("* /"));
}

#[test]
fn a_table_without_rules_finds_nothing() {
    check(&Table::default(), "a.example/", None);
    assert!(Table::default().is_empty());
}

#[test]
fn a_host_with_many_rules_finds_the_same_as_one_with_few() {
    let mut lines: Vec<String> = (0..100).map(|at| format!("many.example /filler/{at}")).collect();
    for path in ["/", "/shop", "/shop/cart", "= /shop/cart", "/a/b/c/d/e", "= /"] {
        lines.push(format!("many.example {path}"));
    }
    let table = table(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let check = |path: &str, expected: &str| {
        check(&table, &format!("many.example{path}"), Some(&format!("many.example {expected}")));
    };
    check("/", "= /");
    check("/x", "/");
    check("/shop/cart", "= /shop/cart");
    check("/shop/cart/", "/shop/cart");
    check("/shop/carts", "/shop");
    check("/filler/7", "/filler/7");
    check("/filler/77/x", "/filler/77");
    check("/filler/777", "/");
    check("/a/b/c/d", "/");
    check("/a/b/c/d/e", "/a/b/c/d/e");
    check("/a/b/c/d/e/f/g", "/a/b/c/d/e");
    check(&"/".repeat(8000), "/");
    check(&format!("/shop{}", "/".repeat(8000)), "/shop");
    check("/filler/7é/é", "/");
}

#[test]
fn a_longer_expression_beats_a_shorter_prefix_and_the_other_way_round() {
    let mut lines: Vec<Line> = Vec::new();
    let add = |lines: &mut Vec<Line>, path: PathMatch| {
        lines.push(Line { host: HostPattern::Any, origin: origin(0, &path.to_string()), path });
    };
    for text in ["/app(/|$)(.*)", "/a.*"] {
        add(&mut lines, PathMatch::regex(text).unwrap());
    }
    for text in ["/", "/app/very/long/prefix", "/app"] {
        add(&mut lines, PathMatch::prefix(text).unwrap());
    }
    add(&mut lines, PathMatch::exact("/app").unwrap());
    let check = |table: &Table| {
        for (path, expected) in [
            ("/app", "= /app"),
            ("/app/x", "~ /app(/|$)(.*)"),
            ("/APP/x", "~ /app(/|$)(.*)"),
            ("/app/very/long/prefix/x", "/app/very/long/prefix/"),
            ("/apple", "~ /a.*"),
            ("/x/app", "/"),
        ] {
            assert_eq!(table.find("any.example", path).map(name_of), Some(expected), "{path}");
        }
    };
    check(&built(&lines).0);
    // With an index, too.
    for at in 0..LINEAR {
        add(&mut lines, PathMatch::prefix(&format!("/filler/{at}")).unwrap());
    }
    check(&built(&lines).0);
}

#[test]
fn of_two_rules_for_the_same_requests_the_older_one_wins_then_the_first_by_name() {
    let (host, path): (HostPattern, _) = ("a.example".parse().unwrap(), path_match("/"));
    let check = |origins: [Origin; 3], winner: usize| {
        let mut builder = Table::builder();
        for (at, origin) in origins.iter().enumerate() {
            builder.add(host.clone(), path.clone(), origin.clone(), rule(&at.to_string()));
        }
        let (table, mut shadowed) = builder.build();
        assert_eq!(table.find("a.example", "/").map(name_of), Some(&*winner.to_string()));
        assert_eq!(table.len(), 1);
        let mut losers: Vec<_> = (0..3).filter(|at| *at != winner).map(|at| origins[at].clone()).collect();
        losers.sort();
        for loser in losers.into_iter().rev() {
            let winner = origins[winner].clone();
            assert_eq!(shadowed.pop(), Some(Shadowed { host: host.clone(), path: path.clone(), winner, loser }));
        }
        assert_eq!(shadowed, []);
    };
    check([origin(3, "a"), origin(1, "c"), origin(2, "b")], 1);
    check([origin(1, "c"), origin(1, "b"), origin(1, "a")], 2);
    check([origin(1, "a"), origin(1, "b"), origin(1, "c")], 0);
}

#[test]
fn a_table_lists_every_backend_once_and_finds_every_endpoint() {
    let keys = ring(&[(0, 0)]);
    let (web, api) =
        (backend("web", &[ready("web-0"), ready("web-1")], &keys), backend("api", &[ready("api-0")], &keys));
    let mut builder = Table::builder();
    let both = Arc::new(sticky(vec![(1, Arc::clone(&web)), (0, api)], SessionPolicy::default()));
    let one = Arc::new(Rule { session: None, ..sticky(vec![(1, web)], SessionPolicy::default()) });
    builder.add(HostPattern::Any, path_match("/"), origin(0, "1"), Arc::clone(&both));
    builder.add("*.example".parse().unwrap(), path_match("/"), origin(0, "2"), both);
    builder.add("a.example".parse().unwrap(), path_match("/"), origin(0, "3"), one);
    let (table, _) = builder.build();
    assert_eq!(table.backends().iter().map(|backend| backend.id().as_str()).collect::<Vec<_>>(), ["api", "web"]);
    for (backend, name) in [("web", "web-0"), ("web", "web-1"), ("api", "api-0")] {
        let id = EndpointId::new(&BackendId::new(backend), name);
        assert_eq!(table.endpoint(&id).map(|endpoint| &endpoint.id), Some(&id));
    }
    assert!(table.endpoint(&EndpointId::new(&BackendId::new("web"), "api-0")).is_none());
    assert_eq!((table.len(), table.policies().count()), (3, 2));
}

/// One rule of a random table.
#[derive(Clone, Debug)]
struct Line {
    host: HostPattern,
    path: PathMatch,
    origin: Origin,
}

impl Line {
    fn matches(&self, host: &str, path: &str) -> bool {
        let host = match &self.host {
            HostPattern::Exact(name) => **name == *host,
            HostPattern::Wildcard(name) => host.split_once('.').is_some_and(|(_, rest)| **name == *rest),
            HostPattern::Any => true,
        };
        host && self.path.matches(path)
    }

    fn knows(&self, host: &str) -> bool {
        Self { path: PathMatch::prefix("/").unwrap(), ..self.clone() }.matches(host, "/")
    }
}

/// What [`Table::find`] should find, the slow way: of the rules under the best pattern for the host, the
/// best that matches; of equals the oldest.
fn reference<'l>(lines: &'l [Line], host: &str, path: &str) -> Option<&'l Line> {
    let pattern = lines.iter().filter(|line| line.knows(host)).map(|line| &line.host).min()?;
    let matching = lines.iter().filter(|line| line.host == *pattern && line.matches(host, path));
    matching.min_by(|a, b| a.path.cmp(&b.path).then_with(|| a.origin.cmp(&b.origin)))
}

fn built(lines: &[Line]) -> (Table, Vec<Shadowed>) {
    let mut builder = Table::builder();
    for line in lines {
        builder.add(line.host.clone(), line.path.clone(), line.origin.clone(), rule(&line.origin.name));
    }
    builder.build()
}

fn some_path() -> impl Strategy<Value = String> {
    let element = prop::sample::select(vec!["/", "/a", "/b", "/aa", "/ab", "/ba", "/bb"]);
    prop::collection::vec(element, 1..5).prop_map(|elements| elements.concat())
}

/// Exact paths, prefixes and expressions, of which some stand for a prefix and some for many.
fn some_match() -> impl Strategy<Value = PathMatch> {
    let end = prop::sample::select(vec!["", "(/|$)(.*)", "[ab]+", ".*/b", "$"]);
    (some_path(), 0..4, end).prop_map(|(path, kind, end)| match kind {
        0 => PathMatch::exact(&path).unwrap(),
        1 => PathMatch::regex(&format!("{path}{end}")).unwrap(),
        _ => PathMatch::prefix(&path).unwrap(),
    })
}

/// Few hosts, and paths of few letters, so that rules meet.
fn some_lines(most: usize) -> impl Strategy<Value = Vec<Line>> {
    let host = prop::sample::select(vec!["a.b", "x.a.b", "*.b", "*.a.b", "*"]);
    let line = (host, some_match(), 0u64..3);
    prop::collection::vec(line, 0..most).prop_map(|lines| {
        let line = |(at, (host, path, created)): (usize, (&str, PathMatch, u64))| Line {
            host: host.parse().unwrap(),
            path,
            origin: origin(created, &format!("{at:04}")),
        };
        lines.into_iter().enumerate().map(line).collect()
    })
}

const HOSTS: [&str; 7] = ["a.b", "b", "x.a.b", "y.a.b", "x.b", "z.y.a.b", ""];

#[track_caller]
fn agrees_with_the_reference(lines: &[Line], paths: &[String]) {
    let (table, shadowed) = built(lines);
    for (host, path) in HOSTS.iter().flat_map(|host| paths.iter().map(move |path| (host, path))) {
        let expected = reference(lines, host, path).map(|line| &*line.origin.name);
        assert_eq!(table.find(host, path).map(name_of), expected, "{host} {path}");
    }
    assert_eq!(table.len() + shadowed.len(), lines.len(), "who has no place is told");
    for Shadowed { host, path, winner, loser } in &shadowed {
        let same = |line: &&Line| line.host == *host && line.path == *path;
        assert_eq!(lines.iter().filter(same).map(|line| &line.origin).min(), Some(winner));
        assert!(winner < loser && lines.iter().filter(same).any(|line| line.origin == *loser));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_few_rules_agree_with_the_reference(
        lines in some_lines(20), paths in prop::collection::vec(some_path(), 10),
    ) {
        agrees_with_the_reference(&lines, &paths);
    }

    #[test]
    fn hosts_with_an_index_agree_with_the_reference(
        lines in some_lines(200), paths in prop::collection::vec(some_path(), 10),
    ) {
        agrees_with_the_reference(&lines, &paths);
    }

    #[test]
    fn the_order_in_which_rules_are_added_makes_no_difference(
        (lines, shuffled) in some_lines(60).prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
        path in some_path(),
    ) {
        let ((table, shadowed), (other, also_shadowed)) = (built(&lines), built(&shuffled));
        prop_assert_eq!(shadowed, also_shadowed);
        for host in HOSTS {
            prop_assert_eq!(table.find(host, &path).map(name_of), other.find(host, &path).map(name_of));
        }
    }

    #[test]
    fn any_request_is_answered_without_a_panic(host in ".*", path in ".*", lines in some_lines(60)) {
        let (table, _) = built(&lines);
        let _ = table.find(&host, &path);
        if let Ok(host) = host::canonical(&host) {
            let _ = table.find(&host, &path);
        }
    }
}
