//! Good and bad files. What is said about the bad ones stands in `snapshots/`: `INSTA_UPDATE=always cargo test`
//! writes it, and the diff shows what operators will read.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{CertificatePair, Tls, TlsVersion, UpstreamTls};
use super::*;
use crate::routing::session::{OnLost, SameSite, Secure};
use crate::routing::{BackendId, Protocol};

const START: &str = "listeners: [{ address: 127.0.0.1:8080 }]\n";
const POSTS: &str = "\
backends:
  posts: { endpoints: [{ name: posts-0, address: 127.0.0.1:9001 }, { name: posts-1, address: 127.0.0.1:9002 }] }
";
const ROUTE: &str = "routes: [{ rules: [{ backend: posts, session: {} }] }]\n";

/// Each case as it is typed and what is said about it.
fn sayings<'a>(cases: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut out = String::new();
    for (title, text) in cases {
        let (verdict, problems) = match File::parse(&text) {
            Ok((_, problems)) => ("accepted", problems),
            Err(problems) => ("refused", problems),
        };
        writeln!(out, "## {title}: {verdict}\n{}", problems.render("f", Some(&text))).unwrap();
    }
    out
}

/// A file whose listener has this `proxy_protocol`.
fn announced(value: &str) -> String {
    format!("listeners: [{{ address: 127.0.0.1:8080, proxy_protocol: {value} }}]\n{POSTS}{ROUTE}")
}

/// A file with these listeners, whose route redirects in this way.
fn redirect(listeners: &str, switch: &str) -> String {
    format!(
        "listeners: [{listeners}]\n{POSTS}routes: [{{ redirect_to_https: {switch}, rules: [{{ backend: posts }}] }}]\n"
    )
}

fn parse(text: &str) -> (File, Problems) {
    File::parse(text).unwrap_or_else(|problems| panic!("{}", problems.render("f", Some(text))))
}

#[test]
fn how_endpoints_are_spoken_to() {
    let backend = |fields: &str| {
        format!(
            "{START}session_keys: {{ file: k }}\nbackends: {{ posts: {{ endpoints: [127.0.0.1:1, 127.0.0.1:2], {fields} }} }}\n\
             {ROUTE}"
        )
    };
    let (file, problems) = parse(&backend("protocol: h2, tls: { ca: ca.pem, server_name: posts.internal }"));
    assert!(problems.is_empty());
    let expected = UpstreamTls { verify: true, ca: Some("ca.pem".into()), server_name: Some("posts.internal".into()) };
    assert_eq!(file.secured().collect::<Vec<_>>(), [(&BackendId::new("posts"), Protocol::H2, &expected)]);
    let (file, _) = parse(&backend("protocol: https").replace("127.0.0.1:1,", "'localhost:1',"));
    assert_eq!(file.secured().next().map(|(_, protocol, tls)| (protocol, tls.verify)), Some((Protocol::Https, true)));
    assert_eq!(file.hosts().map(|(_, host)| host).collect::<Vec<_>>(), ["localhost"]);
    for plain in ["protocol: http", "protocol: h2c"] {
        assert_eq!(parse(&backend(plain)).0.secured().count(), 0);
    }
    let cases = [
        ("another word", backend("protocol: grpc")),
        ("TLS and none", backend("tls: { ca: ca.pem }")),
        ("TLS and HTTP/2 without it", backend("protocol: h2c, tls: {}")),
        ("another key", backend("protocol: https, tls: { ca_file: ca.pem }")),
        ("an empty file", backend("protocol: https, tls: { ca: '' }")),
        ("a name with a port", backend("protocol: https, tls: { server_name: 'posts.internal:443' }")),
        ("unverified", backend("protocol: https, tls: { verify: false, ca: ca.pem }")),
        ("neither one nor the other", backend("protocol: https, tls: { verify: maybe }")),
    ];
    insta::assert_snapshot!(sayings(cases));
}

#[test]
fn files_that_cannot_be_read() {
    let cases = [
        ("nothing", String::new()),
        ("a word", "moorline".into()),
        ("a list", "- listeners".into()),
        ("broken flow", "listeners: [{ address: 127.0.0.1:8080 }\nbackends: {}".into()),
        ("a tab", "listeners:\n\t- address: 127.0.0.1:8080".into()),
        ("a key twice", format!("{START}{START}")),
        ("a key is missing", format!("{START}{POSTS}")),
        (
            "addresses are missing",
            format!("listeners: [{{}}]\nbackends: {{ posts: {{ endpoints: [{{ name: a }}] }} }}\n{ROUTE}"),
        ),
        ("a list where a mapping belongs", format!("listeners: [[127.0.0.1:8080]]\n{POSTS}{ROUTE}")),
        ("a text where a list belongs", format!("listeners: 127.0.0.1:8080\n{POSTS}{ROUTE}")),
        (
            "an endpoint that YAML takes for a list",
            format!("{START}backends: {{ b: {{ endpoints: [[::1]:80] }} }}\n{ROUTE}"),
        ),
        (
            "no boolean",
            format!("{START}backends: {{ b: {{ endpoints: [{{ address: '[::1]:80', drain: on }}] }} }}\n{ROUTE}"),
        ),
        ("two documents", format!("{START}{POSTS}{ROUTE}---\n{START}")),
        ("an unknown alias", "listeners: *x".into()),
        ("deep", "[".repeat(1000)),
    ];
    insta::assert_snapshot!(sayings(cases));
}

