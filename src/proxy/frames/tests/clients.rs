//! Clients that there are, at their worst: everything at once, and (unless it says so) no time passes.

use super::*;

const ROUNDS: usize = 2_000;

/// A response with a body, and the trailers that gRPC has.
fn answer(connection: &mut Connection, stream: u32) {
    connection.sends(&headers(stream)).sends(&data(stream, 7)).sends(&last_headers(stream));
}

#[test]
fn grpc_calls_with_a_ping_and_updates_for_each() {
    let mut connection = Connection::new();
    for stream in numbers().take(ROUNDS) {
        connection.gets(&headers(stream)).gets(&last_data(stream, 7));
        answer(&mut connection, stream);
        connection.gets(&ping()).gets(&update(0)).gets(&update(stream));
        connection.sends(&frame(head::PING, ACK, 0, &[0; 8]));
    }
}

#[test]
fn a_grpc_stream_of_small_messages_both_ways() {
    let mut connection = Connection::new();
    connection.gets(&headers(1)).sends(&headers(1));
    for _ in 0..ROUNDS {
        connection.gets(&data(1, 1)).sends(&data(1, 1));
        connection.gets(&update(0)).gets(&update(1)).gets(&ping());
    }
}

#[test]
fn uploads_in_pieces_of_any_size() {
    let mut connection = Connection::new();
    connection.gets(&headers(1));
    for length in [1, 100, 16 * 1024] {
        let piece = data(1, length);
        for _ in 0..ROUNDS {
            connection.gets(&piece);
        }
    }
    connection.gets(&last_data(1, 0)).sends(&last_headers(1));
    // Padding is no reason to think otherwise.
    connection.gets(&headers(3));
    for _ in 0..ROUNDS {
        connection.gets(&frame(head::DATA, PADDED, 3, &[1, b'x', 0]));
    }
}

#[test]
fn a_download_that_is_read_late_and_acknowledged_in_small_steps() {
    let mut connection = Connection::new();
    connection.gets(&last_headers(1)).sends(&headers(1));
    // What Go has room for on each of several streams, before it reads the first byte.
    for _ in 0..16 * 1024 / 16 {
        connection.sends(&data(1, 16 * 1024));
    }
    for _ in 0..16 * 1024 / 4 {
        connection.gets(&update(0)).gets(&update(1));
    }
}

#[test]
fn h2load_with_a_hundred_streams() {
    let mut connection = Connection::new();
    let mut streams = numbers();
    for _ in 0..50 {
        let batch: Vec<u32> = streams.by_ref().take(100).collect();
        for stream in &batch {
            connection.gets(&last_headers(*stream));
        }
        for stream in &batch {
            connection.sends(&headers(*stream)).sends(&last_data(*stream, 100));
        }
        connection.gets(&update(0));
    }
}

