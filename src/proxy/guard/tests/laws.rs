//! Laws that hold for any bytes.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::{Asked, RequestGuard, ResponseGuard, Rule, side};
use super::{BOUNDS, Bounds, Guard, Place, feed};

/// What matters to somebody who wants to be misunderstood.
const FRAGMENTS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b":",
    b"0",
    b"5",
    b"a",
    b"ff",
    b";",
    b",",
    b"#",
    b"*",
    b"\x7f",
    b"\xff",
    b"GET / HTTP/1.1\r\n",
    b"POST /x HTTP/1.1\r\n",
    b"GET http://a/ HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 C\r\n",
    b"HTTP/1.1 101 S\r\nUpgrade: x\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length:",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:",
    b"chunked",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"X: y\r\n",
    b"\r\n z",
];

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ]
}

/// A message, and where in it the body is.
#[derive(Clone, Debug)]
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let chunk = prop::collection::vec(any::<u8>(), 1..40);
    let trailer = select(&["", "X: y\r\n", "Grpc-Status: 0\r\nA:b\r\n"][..]);
    prop_oneof![
        Just((String::new(), Vec::new())),
        prop::collection::vec(any::<u8>(), 0..80)
            .prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body)),
        (prop::collection::vec(chunk, 0..4), trailer).prop_map(|(chunks, trailer)| {
            let mut body = Vec::new();
            for chunk in chunks {
                body.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(&chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
            ("Transfer-Encoding: chunked\r\n".to_owned(), body)
        }),
    ]
}

fn fields() -> impl Strategy<Value = Vec<String>> {
    let name = "[A-Za-z][-A-Za-z0-9_.!#$%&'*+^`|~]{0,9}".prop_map(|name| format!("X-{name}"));
    prop::collection::vec((name, "[ \t]{0,2}", "([!-~][ -~\t]{0,20})?"), 0..5).prop_map(|fields| {
        fields.into_iter().map(|(name, blank, value)| format!("{name}:{blank}{value}\r\n")).collect()
    })
}

fn message(line: impl Strategy<Value = String>, own: &'static str) -> impl Strategy<Value = Message> {
    (line, fields(), body(), any::<Index>(), any::<Index>()).prop_map(
        move |(line, mut fields, (framing, body), at, beside)| {
            for (field, at) in [(own, at), (&framing, beside)] {
                fields.insert(at.index(fields.len() + 1), field.to_owned());
            }
            let head = format!("{line}\r\n{}\r\n", fields.concat()).into_bytes();
            Message { head: head.len(), bytes: [head, body].concat() }
        },
    )
}

fn request() -> impl Strategy<Value = Message> {
    message("(\r\n)?(GET|POST|PUT|x-Y) (http://a)?/[a-z0-9/]{0,9}(\\?[ab=&{|]{0,5})? HTTP/1\\.1", "Host: a\r\n")
}

fn response() -> impl Strategy<Value = Message> {
    message("HTTP/1\\.1 (200|404|503)( [ -~]{0,9})?", "Server: a\r\n").prop_filter("it has an end", |message| {
        let head = String::from_utf8_lossy(&message.bytes[..message.head]);
        head.contains("\r\nContent-Length: ") || head.contains("\r\nTransfer-Encoding: ")
    })
}

/// Good messages with some bytes changed.
fn spoiled(good: impl Strategy<Value = Message>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), 0..3_usize, prop_oneof![1 => Just(Vec::new()), 3 => fragment()]);
    (prop::collection::vec(good, 1..3), prop::collection::vec(change, 0..3)).prop_map(|(messages, changes)| {
        let mut bytes: Vec<u8> = messages.into_iter().flat_map(|message| message.bytes).collect();
        for (at, length, with) in changes {
            let at = at.index(bytes.len() + 1);
            let range: Range<usize> = at..(at + length).min(bytes.len());
            bytes.splice(range, with);
        }
        bytes
    })
}

fn anything(good: impl Strategy<Value = Message> + 'static) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        4 => prop::collection::vec(fragment(), 0..20).prop_map(|fragments| fragments.concat()),
        8 => spoiled(good),
    ]
}

fn split<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

/// Feeds the same bytes in different pieces; returns what passed.
fn same_verdict<S: side::Side>(guard: impl Fn() -> Guard<S>, bytes: &[u8], cuts: &[Index]) -> (Vec<u8>, Guard<S>) {
    let mut whole = guard();
    let passed = feed(&mut whole, [bytes]);
    assert!(bytes.starts_with(&passed));
    for pieces in [split(bytes, cuts), bytes.chunks(1).collect()] {
        let mut other = guard();
        assert_eq!(feed(&mut other, pieces), passed);
        assert_eq!(other.refusal(), whole.refusal());
        assert_eq!((other.heads(), other.is_between()), (whole.heads(), whole.is_between()));
    }
    (passed, whole)
}

/// A field as two readers see it.
type Field = (String, Vec<u8>);

/// Reads a head in the most literal way there is.
fn read_plainly(head: &[u8]) -> (String, Vec<Field>) {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    // One char per byte, so that nothing is lost.
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.strip_suffix("\r\n\r\n").expect("an empty line at the end").split("\r\n");
    let line = lines.next().expect("a first line").to_owned();
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a colon");
        assert!(!line.contains(|c: char| c.is_ascii_control() && c != '\t'), "{line:?}");
        (name.to_owned(), value.trim_matches([' ', '\t']).chars().map(|c| c as u8).collect())
    });
    (line, fields.collect())
}

