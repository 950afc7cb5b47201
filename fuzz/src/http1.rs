//! Whatever a client sends over a connection: requests that reach the origin are those that are answered, in their order
//! and as they were sent; of one that is refused the origin sees nothing; a bystander gets their own answers.
//!
//! Where requests begin and end is what the guard says when it is fed byte by byte; what the origin gets is read by
//! somebody else (`message`). An input is a byte that says in which pieces it is sent, and what is sent.

use moorline::proxy::fuzzing::Requests;

use crate::message::{Kind, Message, Reader};
use crate::planted;
use crate::scene::{Seen, connect, end, scene, send};

/// More says nothing new.
const LONGEST: usize = 16 * 1024;

pub fn check(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let piece = if *cut == 0 || bytes.len() > 256 { usize::MAX } else { usize::from(*cut) };
    let Some(plan) = Plan::new(bytes) else { return };
    let scene = scene();
    let mut connection = connect(scene.address);
    let mut answered = Vec::new();
    send(&mut connection, &planted::on_the_way(&bytes[..plan.whole()]), piece);
    let is_open = plan.requests.iter().all(|request| {
        let answer = final_answer(&mut connection, kind(request)).expect("an answer to a whole request");
        let closes = answer.closes();
        assert!(answer.status() == 200 || answer.status() < 500, "{answer:?}");
        answered.push(answer);
        !closes
    });
    if is_open {
        rest(&mut connection, &plan, &bytes[plan.whole()..], piece);
    }
    drop(connection);
    scene.bystander_is_served();
    compare(&plan, &answered, &scene.seen());
}

/// What has to come of the bytes.
struct Plan<'b> {
    /// Whole requests, one behind the other from the beginning.
    requests: Vec<&'b [u8]>,
    /// What comes behind them breaks a rule: this one, and in a head?
    refusal: Option<(&'static str, bool)>,
}

impl<'b> Plan<'b> {
    /// Nothing, if it is no HTTP/1.
    fn new(bytes: &'b [u8]) -> Option<Self> {
        let (mut guard, mut start, mut requests) = (Requests::new(), 0, Vec::new());
        for (at, byte) in bytes.iter().enumerate() {
            guard.feed(std::slice::from_ref(byte));
            // An empty line before a head, or a byte of one, is no request.
            if guard.is_between() && guard.heads() > requests.len() as u64 {
                requests.push(&bytes[start..=at]);
                start = at + 1;
            }
        }
        (!guard.is_http2()).then(|| Self { requests, refusal: guard.refusal() })
    }

    /// So long are the whole requests.
    fn whole(&self) -> usize {
        self.requests.iter().map(|request| request.len()).sum()
    }
}

fn kind(request: &[u8]) -> Kind {
    let request = request.strip_prefix(b"\r\n").unwrap_or(request);
    if request.starts_with(b"HEAD ") { Kind::Bodiless } else { Kind::Response }
}

/// The next answer that is not interim.
fn final_answer(connection: &mut Reader, kind: Kind) -> Option<Message> {
    loop {
        let answer = connection.message(kind)?;
        if !matches!(answer.status(), 100..200) {
            return Some(answer);
        }
    }
}

/// What is behind the whole requests: refused, or unfinished. Either way the connection ends, without an answer of the
/// origin.
fn rest(connection: &mut Reader, plan: &Plan<'_>, bytes: &[u8], piece: usize) {
    if bytes.is_empty() {
        return;
    }
    send(connection, &planted::on_the_way(bytes), piece);
    if plan.refusal.is_none() {
        end(connection);
    }
    let kind = kind(bytes);
    let is_silent = matches!(plan.refusal, None | Some(("not-http", _)));
    match final_answer(connection, kind) {
        None => assert!(is_silent || plan.refusal.is_some_and(|refusal| !refusal.1), "no answer to {:?}", plan.refusal),
        Some(answer) => {
            assert!((400..600).contains(&answer.status()), "{:?} is answered: {answer:?}", plan.refusal);
            assert!(answer.field("x-number").is_none(), "the origin has answered: {answer:?}");
            assert!(connection.is_at_end(), "it goes on after {answer:?}");
        }
    }
}

fn compare(plan: &Plan<'_>, answered: &[Message], seen: &[Seen]) {
    let of_origin = answered.iter().zip(&plan.requests).filter_map(|(answer, request)| {
        let number = answer.field("x-number")?.parse::<usize>().expect("a number");
        Some((number, *request))
    });
    let answers: Vec<_> = of_origin.collect();
    let numbers: Vec<_> = seen.iter().map(|seen| seen.number).collect();
    assert_eq!(answers.iter().map(|answer| answer.0).collect::<Vec<_>>(), numbers, "asked and answered: {seen:?}");
    for ((_, request), Seen { message, .. }) in answers.iter().zip(seen) {
        let request = request.strip_prefix(b"\r\n").unwrap_or(request);
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head: String = request[..end].iter().map(|byte| char::from(*byte)).collect();
        let line: Vec<&str> = head.split("\r\n").next().expect("a line").split(' ').collect();
        assert_eq!(line[0], message.line[0]);
        let scheme = line[1].find("://").filter(|_| !line[1].starts_with('/'));
        let path = scheme.map_or(line[1], |at| {
            let rest = &line[1][at + 3..];
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        });
        assert_eq!(path.strip_prefix('?').map_or(path.to_owned(), |query| format!("/?{query}")), message.line[1]);
        let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding:");
        let body = if is_chunked { unchunked(&request[end..]) } else { request[end..].to_vec() };
        assert_eq!(message.body, body, "another body");
    }
}

/// The data of chunks that are whole and sound.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").expect("a size");
        let size = std::str::from_utf8(&chunks[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + size]);
        chunks = &chunks[end + 2 + size + 2..];
    }
}
