//! Who asked: whatever fields a client sends, an application believes nothing of it that only the proxy can know, and
//! gets no field that speaks of the connection. A trusted proxy is believed, and the nearest is named last.
//!
//! An input is a byte whose first bit says whether the client is trusted, and lines of fields.

use crate::message::Kind;
use crate::planted;
use crate::scene::{connect, scene, send};

const CLIENT: &str = "127.0.0.1";

pub fn check(data: &[u8]) {
    let Some((mode, lines)) = data.split_first() else { return };
    let is_trusted = mode & 1 != 0;
    let sent = fields(&lines[..lines.len().min(4096)]);
    let mut head = String::from("GET / HTTP/1.1\r\nHost: h\r\n");
    for (name, value) in &sent {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let bytes: Vec<u8> = head.chars().map(|c| c as u8).collect();
    let scene = scene();
    let mut connection = connect(if is_trusted { scene.trusting } else { scene.address });
    send(&mut connection, &bytes, usize::MAX);
    let answer = connection.message(Kind::Response).expect("an answer");
    let seen = scene.seen();
    if answer.status() != 200 {
        assert!((400..500).contains(&answer.status()) && seen.is_empty(), "{answer:?} {seen:?}");
        return;
    }
    let [seen] = &seen[..] else { panic!("one request: {seen:?}") };
    let mut fields = seen.message.fields.clone();
    planted::seen(&mut fields, &sent);
    let all = |name: &str| {
        let same = |found: &str| found.to_ascii_lowercase().replace('_', "-") == name;
        fields.iter().filter(|field| same(&field.0)).map(|field| &*field.1).collect::<Vec<_>>()
    };
    connection_is_not_spoken_of(&all);
    for name in ["moorline-session", "moorline-session-id", "host"] {
        assert_eq!(all(name).len(), 1, "{name}: {fields:?}");
    }
    assert!(["new", "kept"].contains(&all("moorline-session")[0]), "{fields:?}");
    if is_trusted {
        trusted(&all, &sent);
    } else {
        untrusted(&all, &fields);
    }
}

/// Sound fields, each on a line of its own.
fn fields(lines: &[u8]) -> Vec<(String, String)> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_sound = !name.is_empty() && name.iter().all(is_token);
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        // What frames the message is the matter of another target.
        let frames = ["host", "content-length", "transfer-encoding", "expect", "upgrade"];
        let is_free = !frames.iter().any(|name_| name.eq_ignore_ascii_case(name_.as_bytes()));
        let has_control = value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        (is_sound && is_free && !has_control).then(|| (text(name), text(value)))
    };
    lines.split(|byte| *byte == b'\n').filter_map(field).take(60).collect()
}

fn connection_is_not_spoken_of<'f>(all: &impl Fn(&str) -> Vec<&'f str>) {
    for name in ["keep-alive", "proxy-connection", "te", "trailer", "upgrade", "proxy-authorization", "connection"] {
        assert!(all(name).is_empty(), "{name}: {:?}", all(name));
    }
}

fn untrusted<'f>(all: &impl Fn(&str) -> Vec<&'f str>, fields: &[(String, String)]) {
    assert_eq!(all("x-forwarded-for"), [CLIENT]);
    assert_eq!(all("x-real-ip"), [CLIENT]);
    assert_eq!(all("x-forwarded-proto"), ["http"]);
    assert_eq!(all("x-forwarded-host"), ["h"]);
    assert_eq!(all("forwarded"), [format!("for={CLIENT};host=h;proto=http")]);
    let known = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    let others = fields.iter().map(|field| field.0.to_ascii_lowercase().replace('_', "-"));
    for name in others.filter(|name| name.starts_with("x-forwarded-")) {
        assert!(known.contains(&&*name), "{name}");
    }
}

fn trusted<'f>(all: &impl Fn(&str) -> Vec<&'f str>, sent: &[(String, String)]) {
    // A proxy that nominates a field takes it back.
    let is_nominated = |name: &str| {
        let fields = sent.iter().filter(|field| field.0.eq_ignore_ascii_case("connection"));
        fields.flat_map(|field| field.1.split(',')).any(|option| option.trim().eq_ignore_ascii_case(name))
    };
    let before = |name: &str| {
        let fields = sent.iter().filter(|field| field.0.eq_ignore_ascii_case(name) && !is_nominated(name));
        fields.map(|field| &*field.1).collect::<Vec<_>>()
    };
    let mut list = before("x-forwarded-for");
    list.push(CLIENT);
    assert_eq!(all("x-forwarded-for"), [list.join(", ")]);
    for (name, own) in [("x-real-ip", CLIENT), ("x-forwarded-proto", "http"), ("x-forwarded-host", "h")] {
        assert_eq!(all(name), [*before(name).last().unwrap_or(&own)], "{name}");
    }
    let forwarded = all("forwarded");
    assert!(
        forwarded.len() == 1 && forwarded[0].ends_with(&format!("for={CLIENT};host=h;proto=http")),
        "{forwarded:?}"
    );
}
