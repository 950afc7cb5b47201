//! Requests that are refused for their heads, and their neighbours that are not.

use super::super::{RequestGuard, Rule};
use super::{BOUNDS, BYSTANDER, Bounds, check, feed};

/// A request line, with a Host.
#[track_caller]
fn line(line: &str, expected: Result<(), Rule>) {
    check(format!("{line}\r\nHost: a\r\n\r\n"), expected);
}

/// A field, beside a Host.
#[track_caller]
fn field(field: &str, expected: Result<(), Rule>) {
    check(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\nX: y\r\n\r\n"), expected);
    check(format!("POST / HTTP/1.1\r\nX: y\r\nHost: a\r\n{field}\r\n\r\n"), expected);
    check(format!("POST / HTTP/1.1\r\n{field}\r\nHost: a\r\n\r\n"), expected);
}

#[track_caller]
fn target(target: &str, expected: Result<(), Rule>) {
    line(&format!("GET {target} HTTP/1.1"), expected);
}

#[track_caller]
fn host(host: &str, expected: Result<(), Rule>) {
    check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), expected);
}

#[test]
fn lines_end_in_crlf() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \n y\r\n\r\n",
        "GET / HTTP/1.0\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        check(head, Err(Rule::BareLf));
    }
    for head in [
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        check(head, Err(Rule::BareCr));
    }
}

#[test]
fn one_empty_line_may_stand_before_a_request() {
    check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(()));
    check("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Err(Rule::EmptyLines));
    check("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Err(Rule::EmptyLines));
}

#[test]
fn a_request_line_has_three_parts_and_two_spaces() {
    line("GET / HTTP/1.1", Ok(()));
    line("GET / HTTP/1.0", Ok(()));
    line("get-it! / HTTP/1.1", Ok(()));
    for bad in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET",
        "GET ",
        "GET  HTTP/1.1",
    ] {
        line(bad, Err(Rule::RequestLine));
    }
    for bad in ["G@T / HTTP/1.1", "(GET) / HTTP/1.1", " GET / HTTP/1.1", "\tGET / HTTP/1.1", "\0GET / HTTP/1.1", ": a"]
    {
        line(bad, Err(Rule::Method));
    }
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", Err(Rule::Method));
    for bad in [
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / http/1.1",
        "GET / HTTP/1,1",
    ] {
        line(bad, Err(Rule::Version));
    }
    for bad in ["GET / ", "GET / HTTPS/1.1", "GET / ICAP/1.0", "INVALID CONNECTION PREFACE"] {
        line(bad, Err(Rule::NotHttp));
    }
    check("GET / HTTP/1.1Host: a\r\n\r\n", Err(Rule::RequestLine));
    check("GET / HTTP/1.1X\r\n\r\n", Err(Rule::Version));
}

#[test]
fn http2_is_spoken_only_where_it_is_expected() {
    let mut guard = RequestGuard::new(Bounds { prior_knowledge: true, ..BOUNDS });
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0";
    assert!(feed(&mut guard, preface.chunks(1)).is_empty());
    assert!(guard.is_http2() && guard.refusal().is_none());
    guard.open();
    assert_eq!(guard.ready(), preface);
    let mut late = RequestGuard::new(Bounds { prior_knowledge: true, ..BOUNDS });
    feed(&mut late, [BYSTANDER, preface]);
    assert_eq!(late.refusal().map(|refusal| refusal.rule), Some(Rule::Version), "not behind a request");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Rule::Version));
}

