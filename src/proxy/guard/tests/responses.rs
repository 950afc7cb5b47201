//! Responses, good and bad.

use super::super::{Asked, Place, Refusal, ResponseGuard, Rule};
use super::{BOUNDS, feed, splittings};

const GET: Asked = Asked { head: false, upgrade: false };
const HEAD: Asked = Asked { head: true, upgrade: false };
const UPGRADE: Asked = Asked { head: false, upgrade: true };

/// Good responses that the connection may have carried before.
const BEFORE: [&[u8]; 4] = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
];

/// Is a response taken whole, or which rule does it break? What is no response at all is not taken either.
#[track_caller]
fn check(asked: Asked, response: impl AsRef<[u8]>, expected: Result<(), Rule>) {
    let response = response.as_ref();
    let shown = response.escape_ascii();
    for before in BEFORE {
        let mut first: Option<Vec<u8>> = None;
        for pieces in splittings(response) {
            let mut guard = ResponseGuard::new(BOUNDS);
            if !before.is_empty() {
                guard.ask(GET);
                assert_eq!(feed(&mut guard, [before]), before);
                assert!(guard.is_answered());
            }
            guard.ask(asked);
            let passed = feed(&mut guard, pieces);
            assert_eq!(guard.refusal().map_or(Ok(()), |refusal| Err(refusal.rule)), expected, "{shown}");
            match guard.refusal() {
                None => assert_eq!(passed, response, "{shown}"),
                Some(_) => assert!(response.starts_with(&passed) && passed.len() < response.len(), "{shown}"),
            }
            assert_eq!(*first.get_or_insert(passed.clone()), passed, "{shown}");
        }
    }
}

#[track_caller]
fn answered(asked: Asked, response: &str) {
    check(asked, response, Ok(()));
    let mut guard = ResponseGuard::new(BOUNDS);
    guard.ask(asked);
    let _ = feed(&mut guard, [&response.as_bytes()[..response.len() - 1]]);
    assert!(!guard.is_answered(), "{response:?}");
    let _ = feed(&mut guard, [&response.as_bytes()[response.len() - 1..]]);
    assert!(guard.is_answered(), "{response:?}");
    // Whatever comes now answers nothing.
    for more in ["H", "\r\n", "\0", "HTTP/1.1 200 OK\r\n\r\n"] {
        check(asked, format!("{response}{more}"), Err(Rule::Unasked));
    }
}

#[track_caller]
fn field(field: &str, expected: Rule) {
    check(GET, format!("HTTP/1.1 200 OK\r\n{field}\r\nX: y\r\n\r\n"), Err(expected));
    check(GET, format!("HTTP/1.1 200 OK\r\nX: y\r\n{field}\r\n\r\n"), Err(expected));
}