#[test]
fn a_browser_with_priorities_and_updates_for_every_request() {
    let mut connection = Connection::new();
    connection.gets(&update(0));
    for stream in [3, 5, 7, 9, 11] {
        connection.gets(&priority(stream));
    }
    let mut streams = numbers().skip(6);
    for _ in 0..50 {
        let batch: Vec<u32> = streams.by_ref().take(100).collect();
        for stream in &batch {
            connection.gets(&last_headers(*stream)).gets(&update(*stream)).gets(&priority(*stream));
        }
        for stream in &batch {
            connection.sends(&headers(*stream)).sends(&last_data(*stream, 100));
            connection.gets(&frame(head::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"));
        }
        // Frames of a kind that is reserved for seeing whether they are ignored.
        connection.gets(&frame(0x0b, 0, 0, b"grease"));
    }
}

#[test]
fn a_user_who_leaves_pages_before_they_are_there() {
    let mut connection = Connection::new();
    let mut streams = numbers();
    for _ in 0..20 {
        let page: Vec<u32> = streams.by_ref().take(100).collect();
        for stream in &page {
            connection.gets(&last_headers(*stream));
        }
        let (loaded, left) = page.split_at(50);
        for stream in loaded {
            connection.sends(&last_headers(*stream));
        }
        for stream in left {
            connection.gets(&reset(*stream, 8));
        }
    }
}

#[test]
fn calls_that_are_hedged_and_most_taken_back() {
    let mut connection = Connection::new();
    for (round, stream) in numbers().take(ROUNDS).enumerate() {
        connection.gets(&last_headers(stream));
        if round % 3 == 0 {
            answer(&mut connection, stream);
        } else {
            connection.gets(&reset(stream, 8));
        }
    }
}

#[test]
fn deadlines_that_all_pass_while_an_endpoint_is_stuck() {
    let mut connection = Connection::new();
    let mut streams = numbers();
    for _ in 0..50 {
        let batch: Vec<u32> = streams.by_ref().take(100).collect();
        for stream in &batch {
            connection.gets(&last_headers(*stream));
        }
        connection.after(1000);
        for stream in &batch {
            connection.gets(&reset(*stream, 8));
        }
    }
}

#[test]
fn keep_alive_for_hours_with_nothing_to_do() {
    let mut connection = Connection::new();
    for _ in 0..ROUNDS {
        connection.after(1000).gets(&ping());
    }
    // Sixteen times a second, as often as a clock of the usual grain can tell.
    for _ in 0..ROUNDS {
        connection.after(62).gets(&ping());
    }
}

#[test]
fn an_endpoint_that_breaks_every_answer_off() {
    let mut connection = Connection::new();
    for stream in numbers().take(ROUNDS) {
        connection.gets(&last_headers(stream)).sends(&headers(stream)).sends(&reset(stream, INTERNAL_ERROR));
    }
}

#[test]
fn an_endpoint_that_answers_before_the_upload_is_over() {
    let mut connection = Connection::new();
    for stream in numbers().take(ROUNDS) {
        connection.gets(&headers(stream)).gets(&data(stream, 100));
        connection.sends(&last_headers(stream)).sends(&reset(stream, NO_ERROR));
        connection.gets(&data(stream, 100)).gets(&reset(stream, 8));
    }
}

#[test]
fn requests_with_trailers_and_large_heads() {
    let mut connection = Connection::new();
    for stream in numbers().take(500) {
        connection.gets(&frame(head::HEADERS, 0, stream, &[0; 16 * 1024]));
        for _ in 0..2 {
            connection.gets(&frame(head::CONTINUATION, 0, stream, &[0; 16 * 1024]));
        }
        connection.gets(&frame(head::CONTINUATION, END_HEADERS, stream, &[0; 16 * 1024]));
        connection.gets(&data(stream, 7)).gets(&last_headers(stream));
        answer(&mut connection, stream);
    }
}

#[test]
fn a_head_that_is_a_little_too_large_is_not_a_flood() {
    let mut connection = Connection::new();
    for stream in numbers().take(3) {
        connection.gets(&frame(head::HEADERS, END_STREAM, stream, &[0; 16 * 1024]));
        for _ in 0..3 {
            connection.gets(&frame(head::CONTINUATION, 0, stream, &[0; 16 * 1024]));
        }
        connection.gets(&frame(head::CONTINUATION, END_HEADERS, stream, b"and a byte"));
        connection.sends(&last_headers(stream));
    }
}

#[test]
fn a_proxy_that_opens_hundreds_of_streams_before_it_knows_how_many_it_may() {
    let mut connection = Connection::new();
    let batch: Vec<u32> = numbers().take(800).collect();
    for stream in &batch {
        connection.gets(&last_headers(*stream));
    }
    let (taken, refused) = batch.split_at(BOUNDS.streams);
    for stream in refused {
        connection.sends(&reset(*stream, REFUSED_STREAM));
    }
    for stream in taken {
        answer(&mut connection, *stream);
    }
}

#[test]
fn settings_that_follow_the_bandwidth() {
    let mut connection = Connection::new();
    connection.gets(&last_headers(1)).sends(&headers(1));
    for _ in 0..ROUNDS {
        connection.sends(&data(1, 16 * 1024)).gets(&settings()).after(200);
    }
}

/// What h2spec sends over one connection is short, and most of it is h2's to judge. What it sends often is unknown
/// frames, continuations, and settings.
#[test]
fn the_cases_of_h2spec() {
    let mut connection = Connection::new();
    for stream in numbers().take(10) {
        connection.gets(&frame(0x16, 0, 0, &[0; 8])).gets(&ping()).gets(&settings()).gets(&priority(stream));
        connection.gets(&frame(head::HEADERS, END_STREAM, stream, b"h"));
        connection.gets(&frame(head::CONTINUATION, 0, stream, b"")).gets(&frame(head::CONTINUATION, 0, stream, b"e"));
        connection.gets(&frame(head::CONTINUATION, END_HEADERS, stream, b"ad"));
        connection.sends(&reset(stream, PROTOCOL_ERROR));
    }
}