#[test]
fn targets_are_paths_or_http_urls() {
    for good in
        ["/", "/a/b?c=d&e", "//", "/?", "/%41%zz", "/a|b{c}^[]`'", "/?a\\b", "http://a", "HTTP://A/x", "https://a?x"]
    {
        target(good, Ok(()));
    }
    for bad in ["a", "a/b", "?x", "ftp://a/", "http:/a", "http://", "http:///x", "http://u@a/", "http://a:x/", "a:80"] {
        target(bad, Err(Rule::Target));
    }
    for bad in ["/a\\b", "/\\?x", "http://a/\\", "/a<b", "/a>b", "/a\"b", "/?a\"b", "/ä", "/a\x7fb", "/a\x01b", "/a\0b"]
    {
        target(bad, Err(Rule::Target));
    }
    check(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", Err(Rule::Target));
    for bad in ["/#", "/a#b", "#", "/?a#b", "http://a/#x", "http://a#"] {
        target(bad, Err(Rule::Fragment));
    }
    target("*", Err(Rule::Asterisk));
    line("OPTIONS * HTTP/1.1", Err(Rule::Asterisk));
    line("CONNECT a:443 HTTP/1.1", Err(Rule::Connect));
    line("CONNECT / HTTP/1.1", Err(Rule::Connect));
    line("connect / HTTP/1.1", Ok(()));
}

#[test]
fn targets_and_heads_have_a_bound() {
    let long = |length: usize| format!("/{}", "a".repeat(length - 1));
    target(&long(BOUNDS.target_size), Ok(()));
    target(&long(BOUNDS.target_size + 1), Err(Rule::TargetTooLong));
    target(&long(BOUNDS.head_size), Err(Rule::TargetTooLong));
    let head = |length: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    check(head(BOUNDS.head_size), Ok(()));
    check(head(BOUNDS.head_size + 1), Err(Rule::HeadTooLarge));
    check(head(BOUNDS.head_size + 2), Err(Rule::HeadTooLarge));
    check(head(3 * BOUNDS.head_size), Err(Rule::HeadTooLarge));
    for (start, rule) in [("GET /", Rule::TargetTooLong), ("GET / HTTP/1.1\r\nX: ", Rule::HeadTooLarge)] {
        let bytes = format!("{start}{}", "x".repeat(BOUNDS.head_size - start.len()));
        let mut guard = RequestGuard::new(BOUNDS);
        let _ = feed(&mut guard, [&bytes.as_bytes()[1..]]);
        assert_eq!(guard.refusal(), None);
        let mut guard = RequestGuard::new(BOUNDS);
        let _ = feed(&mut guard, [bytes.as_bytes()]);
        assert_eq!(guard.refusal().map(|refusal| refusal.rule), Some(rule), "without waiting for more");
    }
    let fields = |number: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(number - 1));
    check(fields(BOUNDS.fields), Ok(()));
    check(fields(BOUNDS.fields + 1), Err(Rule::TooManyFields));
}

#[test]
fn fields_are_a_token_a_colon_and_visible_characters() {
    for good in ["X_y: z", "!#$%&'*+-.^_`|~0: z", "X:", "X: ", "X:\ty z\t ", "X:y:z", "X: \u{e4}\u{80}"] {
        field(good, Ok(()));
    }
    for bad in ["X y: z", "X", ": z", "X\0: z", "(X): z", "X\u{e4}: z", "X[0]: z", "X\"", "X=y: z"] {
        field(bad, Err(Rule::FieldName));
    }
    for bad in ["X : y", "X\t: y", "Content-Length : 5", "Transfer-Encoding \t: chunked"] {
        field(bad, Err(Rule::BlankBeforeColon));
    }
    for bad in [" X: y", "\tX: y", "X: y\r\n z", "X: y\r\n\tz", "X:\r\n y", " ", "X: y\r\n "] {
        field(bad, Err(Rule::Fold));
    }
    for bad in ["X: \0", "X: a\0b", "X: \x01", "X: a\x0b", "X: \x0c", "X: \x1b[m", "X: a\x7fb", "X:\x08"] {
        field(bad, Err(Rule::ControlByte));
    }
}

