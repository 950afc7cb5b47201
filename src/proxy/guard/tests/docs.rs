//! `docs/refusals.md` is what the code says.

use std::fmt::Write;

use super::super::rules::Scope;
use super::Rule;

const INTRODUCTION: &str = "# Refusals

What the guard refuses on the bytes of an HTTP/1 connection, before anything else reads them. A client gets the answer
after those of the requests before it, and the connection is closed; a response that breaks a rule becomes 502, or is
broken off if it had begun. Hosts and targets are held to the same over HTTP/2, where the stream is answered and the connection goes
on; a fragment is cut off there before anything can see it. The names do not change; `moorline_refusals_total` counts by them.

Written by `UPDATE_DOCS=1 cargo test --lib proxy::guard`.

";

fn table() -> String {
    let mut table = String::from("| rule | of | answer | RFC | refused when |\n|---|---|---|---|---|\n");
    for rule in Rule::ALL {
        let (scope, answer) = match rule.scope() {
            Scope::Both => ("requests, responses", format!("{}, 502", rule.status())),
            Scope::Requests if !rule.is_answered() => ("requests", "none".to_owned()),
            Scope::Requests => ("requests", rule.status().to_string()),
            Scope::Responses => ("responses", rule.status().to_string()),
        };
        let (name, rfc, detail) = (rule.name(), rule.rfc(), rule.detail());
        writeln!(table, "| `{name}` | {scope} | {answer} | {rfc} | {detail} |").expect("a string takes everything");
    }
    table
}

#[test]
fn the_table_of_refusals_is_that_of_the_code() {
    crate::documented::is_current("refusals.md", &format!("{INTRODUCTION}{}", table()));
}

#[test]
fn names_are_unique_and_answers_are_errors() {
    let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert!(matches!(rule.status(), 400..=599), "{rule:?}");
        assert_eq!(rule.to_string(), rule.detail());
    }
}