#[test]
fn files_that_make_no_sense() {
    let endpoints = |list: &str| format!("{START}backends: {{ posts: {{ endpoints: {list} }} }}\n{ROUTE}");
    let rule = |rule: &str| format!("{START}{POSTS}routes: [{{ rules: [{rule}] }}]\n");
    let session = |session: &str| rule(&format!("{{ backend: posts, session: {session} }}"));
    let top = |top: &str| format!("{START}{top}\n{POSTS}{ROUTE}");
    let tls = |tls: &str| format!("listeners: [{{ address: 127.0.0.1:8443, tls: {tls} }}]\n{POSTS}{ROUTE}");
    let cases = [
        ("three mistakes at once", format!("listners: 1\n{}", session("{ on_lost: reasign, cokie: {}, hold: 5 }"))),
        ("words of other tools", session("{ on_lost: sticky, on-restart: keep, cookie: { SameSite: none } }")),
        ("an unknown key far from all", top("frobnicate: 1")),
        ("misspelt and missing", format!("listeners: [{{ adress: 127.0.0.1:1 }}, {{ backlog: 1 }}]\n{POSTS}{ROUTE}")),
        ("a proxy protocol without networks", announced("{}")),
        ("a proxy protocol that is no mapping", announced("true")),
        ("nothing behind a proxy protocol", announced("")),
        ("a proxy protocol for nobody", announced("{ from: [] }")),
        ("networks that are none", announced("{ from: [10.0.0.0/33, balancer] }")),
        ("no tls", tls("1")),
        ("nothing behind tls", tls("")),
        ("a certificate without its key", tls("{ certificates: [cert.pem] }")),
        ("half a certificate", tls("{ certificates: [{ cert: a }, { crt: a, key: b }, { cert: '', key: '' }] }")),
        ("versions of tls", tls("{ min_version: 1.1, max_version: 1.3 }")),
        ("no redirect", redirect("{ address: 127.0.0.1:8080 }", "yes")),
        ("a redirect to nowhere", redirect("{ address: 127.0.0.1:0, tls: {} }", "true")),
        (
            "a redirect to one of several",
            redirect("{ address: 127.0.0.1:8443, tls: {} }, { address: 127.0.0.1:9443, tls: {} }", "true"),
        ),
        ("a redirect to no port", redirect("{ address: 127.0.0.1:8443, tls: {} }", "{ port: 65536 }")),
        ("a redirect with a typing mistake", redirect("{ address: 127.0.0.1:8443, tls: {} }", "{ prot: 8443 }")),
        ("nothing in it", "listeners: []\nbackends: {}\nroutes: []\n".into()),
        ("addresses", endpoints("[9001, shop.internal:80, 'http://127.0.0.1', 127.0.0.1, 127.0.0.1:0, ':80']")),
        (
            "listened on twice",
            format!("listeners: [{{ address: 127.0.0.1:80 }}, {{ address: localhost:80 }}]\n{POSTS}{ROUTE}"),
        ),
        (
            "no network",
            format!("listeners: [{{ address: '[::]:80', trusted_proxies: [10.0.0.0/40] }}]\n{POSTS}{ROUTE}"),
        ),
        ("one endpoint twice", endpoints("[127.0.0.1:9001, localhost:9001]")),
        ("names", endpoints("[{ name: a/b, address: 127.0.0.1:1 }, { name: '', address: 127.0.0.1:2 }]")),
        ("an unknown backend", rule("{ backend: post }")),
        ("an unknown backend like none", rule("{ backend: carts }")),
        ("no backend", rule("{ path: { prefix: / } }")),
        ("two ways to say a backend", rule("{ backend: posts, backends: [{ name: posts }] }")),
        ("no backends", rule("{ backends: [] }")),
        ("two shares", rule("{ backends: [{ name: posts }, { name: posts, weight: 1000001 }] }")),
        ("no weight", rule("{ backends: [{ name: posts, weight: 0 }] }")),
        ("no rules", format!("{START}{POSTS}routes: [{{ hosts: [a.example], rules: [] }}]")),
        (
            "hosts",
            format!(
                "{START}{POSTS}routes: [{{ hosts: ['a b', a.example:80, 'x.*.y', ''], rules: [{{ backend: posts }}] }}]"
            ),
        ),
        ("paths", rule("{ backend: posts, path: { prefix: shop } }, { backend: posts, path: { exact: /a/../b } }")),
        ("two paths", rule("{ backend: posts, path: { prefix: /, exact: / } }")),
        (
            "limits",
            top(
                "limits: { idle: 0s, head: 75, head_size: 1, connections: 0, held: -1, body: 1w, target_size: 128KiB }",
            ),
        ),
        ("workers", top("workers: 0")),
        ("a log format", top("access_log: { format: jsonl }")),
        ("a key file", top("session_keys: { file: '' }")),
        (
            "cookies",
            session("{ cookie: { name: 'a b', path: shop, domain: 'a:80', max_age: 0s, secure: on, same_site: no } }"),
        ),
        ("times", session("{ hold: 2h, idle: 0, absolute: 500d, drain_deadline: 31d }")),
    ];
    insta::assert_snapshot!(sayings(cases));
}

