//! The tree is the architecture: who may import whom, and which crate may be named where. ARCHITECTURE.md says why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A plane, and the modules of ours that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("routing", &[]),
    ("limits", &[]),
    ("drain", &[]),
    ("descriptors", &[]),
    ("api", &[]),
    ("bind", &[]),
    ("clock", &["routing"]),
    ("snapshot", &["routing"]),
    ("sessions", &["routing"]),
    ("readiness", &["drain", "snapshot"]),
    ("file", &["routing", "limits"]),
    ("proxy", &["bind", "clock", "descriptors", "drain", "limits", "routing", "sessions", "snapshot"]),
    ("control", &["clock", "file", "routing", "snapshot"]),
    ("admin", &["api", "bind", "clock", "drain", "readiness", "routing", "sessions", "snapshot"]),
];

/// A crate, and the only places that may name it.
const NAMED_ONLY_IN: &[(&str, &[&str])] = &[
    ("clap::", &["config/args", "cli/printed"]),
    ("hyper::", &["proxy", "cli/admin"]),
    ("hyper_util::", &["proxy", "cli/admin"]),
    ("axum::", &["admin"]),
    ("notify::", &["control"]),
    ("dashmap::", &["sessions"]),
    ("anyhow::", &["main"]),
    ("serde_saphyr", &["file"]),
    // TLS has two sides: clients (certificates) and endpoints (connectors, and the handshake with one).
    ("rustls::", &["control/tls", "proxy/tls", "proxy/upstream/tls", "snapshot/certificates", "snapshot/connectors"]),
    ("rustls_native_certs::", &["control/tls"]),
    ("tokio_rustls::", &["proxy/tls", "proxy/upstream/tls", "proxy/upstream/socket"]),
    ("h2::", &["proxy/upstream", "proxy/http2"]),
    ("rcgen::", &["control/tls"]),
    ("rustix::", &["descriptors"]),
    ("kube::", &["control/kubernetes"]),
    ("k8s_openapi::", &["control/kubernetes"]),
    ("tower::", &["control/kubernetes/token"]),
    ("md5::", &["routing/session/legacy"]),
    ("regex::", &["routing/filters/pattern"]),
];

/// Modules that do no I/O, ask no clock and draw from no global source of randomness.
const PURE: &[&str] = &[
    "routing",
    "file",
    "limits",
    "api",
    "proxy/filter",
    "proxy/frames/budget",
    "proxy/frames/flood",
    "proxy/frames/guard",
    "proxy/frames/head",
    "proxy/frames/streams",
    "proxy/grpc",
    "proxy/guard",
    "proxy/headers",
    "proxy/proxy_protocol",
    "proxy/redirect",
    "proxy/retry",
    "proxy/session/cookie",
    "proxy/session/same_site",
    "proxy/upstream/http2/request",
    "proxy/upstream/http2/verdict",
    "snapshot/certificates",
    "snapshot/connectors",
    "snapshot/x509",
    "control/kubernetes/advice",
    "control/kubernetes/annotations",
    "control/kubernetes/index",
    "control/kubernetes/lenient",
    "control/kubernetes/manifests",
    "control/kubernetes/objects",
    "control/kubernetes/preflight/facts",
    "control/kubernetes/preflight/judge",
    "control/kubernetes/preflight/permissions",
    "control/kubernetes/preflight/sessions",
    "control/kubernetes/problem",
    "control/kubernetes/review",
    "control/kubernetes/translate",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "std::net::Tcp",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "fastrand::Rng::new",
    "fastrand::u64",
    "aws_lc_rs::rand",
];

/// A source file: its path below `src` without the ending, and its text without tests and comments.
struct Source {
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 40, "the sources are found");
    let source = |file: PathBuf| {
        let path = file.strip_prefix(&root).expect("below src").with_extension("").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).expect("a text");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        Source { path, text: lines.collect::<Vec<_>>().join("\n") }
    };
    files.into_iter().map(source).filter(|source| !is_test(&source.path)).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests") || path.contains("/tests/") || path == "routing/simulation"
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn is_below(path: &str, module: &str) -> bool {
    path == module || path.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'))
}

/// The modules of ours that a text names, at the top level.
fn named(text: &str) -> BTreeSet<&str> {
    text.match_indices("crate::")
        .map(|(at, found)| &text[at + found.len()..])
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn every_plane_names_only_the_modules_below_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((plane, allowed)) = MAY_NAME.iter().find(|(plane, _)| is_below(&source.path, plane)) else { continue };
        for name in named(&source.text) {
            if name != *plane && !allowed.contains(&name) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in NAMED_ONLY_IN {
            let uses = source
                .text
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                .any(|word| word.starts_with(name));
            if uses && !places.iter().any(|place| is_below(&source.path, place)) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_pure_does_no_io_and_asks_no_clock() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !PURE.iter().any(|module| is_below(&source.path, module)) {
            continue;
        }
        for impure in IMPURE {
            if source.text.contains(impure) {
                wrong.push(format!("{} names {impure}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let silent: Vec<_> = files
        .into_iter()
        .filter(|file| !std::fs::read_to_string(file).expect("a text").starts_with("//!"))
        .filter(|file| !file.ends_with("tests.rs"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_file_has_outgrown_its_room() {
    let long: Vec<_> = sources()
        .iter()
        .map(|source| (source.text.lines().count(), source.path.clone()))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
