//! What is clever does no I/O and asks no clock, so that tables and simulations can say everything about it.

use std::path::Path;

const PURE: &[&str] = &[
    "hosts.rs",
    "observed.rs",
    "decide.rs",
    "decide/bootstrap.rs",
    "decide/membership.rs",
    "decision.rs",
    "edit.rs",
    "labels.rs",
    "kubernetes/marker.rs",
    "kubernetes/objects.rs",
    "mongod/reply.rs",
];

const IMPURE: &[&str] = &["tokio", "kube::", "std::fs", "std::net", "std::env", "Instant", "SystemTime", "async "];

#[test]
fn decisions_do_no_io_and_ask_no_clock() {
    for file in PURE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let impure = IMPURE.iter().find(|impure| line.contains(**impure));
            assert_eq!(impure, None, "{file}: {line}");
        }
    }
}
