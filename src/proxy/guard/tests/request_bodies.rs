//! Bodies of requests, and what comes behind them.

use super::super::{Place, Refusal, RequestGuard, Rule};
use super::{BOUNDS, BYSTANDER, check, feed, splittings};

/// What follows the head of a request with chunks.
#[track_caller]
fn chunks(body: impl AsRef<[u8]>, expected: Result<(), Rule>) {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
    check([head, body.as_ref()].concat(), expected);
}

#[test]
fn a_body_with_a_length_is_not_looked_at() {
    for body in ["x", "\r\n\r\n", "\0\n\r", "GET / HTTP/1.1\n\n", "0\r\n\r\n"] {
        check(format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()), Ok(()));
    }
    let (head, body) = ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "c@ / HTTP/1.1\r\n\r\n");
    let bytes = [head, body].concat();
    for pieces in splittings(bytes.as_bytes()) {
        let mut guard = RequestGuard::new(BOUNDS);
        assert_eq!(feed(&mut guard, pieces), head.as_bytes());
        assert_eq!(guard.refusal(), Some(Refusal { rule: Rule::Method, place: Place::Head, is_bodiless: false }));
    }
}

#[test]
fn chunks_are_a_size_and_data() {
    for good in
        ["0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n", "a\r\n0\r\n\r\n\r\n\r\n\n\r\n0\r\n\r\n", "0A\r\n0123456789\r\n00\r\n\r\n"]
    {
        chunks(good, Ok(()));
    }
    chunks("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", Ok(()));
    for bad in [
        "x\r\n",
        "+1\r\nx\r\n",
        "-1\r\nx\r\n",
        "0x1\r\nx\r\n",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1\t\r\nx\r\n",
        "\r\n",
        "\n",
        "00000000000000001\r\nx\r\n",
        "1,1\r\nx\r\n",
        "g\r\n",
        "1\0\r\nx\r\n",
        "0 \r\n\r\n",
        "1\r\nx\r\n\r\n0\r\n\r\n",
    ] {
        chunks(format!("{bad}0\r\n\r\n"), Err(Rule::ChunkSize));
    }
    for bad in ["1;x\r\nx\r\n", "1;x=\"\r\n\"\r\nx\r\n", "0;\r\n\r\n", "1;\n\r\nx\r\n"] {
        chunks(bad, Err(Rule::ChunkExtension));
    }
    for bad in ["1\nx\r\n", "0\n\r\n", "0\n\n"] {
        chunks(bad, Err(Rule::BareLf));
    }
    for bad in ["1\rx\r\n", "1\r\r\nx\r\n", "0\r0\r\n"] {
        chunks(bad, Err(Rule::BareCr));
    }
    for bad in [
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nxy\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1\r\nx\r0\r\n\r\n",
        "2\r\nx\r\n0\r\n\r\n",
    ] {
        chunks(bad, Err(Rule::ChunkEnd));
    }
}

#[test]
fn the_largest_body_takes_everything() {
    for framing in [
        "Content-Length: 9223372036854775807\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}");
        let bytes = [head.as_bytes(), BYSTANDER, BYSTANDER].concat();
        for pieces in splittings(&bytes) {
            let mut guard = RequestGuard::new(BOUNDS);
            assert_eq!(feed(&mut guard, pieces), bytes);
            assert_eq!((guard.refusal(), guard.heads()), (None, 1));
        }
    }
}