#[test]
fn files_that_will_not_do_what_was_meant() {
    let endpoints = |list: &str| {
        format!("{START}session_keys: {{ file: k }}\nbackends: {{ posts: {{ endpoints: {list} }} }}\n{ROUTE}")
    };
    let routes = |routes: &str| format!("{START}session_keys: {{ file: k }}\n{POSTS}routes: [{routes}]\n");
    let session = |session: &str| {
        routes(&format!(
            "{{ hosts: [a.example], rules: [{{ path: {{ prefix: /shop }}, backend: posts, session: {session} }}] }}"
        ))
    };
    let cookie = |cookie: &str| session(&format!("{{ cookie: {{ {cookie} }} }}"));
    let two = POSTS.replace("posts", "carts").replace("backends:\n", "").replace("127.0.0.1:9", "127.0.0.1:8");
    let cases = [
        ("no keys", format!("{START}{POSTS}{ROUTE}")),
        ("no certificates", format!("listeners: [{{ address: 127.0.0.1:8443, tls: {{}} }}]\n{POSTS}{ROUTE}")),
        ("a proxy protocol for everybody", announced("{ from: ['::/0', 10.0.0.0/8] }")),
        ("a redirect without tls", redirect("{ address: 127.0.0.1:8080 }", "true")),
        ("a redirect behind a proxy", redirect("{ address: 127.0.0.1:8080, trusted_proxies: [10.0.0.0/8] }", "true")),
        ("one endpoint", endpoints("[127.0.0.1:9001]")),
        ("no endpoints", endpoints("[]")),
        (
            "all drain",
            endpoints("[{ name: a, address: 127.0.0.1:1, drain: true }, { address: 127.0.0.1:2, drain: true }]"),
        ),
        (
            "one address with two names",
            endpoints("[{ name: a, address: 127.0.0.1:1 }, { name: b, address: 127.0.0.1:1 }]"),
        ),
        ("unused", routes("{ rules: [{ backend: posts }] }").replace("routes", &format!("{two}routes"))),
        (
            "shadowed",
            routes(
                "{ hosts: [a.example], rules: [{ backend: posts }] }, { hosts: [b.example, A.example], rules: [{ backend: posts, path: { prefix: / } }] }",
            ),
        ),
        (
            "one cookie for two backends",
            routes(
                "{ rules: [{ backend: posts, session: }, { path: { prefix: /cart }, backend: carts, session: {} }] }",
            )
            .replace("routes", &format!("{two}routes")),
        ),
        ("balance with sessions", routes("{ rules: [{ backend: posts, session: {}, balance: random }] }")),
        ("hold", session("{ hold: 5m }")),
        ("hold without names", endpoints("[127.0.0.1:1, 127.0.0.1:2]").replace("session: {}", "session: { hold: 5s }")),
        ("idle", session("{ idle: 2h, absolute: 1h }")),
        ("same_site none", cookie("same_site: none")),
        ("partitioned", cookie("partitioned: true, secure: never")),
        ("a prefix of the name", cookie("name: __Host-a, path: /shop, secure: false")),
        ("the path of the cookie", cookie("path: /shop/cart")),
        ("the domain of the cookie", cookie("domain: .b.example")),
        ("all well", cookie("path: /shop, domain: example, secure: true, same_site: none, partitioned: true")),
    ];
    insta::assert_snapshot!(sayings(cases));
}

#[test]
fn a_short_file_means_the_defaults() {
    let (file, _) = parse(&format!("{START}{POSTS}{ROUTE}"));
    assert_eq!(file.admin, Some(ADMIN));
    assert_eq!(file.limits, Default::default());
    assert_eq!((file.access_log, file.workers, &file.session_keys), (AccessLog::Combined, None, &None));
    let rule = &file.routes[0].rules[0];
    assert_eq!(rule.session, Some(Default::default()));
    assert_eq!(rule.path, crate::routing::PathMatch::Prefix("".into()));
    assert_eq!(file.routes[0].hosts, [crate::routing::HostPattern::Any]);
}

