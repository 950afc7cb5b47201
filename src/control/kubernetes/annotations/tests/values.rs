//! Each annotation is read into the place that is meant for it.

use super::asked;
use crate::control::kubernetes::annotations::Asked;
use crate::routing::filters::Timeouts;

#[track_caller]
fn check(annotations: &[(&str, &str)], seen: impl Fn(&Asked) -> String, expected: &str) {
    let (asked, problems) = asked(annotations);
    assert_eq!(problems, [], "{annotations:?}");
    assert_eq!(seen(&asked), expected, "{annotations:?}");
}

#[test]
fn time_limits_are_for_what_they_are_called_after() {
    let limits = |asked: &Asked| {
        let Timeouts { connect, read, send } = asked.timeouts;
        format!("{connect:?} {read:?} {send:?}")
    };
    check(&[("proxy-connect-timeout", "1")], limits, "Some(1s) None None");
    check(&[("proxy-read-timeout", "2s")], limits, "None Some(2s) None");
    check(&[("proxy-send-timeout", "3")], limits, "None None Some(3s)");
}

#[test]
fn protocols_are_in_any_case() {
    let protocol = |asked: &Asked| asked.protocol.map_or("none", |protocol| protocol.as_str()).to_owned();
    for (text, expected) in
        [("HTTP", "http"), ("AUTO_HTTP", "http"), ("https", "https"), ("GRPC", "h2c"), ("grpcs", "h2")]
    {
        check(&[("backend-protocol", text)], protocol, expected);
    }
}

#[test]
fn what_is_said_about_other_origins_is_sent_to_them() {
    let cors = |asked: &Asked| {
        let cors = asked.cors.as_ref().expect("cors");
        let text = |value: &http::HeaderValue| value.to_str().expect("ascii").to_owned();
        let expose = cors.expose.as_ref().map(text);
        let (methods, headers) = (text(&cors.methods), text(&cors.headers));
        format!("{:?} {methods} {headers} {expose:?} {} {:?}", cors.origins, cors.credentials, cors.max_age)
    };
    let all = [
        ("enable-cors", "true"),
        ("cors-allow-origin", "https://A.example, https://*.b.example"),
        ("cors-allow-methods", "GET"),
        ("cors-allow-headers", "X-One"),
        ("cors-expose-headers", "X-Two"),
        ("cors-allow-credentials", "false"),
        ("cors-max-age", "7"),
    ];
    let origins = r#"[Exact("https://a.example"), Subdomain { scheme: "https", suffix: ".b.example" }]"#;
    check(&all, cors, &format!("{origins} GET X-One Some(\"X-Two\") false 7s"));
    let defaults = "GET, PUT, POST, DELETE, PATCH, OPTIONS DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,\
                    Cache-Control,Content-Type,Range,Authorization None true 1728000s";
    check(&all[..1], cors, &format!("[Any] {defaults}"));
}

#[test]
fn each_redirect_has_its_own_status() {
    let status = |asked: &Asked| asked.redirect.as_ref().expect("a redirect").status.as_u16().to_string();
    let (permanent, temporal) = (("permanent-redirect", "/p"), ("temporal-redirect", "/t"));
    let codes = [("permanent-redirect-code", "308"), ("temporal-redirect-code", "307")];
    check(&[permanent], status, "301");
    check(&[temporal], status, "302");
    check(&[permanent, codes[0], codes[1]], status, "308");
    check(&[temporal, codes[0], codes[1]], status, "307");
    let place = |asked: &Asked| format!("{:?}", asked.redirect.as_ref().expect("a redirect").location);
    check(&[permanent, temporal], place, r#"Fixed("/t")"#);
}

#[test]
fn ours_change_what_they_name_and_nothing_else() {
    let default = policy("moorline.dev/session", "true");
    for (key, value, expected) in [
        ("drain-deadline", "7m", "drain_deadline: 420s"),
        ("idle", "8m", "idle: 480s"),
        ("absolute", "9d", "absolute: 777600s"),
        ("hold", "1s", "hold: 1s"),
        ("strip-cookie", "false", "strip_cookie: false"),
        ("cookie-partitioned", "true", "partitioned: true"),
        ("cookie-http-only", "false", "http_only: false"),
        ("cookie-secure", "never", "secure: Never"),
        ("cookie-max-age", "1h", "max_age: Some(3600)"),
        ("cookie-domain", "a.example", "domain: Some(\"a.example\")"),
        ("strategy", "round_robin", "strategy: RoundRobin"),
        ("on-restart", "reassign", "on_restart: Reassign"),
    ] {
        let lines = policy(&format!("moorline.dev/{key}"), value);
        let other: Vec<_> = lines.iter().filter(|line| !default.contains(line)).collect();
        assert_eq!(other, [expected], "{key}");
    }
}

/// A policy, one line for each of its fields.
fn policy(key: &str, value: &str) -> Vec<String> {
    let (asked, problems) = asked(&[(key, value)]);
    assert_eq!(problems, [], "{key}");
    let text = format!("{:?}", asked.session.expect("a session").policy);
    let fields = text.trim_end_matches([' ', '}']).split([',', '{', '}']).map(|field| field.trim().to_owned());
    fields.filter(|field| !field.is_empty()).collect()
}