#[test]
fn trailers_are_fields_that_frame_nothing() {
    for good in ["x: y\r\n", "grpc-status: 0\r\nserver-timing: a\r\n"] {
        chunks(format!("0\r\n{good}\r\n"), Ok(()));
    }
    for (bad, rule) in [
        ("x: y\n", Rule::BareLf),
        ("x\r\n", Rule::FieldName),
        ("x : y\r\n", Rule::BlankBeforeColon),
        ("x: y\r\n z\r\n", Rule::Fold),
        (" x: y\r\n", Rule::Fold),
        ("x: \0\r\n", Rule::ControlByte),
        ("x: y\rz\r\n", Rule::BareCr),
        ("GET / HTTP/1.1\r\nHost: a\r\n", Rule::FieldName),
        ("Content-Length: 5\r\n", Rule::Trailer),
        ("x: y\r\ntransfer-encoding: chunked\r\n", Rule::Trailer),
        ("HOST: a\r\n", Rule::Trailer),
    ] {
        chunks(format!("0\r\n{bad}\r\n"), Err(rule));
    }
    chunks(format!("0\r\nx: {}\r\n\r\n", "y".repeat(BOUNDS.head_size)), Err(Rule::HeadTooLarge));
    chunks(format!("0\r\n{}\r\n", "x: y\r\n".repeat(BOUNDS.fields)), Ok(()));
    chunks(format!("0\r\n{}\r\n", "x: y\r\n".repeat(BOUNDS.fields + 1)), Err(Rule::TooManyFields));
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn behind_a_request_for_an_upgrade_everything_waits() {
    for switched in [true, false] {
        let bytes = [UPGRADE, BYSTANDER, b"\x81\x00"].concat();
        for pieces in splittings(&bytes) {
            let mut guard = RequestGuard::new(BOUNDS);
            assert_eq!(feed(&mut guard, pieces), UPGRADE);
            assert_eq!((guard.refusal(), guard.heads()), (None, 1));
            guard.decide(1, switched);
            let expected = if switched { &bytes[UPGRADE.len()..] } else { BYSTANDER };
            assert_eq!(guard.ready(), expected);
            assert_eq!(
                guard.refusal().map(|refusal| (refusal.rule, refusal.place)),
                match switched {
                    true => None,
                    false => Some((Rule::Method, Place::Head)),
                }
            );
            guard.consume(usize::MAX);
            assert_eq!(feed(&mut guard, [&b"\xff\n\n"[..]]), if switched { &b"\xff\n\n"[..] } else { b"" });
        }
    }
}

#[test]
fn what_waits_has_a_bound() {
    let mut guard = RequestGuard::new(BOUNDS);
    assert_eq!(feed(&mut guard, [UPGRADE, &[0; BOUNDS.head_size]]), UPGRADE);
    assert_eq!(guard.refusal(), None);
    assert_eq!(feed(&mut guard, [&[0][..]]), b"");
    assert_eq!(guard.refusal().map(|refusal| refusal.rule), Some(Rule::Early));
    guard.decide(1, true);
    assert_eq!(feed(&mut guard, [&[0][..]]), b"");
}

#[test]
fn an_answer_without_a_switch_lets_the_next_request_come() {
    let mut guard = RequestGuard::new(BOUNDS);
    let _ = feed(&mut guard, [UPGRADE]);
    guard.decide(1, false);
    assert!(guard.is_between());
    assert_eq!(feed(&mut guard, [BYSTANDER]), BYSTANDER);
    // The answer may come before the body has.
    let upload = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n";
    let _ = feed(&mut guard, [&upload[..]]);
    guard.decide(3, false);
    let rest = [b"ab", BYSTANDER].concat();
    assert_eq!(feed(&mut guard, [&rest[..]]), rest);
}

#[test]
fn an_upgrade_that_connection_does_not_name_is_none() {
    check("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", Ok(()));
    check("GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Ok(()));
}

#[test]
fn a_body_is_read_to_its_end_before_protocols_switch() {
    let upload = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n";
    let mut guard = RequestGuard::new(BOUNDS);
    let _ = feed(&mut guard, [&upload[..], b"a"]);
    guard.decide(1, true);
    assert!(!guard.is_between());
    assert_eq!(feed(&mut guard, [&b"b\0\n"[..]]), b"b\0\n");
    assert_eq!(guard.refusal(), None);
}

#[test]
fn only_the_answer_to_the_upgrade_decides_upon_it() {
    let mut guard = RequestGuard::new(BOUNDS);
    let _ = feed(&mut guard, [BYSTANDER, UPGRADE, BYSTANDER]);
    guard.decide(1, false);
    assert!(guard.ready().is_empty());
    guard.decide(2, false);
    assert_eq!(guard.ready(), BYSTANDER);
}

#[test]
fn an_answer_in_the_middle_of_the_next_head_changes_nothing() {
    let mut guard = RequestGuard::new(BOUNDS);
    let (start, end) = BYSTANDER.split_at(20);
    let _ = feed(&mut guard, [BYSTANDER, start]);
    guard.decide(1, false);
    assert_eq!(feed(&mut guard, [end]), BYSTANDER);
    assert!(guard.is_between());
}