#[test]
fn every_word_reaches_its_place() {
    let (file, problems) = parse(include_str!("../../../docs/moorline.yaml"));
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(file.listeners[0].trusted_proxies[0].to_string(), "10.0.0.0/8");
    assert_eq!(file.limits, Default::default(), "the example names the defaults");
    let session = file.routes[0].rules[0].session.as_ref().unwrap();
    assert_eq!(*session, crate::routing::SessionPolicy::default(), "the example names the defaults");
    let text = format!("{START}access_log: {{ format: off }}\nadmin: {{ enabled: false }}\nworkers: 3\nlimits: {{ idle: 1m30s, held: 0, head_size: 32KiB }}
{POSTS}routes: [{{ rules: [{{ backend: posts, session: {{ on_lost: temporary, strip_cookie: false, cookie: {{ secure: true, same_site: strict, max_age: 1d }} }} }}] }}]");
    let (file, _) = parse(&text);
    assert_eq!((file.access_log, file.admin, file.workers.map(NonZeroUsize::get)), (AccessLog::Off, None, Some(3)));
    assert_eq!((file.limits.idle, file.limits.held, file.limits.head_size), (Duration::from_secs(90), 0, 32 * 1024));
    let session = file.routes[0].rules[0].session.as_ref().unwrap();
    assert_eq!((session.on_lost, session.strip_cookie), (OnLost::Temporary, false));
    assert_eq!((session.cookie.secure, session.cookie.same_site), (Secure::Always, Some(SameSite::Strict)));
    assert_eq!(session.cookie.max_age, Some(24 * 60 * 60));
}

#[test]
fn tls_and_redirects_reach_their_places() {
    let (plain, tls) = ("{ address: 127.0.0.1:80 }", "{ address: 127.0.0.1:8443, tls: { min_version: 1.3 } }");
    let (file, _) = parse(&redirect(&format!("{plain}, {tls}"), "true"));
    assert_eq!(file.listeners[0].tls, None);
    assert_eq!(file.listeners[1].tls, Some(Tls { certificates: Vec::new(), min_version: TlsVersion::V1_3 }));
    let port = |listeners: &str, switch: &str| parse(&redirect(listeners, switch)).0.routes[0].redirect_to_https;
    assert_eq!(port(tls, "true"), Some(8443));
    assert_eq!(port(tls, "false"), None);
    assert_eq!(port(tls, "{ port: 443 }"), Some(443));
    assert_eq!(port(plain, "true"), Some(443));
    assert_eq!(port(&format!("{tls}, {{ address: 127.0.0.1:443, tls: {{}} }}"), "true"), Some(443));
    let (file, _) = parse(include_str!("../../../docs/moorline.yaml"));
    let tls = file.listeners[1].tls.as_ref().unwrap();
    assert_eq!(tls.certificates, [CertificatePair { cert: "cert.pem".into(), key: "key.pem".into() }]);
    assert_eq!((tls.min_version, file.routes[0].redirect_to_https), (TlsVersion::V1_2, None));
}

#[test]
fn what_is_too_large_is_not_read() {
    let problems = File::parse(&"#".repeat(super::super::MAX_SIZE + 1)).unwrap_err();
    assert_eq!(problems.to_string(), "the file is larger than 1MiB");
}

#[test]
fn aliases_cannot_blow_a_file_up() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for at in 1..20 {
        let before = format!("*a{}, ", at - 1).repeat(9);
        writeln!(bomb, "a{at}: &a{at} [{before}]").unwrap();
    }
    let problems = File::parse(&bomb).unwrap_err().to_string();
    assert!(problems.contains("aliases make it too large"), "{problems}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = File::parse(&text).map_err(|problems| problems.render("f", Some(&text)).to_string());
        let _ = super::super::keys::KeyFile::parse(&text);
    }

    /// A good file with a hole torn into it, or something put into it.
    #[test]
    fn any_change_of_a_file_is_read_or_refused(at in 0usize..2000, cut in 0usize..40, put in "[ -~\n]{0,8}") {
        let good = include_str!("../../../docs/moorline.yaml");
        let cut_at = |at: usize| (at.min(good.len())..=good.len()).find(|at| good.is_char_boundary(*at)).unwrap();
        let (start, end) = (cut_at(at), cut_at(at + cut));
        let text = format!("{}{put}{}", &good[..start], &good[end..]);
        let _ = File::parse(&text).map_err(|problems| problems.render("f", Some(&text)).to_string());
    }
}
