//! Laws that hold for any bytes.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// A frame that may make sense.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![8 => 0..10_u8, 1 => Just(16_u8), 1 => any::<u8>()];
    let flags = prop_oneof![4 => select(&[0, 1, 4, 5, 8, 9][..]), 1 => any::<u8>()];
    let stream = prop_oneof![8 => 0..12_u32, 1 => any::<u32>()];
    let length = prop_oneof![60 => 0..20_usize, 1 => Just(16 * 1024_usize)];
    (kind, flags, stream, length).prop_map(|(kind, flags, stream, length)| frame(kind, flags, stream, &vec![3; length]))
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..400),
        4 => prop::collection::vec(any_frame(), 0..60)
            .prop_map(|frames| [PREFACE.to_vec(), frames.concat()].concat()),
    ]
}

/// Frames that bring nothing forward, of any kind.
fn useless() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(ping()),
        Just(settings()),
        Just(update(0)),
        Just(update(7)),
        Just(data(1, 0)),
        (0..99_u32).prop_map(priority),
        (0..99_u32).prop_map(|stream| reset(stream, 8)),
        (0..9_u32).prop_map(last_headers),
        (10..=255_u8).prop_map(|kind| frame(kind, 0, 0, b"x")),
        Just(frame(head::CONTINUATION, END_HEADERS, 1, b"")),
    ]
}

/// A way to cut bytes.
enum Cut {
    Nowhere,
    At(Vec<Index>),
    Bytes,
}

impl Cut {
    fn pieces<'b>(&self, bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> = match self {
            Self::Nowhere => Vec::new(),
            Self::At(cuts) => cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect(),
            Self::Bytes => (0..bytes.len()).collect(),
        };
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
    }
}

/// What becomes of a guard, with these bytes of both sides cut in this way. Its state is all that can be seen of it.
fn outcome<G: Follow + Debug>(
    begin: impl FnOnce(Bounds, Millis) -> G,
    frames: usize,
    turns: &[(Vec<u8>, bool, u64)],
    cut: &Cut,
) -> String {
    let mut now = Millis(5);
    let mut guard = begin(Bounds { frames, head_size: 1024, streams: 3 }, now);
    for (bytes, is_ours, time) in turns {
        now.0 += time;
        for piece in cut.pieces(bytes) {
            let _ = if *is_ours { guard.wrote(piece, now) } else { guard.feed(piece, now) };
        }
    }
    format!("{guard:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(
        turns in prop::collection::vec((anything(), any::<bool>(), 0..3000_u64), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        frames in select(&[0, 10, 800][..]),
    ) {
        for cut in [Cut::At(cuts), Cut::Bytes] {
            let of_client = |cut| outcome(Guard::new, frames, &turns, cut);
            prop_assert_eq!(of_client(&cut), of_client(&Cut::Nowhere));
            let of_endpoint = |cut| outcome(EndpointGuard::new, frames, &turns, cut);
            prop_assert_eq!(of_endpoint(&cut), of_endpoint(&Cut::Nowhere));
        }
    }

    #[test]
    fn whatever_is_of_no_use_ends(kinds in prop::collection::vec(useless(), 1..8)) {
        let mut connection = Connection::new();
        connection.gets(&headers(1));
        let frames = (0..2000).take_while(|at| connection.try_gets(&kinds[at % kinds.len()]).is_ok()).count();
        prop_assert!(frames < 1000, "{frames}");
        let mut connection = Connection::to_endpoint();
        connection.sends(&headers(1));
        // It has been paid for as many requests as there may be at a time.
        let frames = (0..4000).take_while(|at| connection.try_gets(&kinds[at % kinds.len()]).is_ok()).count();
        prop_assert!(frames < 2000, "{frames}");
    }

    /// Whatever requests there are, of any size, answered in any order, with as much around them as is paid for.
    #[test]
    fn requests_that_are_answered_go_on_for_ever(
        rounds in prop::collection::vec((1..100_usize, 0..3000_usize, 0..3_u8, any::<Index>()), 1..60),
    ) {
        let mut connection = Connection::new();
        let mut streams = numbers();
        for (requests, length, around, first) in rounds {
            let mut batch: Vec<u32> = streams.by_ref().take(requests).collect();
            for stream in &batch {
                connection.gets(&headers(*stream)).gets(&last_data(*stream, length));
                for _ in 0..around {
                    connection.gets(&priority(*stream));
                }
            }
            batch.rotate_left(first.index(requests));
            for stream in batch {
                connection.sends(&headers(stream)).sends(&last_data(stream, length));
                connection.gets(&update(0)).gets(&update(stream));
            }
            prop_assert!(connection.guard.idle_since().is_some());
        }
    }
}
