//! What a connection is waiting for, and since when.

use super::*;

#[track_caller]
fn unfinished_for(connection: &Connection, expected: Option<u64>) {
    let since = connection.guard.unfinished_since();
    assert_eq!(since.map(|since| connection.now.0 - since.0), expected);
}

#[track_caller]
fn idle_for(connection: &Connection, expected: Option<u64>) {
    let since = connection.guard.idle_since();
    assert_eq!(since.map(|since| connection.now.0 - since.0), expected);
}

#[test]
fn a_preface_that_does_not_end() {
    let mut connection = Connection::silent();
    unfinished_for(&connection, Some(0));
    connection.gets(&PREFACE[..23]).after(10);
    unfinished_for(&connection, Some(10));
    connection.gets(&PREFACE[23..]);
    unfinished_for(&connection, None);
}

#[test]
fn a_header_block_counts_from_its_first_byte_to_its_last() {
    let mut connection = Connection::new();
    let first = frame(head::HEADERS, END_STREAM, 1, b"head");
    let last = frame(head::CONTINUATION, END_HEADERS, 1, b"more");
    for (at, byte) in [&first[..], &last].concat().chunks(1).enumerate() {
        connection.after(100).gets(byte);
        let is_last = at + 1 == first.len() + last.len();
        unfinished_for(&connection, (!is_last).then_some(at as u64 * 100));
    }
}

#[test]
fn the_head_of_the_last_frame_does_not_end_a_header_block() {
    let mut connection = Connection::new();
    let frame = headers(1);
    connection.gets(&frame[..9]).after(5);
    unfinished_for(&connection, Some(5));
    connection.gets(&frame[9..]);
    unfinished_for(&connection, None);
    connection.gets(&super::frame(head::HEADERS, 0, 3, b"x"));
    connection.gets(&super::frame(head::CONTINUATION, END_HEADERS, 3, b"more")[..10]).after(5);
    unfinished_for(&connection, Some(5));
    connection.gets(b"ore");
    unfinished_for(&connection, None);
}

#[test]
fn other_frames_owe_their_rest_and_bodies_do_not() {
    let mut connection = Connection::new();
    connection.gets(&ping()[..12]).after(5);
    unfinished_for(&connection, Some(5));
    connection.gets(&ping()[12..]).gets(&headers(1));
    unfinished_for(&connection, None);
    connection.gets(&data(1, 10)[..15]).after(5);
    unfinished_for(&connection, None);
    // The last byte of one frame and the first of the next, in one piece.
    connection.gets(&[&data(1, 10)[15..], &[0]].concat()).after(7);
    unfinished_for(&connection, Some(7));
}

#[test]
fn a_connection_is_idle_from_the_start_and_from_its_last_answer() {
    let mut connection = Connection::new();
    connection.after(10);
    idle_for(&connection, Some(10));
    connection.gets(&last_headers(1)).gets(&headers(3));
    idle_for(&connection, None);
    connection.after(10).sends(&headers(1)).sends(&last_data(1, 5));
    idle_for(&connection, None);
    assert_eq!(connection.guard.open(), 1);
    connection.sends(&headers(3)).sends(&data(3, 5));
    idle_for(&connection, None);
    connection.sends(&last_data(3, 0)).after(10);
    idle_for(&connection, Some(10));
    // Neither what comes too late nor what is about nothing changes that.
    connection.gets(&last_data(3, 0)).gets(&reset(3, 8)).gets(&ping()).sends(&reset(3, NO_ERROR)).after(10);
    idle_for(&connection, Some(20));
}

#[test]
fn a_reset_by_either_side_ends_the_wait() {
    let mut connection = Connection::new();
    connection.gets(&headers(1)).gets(&reset(1, 8)).after(5);
    idle_for(&connection, Some(5));
    connection.gets(&headers(3)).sends(&reset(3, INTERNAL_ERROR)).after(6);
    idle_for(&connection, Some(6));
}

#[test]
fn what_comes_after_a_goaway_is_waited_for_by_nobody() {
    let mut connection = Connection::new();
    connection.after(5).sends(&goaway(u32::MAX >> 1));
    idle_for(&connection, Some(5));
    for stream in [1, 3, 5] {
        connection.gets(&headers(stream));
    }
    connection.sends(&goaway(3));
    assert_eq!(connection.guard.open(), 2);
    connection.gets(&headers(7));
    assert_eq!(connection.guard.open(), 2);
    connection.sends(&last_headers(1)).sends(&last_headers(3)).after(5);
    idle_for(&connection, Some(5));
}

#[test]
fn written_in_pieces_is_written() {
    let mut connection = Connection::new();
    connection.gets(&last_headers(1));
    let answer = [headers(1), data(1, 300), last_headers(1), reset(1, NO_ERROR)].concat();
    for (at, byte) in answer.chunks(1).enumerate() {
        let ends_at = headers(1).len() + data(1, 300).len() + 9;
        idle_for(&connection, (at >= ends_at).then_some(0));
        assert_eq!(
            connection.guard.is_between_frames(),
            [0, 13, 322, 335].contains(&at),
            "frames end at {at}, or they do not"
        );
        connection.sends(byte);
    }
    assert!(connection.guard.is_between_frames());
}

#[test]
fn a_guard_is_small_and_allocates_for_streams_alone() {
    assert!(size_of::<Guard>() <= 200, "{}", size_of::<Guard>());
    let mut connection = Connection::new();
    let frames: Vec<u8> =
        numbers().take(4).flat_map(|stream| [headers(stream), last_data(stream, 9)].concat()).collect();
    let (ping, answers): (_, Vec<u8>) = (ping(), numbers().take(4).flat_map(last_headers).collect());
    let allocated = allocation_counter::measure(|| {
        connection.gets(&frames).sends(&answers).gets(&ping);
    });
    assert_eq!(allocated.count_total, 1, "a list of four streams");
    let mut still = None;
    let again: Vec<u8> = numbers().skip(4).take(4).flat_map(last_headers).collect();
    let allocated = allocation_counter::measure(|| {
        connection.gets(&again);
        still = connection.guard.still_since(0, connection.now);
        connection.sends(&again);
    });
    assert_eq!((allocated.count_total, still.is_some()), (0, true));
}

#[track_caller]
fn still_for(connection: &Connection, watched: usize, expected: Option<u64>) {
    let since = connection.guard.still_since(watched, connection.now);
    assert_eq!(since.map(|since| connection.now.0 - since.0), expected);
}

#[test]
fn streams_beyond_those_that_are_watched_have_to_move() {
    let mut connection = Connection::new();
    still_for(&connection, 0, None);
    connection.gets(&last_headers(1)).after(10).gets(&last_headers(3)).after(10);
    still_for(&connection, 2, None);
    still_for(&connection, 0, Some(20));
    still_for(&connection, 1, Some(10));
    connection.sends(&headers(1)).after(5);
    still_for(&connection, 0, Some(15));
    still_for(&connection, 1, Some(5));
    connection.sends(&data(3, 10)).after(5);
    still_for(&connection, 1, Some(5));
    connection.sends(&last_data(1, 10)).sends(&reset(3, NO_ERROR));
    still_for(&connection, 0, None);
}
