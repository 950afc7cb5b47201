//! `docs/annotations.md` is what the code says.

mod values;

use std::collections::BTreeSet;
use std::fmt::Write;

use super::table::{NGINX, OURS, Support};
use super::*;

const INTRODUCTION: &str = "# Annotations

What an Ingress can say beside its rules. A value that makes no sense is as if it were not there, and an Event says so; where it
is there to keep somebody out, nobody gets in (503) until it does.

Written by `UPDATE_DOCS=1 cargo test --lib control::kubernetes::annotations`.

## Sessions: `moorline.dev/…`

Any of these switches sessions on. Beside `nginx.ingress.kubernetes.io/affinity` they change what they name and leave the rest.

";

const DRAIN: &str = "
On a pod of a StatefulSet, `moorline.dev/drain: \"true\"` lets it keep the sessions that it has and gives it no new ones.

";

fn rows(text: &mut String, support: Support) {
    for theirs in NGINX.iter().filter(|theirs| theirs.support == support) {
        writeln!(text, "| `{}` | {} |", theirs.key, theirs.note).expect("a string takes everything");
    }
}

fn document() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| annotation | values | default | what it says |\n|---|---|---|---|\n");
    for ours in OURS {
        writeln!(text, "| `{}` | {} | {} | {} |", ours.key, ours.values, ours.default, ours.meaning).expect("a string");
    }
    text.push_str(DRAIN);
    text.push_str("## ingress-nginx: `nginx.ingress.kubernetes.io/…`\n\n### Honoured\n\n| annotation | |\n|---|---|\n");
    rows(&mut text, Support::Honoured);
    text.push_str("\n### Without effect, and nothing is missing\n\n| annotation | why |\n|---|---|\n");
    rows(&mut text, Support::Harmless);
    text.push_str(
        "\n### Not supported, and may be what protects a site: it is closed\n\nRequests get 503 and the Ingress an Event, \
         rather than everybody being let in.\n\n| annotation | |\n|---|---|\n",
    );
    rows(&mut text, Support::Closes);
    text.push_str(
        "\n### Everything else\n\nHas no effect; one Event and one line in the log name it. Snippets are never run.\n",
    );
    text
}

#[test]
fn the_tables_of_annotations_are_those_of_the_code() {
    crate::documented::is_current("annotations.md", &document());
}

#[test]
fn every_annotation_is_listed_once() {
    let keys: BTreeSet<_> = NGINX.iter().map(|theirs| theirs.key).collect();
    assert_eq!(keys.len(), NGINX.len());
    assert_eq!(OURS.iter().map(|ours| ours.key).collect::<BTreeSet<_>>().len(), OURS.len());
}

fn asked(annotations: &[(&str, &str)]) -> (Asked, Vec<Problem>) {
    let prefixed = |key: &&str| if key.contains('/') { (*key).to_owned() } else { format!("{}{key}", super::NGINX) };
    read(&annotations.iter().map(|(key, value)| (prefixed(key), (*value).to_owned())).collect(), super::NGINX)
}

#[test]
fn change_on_failure_is_no_patience_and_secure_false_says_nothing() {
    let (asked, problems) = asked(&[
        ("affinity", "cookie"),
        ("session-cookie-change-on-failure", "true"),
        ("session-cookie-secure", "false"),
        ("session-cookie-expires", "172800"),
        ("session-cookie-hash", "sha1"),
        ("moorline.dev/on-lost", "reject"),
    ]);
    let policy = asked.session.expect("a session").policy;
    assert!(policy.hold.is_zero());
    assert_eq!(policy.cookie.secure, crate::routing::session::Secure::Here);
    assert_eq!((policy.cookie.expires, policy.cookie.max_age), (Some(172_800), None));
    assert_eq!(policy.on_lost, crate::routing::session::OnLost::Reject);
    assert_eq!(problems, []);
}

#[test]
fn a_value_that_makes_no_sense_is_said_and_ignored() {
    let (asked, problems) = asked(&[("proxy-body-size", "8 MB"), ("backend-protocol", "FCGI"), ("affinity", "ip")]);
    assert!(asked.body_size.is_none() && asked.protocol.is_none() && asked.session.is_none());
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|problem| problem.reason == Reason::Rejected));
}

#[test]
fn our_session_annotation_says_no_to_sessions() {
    let (asked, _) = asked(&[("affinity", "cookie"), ("moorline.dev/session", "false")]);
    assert!(asked.session.is_none());
}

#[test]
fn redirects_keep_what_was_asked_for_only_where_they_say_so() {
    use crate::routing::filters::Location;
    let to = |value| asked(&[("permanent-redirect", value)]).0.redirect.map(|redirect| redirect.location);
    assert_eq!(to("https://b.example"), Some(Location::Fixed(HeaderValue::from_static("https://b.example"))));
    let kept = Location::WithTarget(HeaderValue::from_static("https://b.example"));
    assert_eq!(to("https://b.example$request_uri"), Some(kept));
    assert_eq!(to("javascript:alert(1)"), None);
}

#[test]
fn a_name_that_endpoints_are_not_sent_is_missed() {
    let (_, problems) = asked(&[("proxy-ssl-name", "a.example"), ("proxy-ssl-server-name", "on")]);
    let text = "not supported and without effect: proxy-ssl-name, proxy-ssl-server-name".to_owned();
    assert_eq!(problems, [Problem { reason: Reason::UnknownAnnotation, text }]);
    assert_eq!(asked(&[("proxy-ssl-server-name", "off")]).1, []);
}