/// Reads a head as hyper does.
fn read_as_hyper(bytes: &[u8]) -> (usize, String, Vec<Field>) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = httparse::ParserConfig::default().parse_request(&mut request, bytes);
    let length = parsed.expect("a head").unwrap();
    let line = format!("{} {} HTTP/1.{}", request.method.unwrap(), request.path.unwrap(), request.version.unwrap());
    let fields = request.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
    (length, line, fields)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_on_requests_does_not_depend_on_the_pieces(
        bytes in anything(request()),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        tight in any::<bool>(),
    ) {
        let bounds = if tight { Bounds { head_size: 60, target_size: 10, fields: 3, ..BOUNDS } } else { BOUNDS };
        same_verdict(|| RequestGuard::new(bounds), &bytes, &cuts);
    }

    #[test]
    fn the_verdict_on_responses_does_not_depend_on_the_pieces(
        bytes in anything(response()),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        asked in (any::<bool>(), any::<bool>()).prop_map(|(head, upgrade)| Asked { head, upgrade }),
        tight in any::<bool>(),
    ) {
        let bounds = if tight { Bounds { head_size: 60, target_size: 10, fields: 3, ..BOUNDS } } else { BOUNDS };
        let guard = || {
            let mut guard = ResponseGuard::new(bounds);
            guard.ask(asked);
            guard
        };
        same_verdict(guard, &bytes, &cuts);
    }

    #[test]
    fn good_requests_pass_and_end_where_they_end(messages in prop::collection::vec(request(), 1..4)) {
        let mut guard = RequestGuard::new(BOUNDS);
        for (before, message) in messages.iter().enumerate() {
            for at in 0..message.bytes.len() {
                prop_assert_eq!(guard.heads() - before as u64, u64::from(at >= message.head), "{:?}", guard.refusal());
                prop_assert!(at == 0 || !guard.is_between());
                let _ = feed(&mut guard, [&message.bytes[at..=at]]);
            }
            prop_assert!(guard.is_between(), "{:?}", guard.refusal());
        }
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.bytes.clone()).collect();
        prop_assert_eq!(feed(&mut RequestGuard::new(BOUNDS), [&bytes[..]]), bytes);
    }

    #[test]
    fn good_responses_pass_and_end_where_they_end(messages in prop::collection::vec(response(), 1..4)) {
        let mut guard = ResponseGuard::new(BOUNDS);
        for (before, message) in messages.iter().enumerate() {
            prop_assert!(guard.is_answered());
            guard.ask(Asked::default());
            for at in 0..message.bytes.len() {
                prop_assert_eq!(guard.heads() - before as u64, u64::from(at >= message.head), "{:?}", guard.refusal());
                prop_assert!(!guard.is_answered());
                let _ = feed(&mut guard, [&message.bytes[at..=at]]);
            }
            prop_assert!(guard.is_answered(), "{:?}", guard.refusal());
        }
    }

    #[test]
    fn what_passes_is_read_alike_by_everybody(bytes in anything(request())) {
        let (passed, _) = same_verdict(|| RequestGuard::new(BOUNDS), &bytes, &[]);
        let mut rest = &passed[..];
        let mut guard = RequestGuard::new(BOUNDS);
        while guard.heads() == 0 && !rest.is_empty() {
            // The first head alone: the guard follows one message, and says where it ends.
            let (length, line, fields) = read_as_hyper(rest);
            prop_assert_eq!(read_plainly(&rest[..length]), (line, fields.clone()));
            let named = |name: &str| fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name)).count();
            prop_assert!(named("content-length") + named("transfer-encoding") <= 1 && named("host") <= 1);
            for (end, _) in rest.iter().enumerate().skip(length - 1) {
                let _ = feed(&mut guard, [if end == length - 1 { &rest[..length] } else { &rest[end..=end] }]);
                if guard.is_between() {
                    rest = &rest[end + 1..];
                    guard = RequestGuard::new(BOUNDS);
                    break;
                }
            }
        }
    }
}

#[test]
fn a_refused_head_leaves_nothing_behind() {
    let mut guard = RequestGuard::new(BOUNDS);
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\nb\r\n\r\n";
    for byte in bytes.chunks(1) {
        let _ = guard.feed(byte);
    }
    assert_eq!(guard.ready(), &bytes[..27]);
    guard.consume(10);
    assert_eq!(guard.ready(), &bytes[10..27]);
    guard.consume(usize::MAX);
    assert!(guard.ready().is_empty());
    let refusal = guard.refusal().expect("a refusal");
    assert_eq!((refusal.rule, refusal.place), (Rule::BareLf, Place::Head));
    let holds_nothing = |guard: &RequestGuard| format!("{guard:?}").contains(" kept: [],");
    let mut other = RequestGuard::new(BOUNDS);
    assert_eq!(other.feed(bytes), 27);
    assert!(holds_nothing(&guard) && holds_nothing(&other), "{guard:?} {other:?}");
    assert_eq!(other.feed(bytes), 0);
    assert!(holds_nothing(&other), "{other:?}");
}
