//! The guards of HTTP/2 frames, with clients and with endpoints: the verdict is that of the bytes, whatever the pieces; and
//! whoever does no work and lets no time pass has a bound on frames.
//!
//! An input is a sequence of records: a byte that says who sends and how much time has passed, one with a length, and so
//! many bytes.

use moorline::proxy::fuzzing::Frames;

use crate::planted;

const FRAMES: usize = 20;
const STREAMS: usize = 3;
/// What an endpoint has on top of that for each stream.
const PER_REQUEST: usize = 8;

struct Record<'d> {
    is_ours: bool,
    after: u64,
    bytes: &'d [u8],
}

pub fn check(data: &[u8]) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let records: Vec<_> = records(data).collect();
    hold(&records, FRAMES, || {
        let mut guard = Frames::of_client(FRAMES, 1024, STREAMS);
        guard.feed(PREFACE, 0);
        guard
    });
    hold(&records, FRAMES + PER_REQUEST * STREAMS, || {
        let mut guard = Frames::of_endpoint(FRAMES, 1024, STREAMS);
        guard.wrote(PREFACE, 0);
        guard
    });
}

/// The laws hold for this kind of guard, which lets so many frames of no use pass at the most.
fn hold(records: &[Record<'_>], most: usize, begin: impl Fn() -> Frames) {
    let run = |size: usize| {
        let (mut guard, mut now, mut flood) = (begin(), 0, None);
        for record in records {
            now += record.after;
            for piece in record.bytes.chunks(size) {
                flood = if record.is_ours { guard.wrote(piece, now) } else { planted::feed(&mut guard, piece, now) };
            }
        }
        (flood, format!("{guard:?}"))
    };
    let whole = run(usize::MAX);
    for size in [1, 3] {
        assert_eq!(run(size), whole, "in pieces of {size}");
    }
    if whole.0.is_none() && records.iter().all(|record| !record.is_ours && record.after == 0) {
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.bytes).copied().collect();
        let useless = count(&bytes);
        assert!(useless <= most, "{useless} frames of no use have passed");
    }
}

fn records(mut data: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (&[who, length], rest) = data.split_first_chunk()?;
        let (bytes, rest) = rest.split_at(usize::from(length).min(rest.len()));
        data = rest;
        Some(Record { is_ours: who & 1 != 0, after: u64::from(who >> 1) * 40, bytes })
    })
}

/// Frames that are neither a head nor a piece of a body, counted in the plainest way.
fn count(mut bytes: &[u8]) -> usize {
    let mut useless = 0;
    while let Some((&[a, b, c, kind, ..], rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        // A RST_STREAM counts once its stream is known, which is in front of its payload.
        let is_known = kind != 3 || rest.len() >= length.min(4);
        useless += usize::from(!matches!(kind, 0 | 1) && (kind != 7 || rest.len() >= length.min(4)) && is_known);
        bytes = rest.get(length..).unwrap_or_default();
    }
    useless
}