#[test]
fn there_is_one_host_and_it_is_one() {
    for good in ["a", "a.example", "A_b-c.", "a:80", "a:65535", "127.0.0.1:8080", "[::1]", "[::1]:80", "  a\t"] {
        host(good, Ok(()));
    }
    for bad in [
        "",
        " ",
        "a b",
        "a,b",
        "a:",
        "a:65536",
        "a:000080",
        "a:-1",
        "a:8o",
        "a/b",
        "u@a",
        "a?b",
        "[::1",
        "[]",
        "[::1]x",
        "[a]",
        "[::1%25eth0]",
        "::1",
        "a%41",
        "\u{e4}",
        "a\\b",
        ":80",
        "a:80:80",
        "<a>",
    ] {
        host(bad, Err(Rule::Host));
    }
    check("GET / HTTP/1.1\r\n\r\n", Err(Rule::HostMissing));
    check("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", Err(Rule::HostMissing));
    check("GET http://a/ HTTP/1.1\r\n\r\n", Err(Rule::HostMissing));
    check("GET / HTTP/1.0\r\n\r\n", Ok(()));
    check("GET / HTTP/1.0\r\nHost: \r\n\r\n", Err(Rule::Host));
    field("Host: a", Err(Rule::HostRepeated));
    field("hOST: b", Err(Rule::HostRepeated));
    check("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Err(Rule::HostRepeated));
}

#[test]
fn the_host_of_the_target_is_the_host() {
    target("http://A/", Ok(()));
    target("http://b/", Err(Rule::Authority));
    target("http://a:80/", Err(Rule::Authority));
    target("http://aa/", Err(Rule::Authority));
    check("GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n", Err(Rule::Authority));
    check("GET http://b/ HTTP/1.0\r\n\r\n", Ok(()));
    check("GET http://a:8080/ HTTP/1.1\r\nHost: a:8080\r\n\r\n", Ok(()));
}

#[test]
fn a_length_is_one_plain_number() {
    field("Content-Length: 0", Ok(()));
    field("Content-Length:0", Ok(()));
    for bad in [
        "",
        " ",
        "+0",
        "-0",
        "0x0",
        "0 0",
        "0,0",
        "0, 0",
        " 0",
        "0 ",
        "\t0",
        "0\t",
        "00",
        "05",
        "a",
        "0a",
        "0;",
        "\"0\"",
        "0.0",
        "1e1",
        "\u{b2}",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999",
        "0_0",
        ",",
        "0,",
    ] {
        field(&format!("Content-Length: {bad}"), Err(Rule::Length));
    }
    for again in ["Content-Length: 0", "content-length: 5"] {
        field(&format!("Content-Length: 0\r\n{again}"), Err(Rule::LengthRepeated));
        field(&format!("Content-Length: 0\r\nY: z\r\n{again}"), Err(Rule::LengthRepeated));
    }
}

#[test]
fn an_encoding_is_chunked_once_and_alone() {
    for bad in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunke",
        "chunked ",
        " chunked",
        "\tchunked",
        "chunked\t",
        "chunked x",
        "chunked\u{a0}",
    ] {
        field(&format!("Transfer-Encoding: {bad}"), Err(Rule::Encoding));
    }
    field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Err(Rule::Encoding));
    field("Transfer-Encoding: chunked\r\nY: z\r\ntransfer-encoding: identity", Err(Rule::Encoding));
    field("Transfer-Encoding: chunked\r\nContent-Length: 5", Err(Rule::LengthAndEncoding));
    field("content-length: 0\r\ntransfer-encoding: chunked", Err(Rule::LengthAndEncoding));
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err(Rule::EncodingInOldVersion));
}

#[test]
fn only_100_continue_is_expected() {
    field("Expect: 100-continue", Ok(()));
    field("eXPECT: 100-Continue", Ok(()));
    for bad in ["", "100", "100-continue, x", "200-ok", "x=y"] {
        field(&format!("Expect: {bad}"), Err(Rule::Expect));
    }
    field("Expect: 100-continue\r\nExpect: 100-continue", Err(Rule::Expect));
}
