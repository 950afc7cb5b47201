//! Connections to endpoints: floods end, what endpoints do goes on, and what clients do is no fault of theirs.

use super::*;

/// More frames than an endpoint gets through with: 800, and 8 for each of 100 requests.
const ENOUGH: usize = 1700;
const ROUNDS: usize = 10_000;

/// Sends the same frame again and again, after a request of ours, until it ends.
#[track_caller]
fn ends(flood: Flood, frame: &[u8]) {
    for in_bytes in [false, true] {
        let mut connection = Connection { in_bytes, ..Connection::to_endpoint() };
        connection.sends(&headers(1)).gets(&headers(1));
        let frames = (0..ENOUGH).take_while(|_| connection.try_gets(frame).is_ok()).count();
        assert!(frames < ENOUGH, "{flood:?} does not end");
        assert_eq!(connection.guard.flood(), Some(flood));
        assert_eq!(connection.after(1_000_000).try_gets(&ping()), Err(flood), "it stays so");
    }
}

#[test]
fn whatever_brings_no_response_forward_ends() {
    ends(Flood::Ping, &ping());
    ends(Flood::Ping, &frame(head::PING, ACK, 0, &[0; 8]));
    ends(Flood::Settings, &settings());
    ends(Flood::Settings, &frame(head::SETTINGS, ACK, 0, &[]));
    ends(Flood::WindowUpdate, &update(0));
    ends(Flood::WindowUpdate, &update(1));
    ends(Flood::Priority, &priority(1));
    ends(Flood::Reset, &reset(1, 8));
    ends(Flood::Headers, &headers(1));
    ends(Flood::EmptyData, &data(1, 0));
    ends(Flood::EmptyData, &last_data(1, 0));
    ends(Flood::Continuation, &frame(head::CONTINUATION, 0, 1, b""));
    ends(Flood::Unknown, &frame(5, END_HEADERS, 1, b"push"));
    ends(Flood::Unknown, &goaway(1));
    ends(Flood::HeaderBlock, &[2, 0, 1, head::HEADERS, END_HEADERS, 0, 0, 0, 1]);
}

#[test]
fn a_header_block_ends_within_twenty_frames() {
    let mut connection = Connection::to_endpoint();
    connection.sends(&headers(1)).gets(&frame(head::HEADERS, 0, 1, b"x"));
    let more = frame(head::CONTINUATION, 0, 1, b"x");
    let frames = (0..20).take_while(|_| connection.try_gets(&more).is_ok()).count();
    assert_eq!((frames, connection.guard.flood()), (16, Some(Flood::Continuation)));
}

#[test]
fn streams_that_it_makes_us_reset() {
    for error in [PROTOCOL_ERROR, STREAM_CLOSED] {
        let mut connection = Connection::to_endpoint();
        let frames =
            (0..ENOUGH).take_while(|_| connection.guard.wrote(&reset(1, error), connection.now).is_ok()).count();
        assert!(frames < ENOUGH);
        assert_eq!(connection.guard.flood(), Some(Flood::ProvokedReset));
    }
    // Clients go, and that is no fault of the endpoint's.
    let mut connection = Connection::to_endpoint();
    for _ in 0..ROUNDS {
        connection.sends(&reset(1, 8));
    }
}

#[test]
fn requests_with_everything_around_them_that_endpoints_send() {
    let mut connection = Connection::to_endpoint();
    for stream in numbers().take(ROUNDS) {
        connection.sends(&headers(stream)).sends(&data(stream, 100)).sends(&last_data(stream, 0));
        connection.gets(&update(0)).gets(&update(stream)).gets(&ping());
        // Early hints, the response, its body, trailers, and that the rest of the request is not wanted.
        connection.gets(&headers(stream)).gets(&headers(stream)).gets(&data(stream, 7));
        connection.gets(&last_headers(stream)).gets(&reset(stream, NO_ERROR));
    }
}

#[test]
fn streams_in_pieces_of_any_size_and_for_any_time() {
    let mut connection = Connection::to_endpoint();
    connection.sends(&headers(1)).gets(&headers(1));
    for length in [1, 9, 16 * 1024] {
        for _ in 0..ROUNDS {
            connection.gets(&data(1, length));
        }
    }
    // Keep-alive, and windows for an upload that is taken slowly and acknowledged in small steps.
    for _ in 0..ROUNDS {
        connection.after(1000).gets(&ping());
        connection.sends(&data(1, 16 * 1024));
        for _ in 0..32 {
            connection.gets(&update(0)).gets(&update(1));
        }
    }
}

/// Late frames of a response whose client has gone make us reset its stream again. Eight of them for each request are paid for.
#[test]
fn what_comes_late_for_those_who_have_gone() {
    let mut connection = Connection::to_endpoint();
    for stream in numbers().take(ROUNDS) {
        connection.sends(&headers(stream)).gets(&headers(stream)).sends(&reset(stream, 8));
        for _ in 0..7 {
            connection.gets(&data(stream, 20)).sends(&reset(stream, STREAM_CLOSED));
        }
    }
}

/// Whatever each costs, and even if nothing but what they are worth is left.
#[test]
fn as_many_responses_at_once_as_there_are_requests() {
    for frames in [100, 800] {
        let bounds = Bounds { frames, streams: 1000, ..BOUNDS };
        let mut connection =
            Connection { guard: EndpointGuard::new(bounds, Millis(0)), now: Millis(0), in_bytes: false };
        connection.sends(PREFACE).gets(&settings());
        let batch: Vec<u32> = numbers().take(1000).collect();
        for _ in 0..3 {
            for stream in &batch {
                connection.sends(&headers(*stream));
            }
            for stream in &batch {
                connection.gets(&headers(*stream)).gets(&headers(*stream)).gets(&data(*stream, 7));
                connection.gets(&last_headers(*stream)).gets(&reset(*stream, NO_ERROR));
            }
        }
    }
}

#[test]
fn heads_that_are_a_little_too_large_are_no_fault_of_the_endpoints() {
    let mut connection = Connection::to_endpoint();
    for stream in numbers().take(ROUNDS / 10) {
        connection.sends(&headers(stream)).gets(&frame(head::HEADERS, END_STREAM, stream, &[0; 16384]));
        for _ in 0..3 {
            connection.gets(&frame(head::CONTINUATION, 0, stream, &[0; 16384]));
        }
        connection.gets(&frame(head::CONTINUATION, END_HEADERS, stream, b"and a byte"));
    }
}