#[test]
fn responses_end_where_they_say() {
    answered(GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    answered(GET, "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n\r\n\0");
    answered(GET, "HTTP/1.0 404 \r\ncontent-length: 1\r\n\r\nx");
    answered(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    answered(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nx: y\r\n\r\n");
    answered(GET, "HTTP/1.1 204 No Content\r\n\r\n");
    answered(GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    answered(GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    answered(HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    answered(HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    answered(HEAD, "HTTP/1.1 200 OK\r\n\r\n");
    answered(GET, "HTTP/1.1 599 \u{e4}\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_response_that_says_nothing_ends_with_the_connection() {
    check(GET, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\n\n\0", Ok(()));
    let mut guard = ResponseGuard::new(BOUNDS);
    guard.ask(GET);
    let _ = feed(&mut guard, [&b"HTTP/1.0 200 OK\r\n\r\nx"[..]]);
    assert!(!guard.is_answered());
}

#[test]
fn a_status_line_has_a_version_and_a_status() {
    for bad in ["HTTP/2 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1\t200 OK", "HTTP/1.12 200 OK", "HTP/1.1 200 OK", "H"] {
        check(GET, format!("{bad}\r\n\r\n"), Err(Rule::Version));
    }
    for bad in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 999 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 \x7f",
        "\r\nHTTP/1.1 200 OK",
        "\nHTTP/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "<html>",
        "HTTP/1.1 ",
    ] {
        check(GET, format!("{bad}\r\nContent-Length: 0\r\n\r\n"), Err(Rule::StatusLine));
    }
}

#[test]
fn fields_of_responses_are_as_those_of_requests() {
    for bad in
        ["HTTP/1.1 200 OK\nX: y\r\n\r\n", "HTTP/1.1 200\n\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n", "HTTP/1.1 200 OK\r\n\n"]
    {
        check(GET, bad, Err(Rule::BareLf));
    }
    check(GET, "HTTP/1.1 200 OK\rX: y\r\n\r\n", Err(Rule::BareCr));
    field("X: y\rz", Rule::BareCr);
    field("X : y", Rule::BlankBeforeColon);
    field("X", Rule::FieldName);
    field("X: y\r\n z", Rule::Fold);
    field("X: \0", Rule::ControlByte);
    for bad in ["5, 5", "+5", "5 ", "", "0x5", "05", "9223372036854775808"] {
        field(&format!("Content-Length: {bad}"), Rule::Length);
    }
    field("Content-Length: 5\r\nContent-Length: 5", Rule::LengthRepeated);
    field("Content-Length: 5\r\nContent-Length: 6", Rule::LengthRepeated);
    field("Content-Length: 5\r\nTransfer-Encoding: chunked", Rule::LengthAndEncoding);
    field("Transfer-Encoding: gzip, chunked", Rule::Encoding);
    field("Transfer-Encoding: identity", Rule::Encoding);
    field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Rule::Encoding);
    check(GET, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Rule::EncodingInOldVersion));
    check(GET, format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(BOUNDS.head_size)), Err(Rule::HeadTooLarge));
    check(GET, format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(17)), Err(Rule::TooManyFields));
    check(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nx\r\n0\r\n\r\n", Err(Rule::ChunkExtension));
    check(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n", Err(Rule::ChunkSize));
}

#[test]
fn interim_responses_are_followed_by_a_final_one() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    answered(GET, &format!("HTTP/1.1 100 Continue\r\n\r\n{last}"));
    answered(HEAD, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    check(GET, format!("{}{last}", "HTTP/1.1 102 P\r\n\r\n".repeat(16)), Ok(()));
    check(GET, format!("{}{last}", "HTTP/1.1 102 P\r\n\r\n".repeat(17)), Err(Rule::Interim));
    for bad in ["100 C\r\nContent-Length: 5", "103 E\r\nTransfer-Encoding: chunked", "204 N\r\nContent-Length: 5"] {
        check(GET, format!("HTTP/1.1 {bad}\r\n\r\n{last}"), Err(Rule::Bodiless));
    }
    check(HEAD, "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Rule::Bodiless));
}

#[test]
fn protocols_are_switched_only_for_whom_asked() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\0\n\r";
    check(UPGRADE, switch, Ok(()));
    check(UPGRADE, format!("HTTP/1.1 100 Continue\r\n\r\n{switch}"), Ok(()));
    check(GET, switch, Err(Rule::Switch));
    check(HEAD, switch, Err(Rule::Switch));
    check(UPGRADE, "HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(Rule::Switch));
    check(UPGRADE, "HTTP/1.0 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Err(Rule::Switch));
    check(UPGRADE, "HTTP/1.1 101 S\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n", Err(Rule::Bodiless));
    answered(UPGRADE, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn nobody_answers_who_was_not_asked() {
    let mut guard = ResponseGuard::new(BOUNDS);
    assert!(guard.is_answered());
    assert_eq!(feed(&mut guard, [&b"HTTP/1.1 200 OK\r\n\r\n"[..]]), b"");
    assert_eq!(guard.refusal(), Some(Refusal { rule: Rule::Unasked, place: Place::Head, is_bodiless: false }));
    guard.ask(GET);
    assert_eq!(feed(&mut guard, [&b"HTTP/1.1 200 OK\r\n\r\n"[..]]), b"");
}

#[test]
fn who_has_not_answered_is_not_asked_again() {
    let mut guard = ResponseGuard::new(BOUNDS);
    guard.ask(GET);
    let _ = feed(&mut guard, [&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"[..]]);
    guard.ask(GET);
    assert_eq!(guard.refusal().map(|refusal| refusal.rule), Some(Rule::Unasked));
}
