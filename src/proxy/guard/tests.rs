//! One table per rule, and laws that hold for any bytes. Every case is fed in one piece, byte by byte and cut in two
//! everywhere, to a fresh guard and to one that has seen good messages, and each time the verdict is the same.

use super::*;

mod docs;
mod laws;
mod request_bodies;
mod request_heads;
mod responses;

const BOUNDS: Bounds = Bounds { head_size: 1024, target_size: 256, fields: 16, prior_knowledge: false };

/// Good requests that a connection may have carried before.
const BEFORE: [&[u8]; 4] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\r\n\r\n\0",
    b"PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\r\0\r\n0\r\nx: y\r\n\r\n",
];

/// Good, and answered by itself.
const BYSTANDER: &[u8] = b"GET /bystander HTTP/1.1\r\nHost: b\r\n\r\n";

/// Feeds what is read piece by piece, and collects what passes.
fn feed<'p, S: side::Side>(guard: &mut Guard<S>, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut passed = Vec::new();
    for piece in pieces {
        let in_place = guard.feed(piece);
        passed.extend_from_slice(&piece[..in_place]);
        passed.extend_from_slice(guard.ready());
        guard.consume(usize::MAX);
    }
    passed
}

/// In one piece, byte by byte, and in two pieces at every place.
fn splittings(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let halves = (1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    [vec![bytes], bytes.chunks(1).collect()].into_iter().chain(halves)
}

/// Is a request taken, or which rule does it break?
#[track_caller]
fn check(request: impl AsRef<[u8]>, expected: Result<(), Rule>) {
    let request = request.as_ref();
    for before in BEFORE {
        let bytes = [before, request, BYSTANDER].concat();
        let mut first: Option<Vec<u8>> = None;
        for pieces in splittings(&bytes) {
            let mut guard = RequestGuard::new(BOUNDS);
            let passed = feed(&mut guard, pieces);
            let shown = request.escape_ascii();
            assert_eq!(guard.refusal().map_or(Ok(()), |refusal| Err(refusal.rule)), expected, "{shown}");
            assert!(bytes.starts_with(&passed), "{shown}");
            match guard.refusal() {
                None => assert_eq!((passed.len(), guard.is_between()), (bytes.len(), true), "{shown}"),
                Some(Refusal { place: Place::Head, .. }) => assert_eq!(passed.len(), before.len(), "{shown}"),
                Some(Refusal { place: Place::Body, .. }) => {
                    assert!(passed.len() > before.len() && passed.len() < before.len() + request.len(), "{shown}");
                }
            }
            assert_eq!(*first.get_or_insert(passed.clone()), passed, "{shown}");
        }
    }
}
