//! One row for each kind of flood: it ends, soon, and for the right reason.

use super::*;

/// The most frames that a client gets through with.
const ENOUGH: usize = 1000;

/// Sends turns of frames until it ends. What is answered to each turn is written after it.
#[track_caller]
fn ends(flood: Flood, turn: impl Fn(u32) -> Vec<Vec<u8>>, answer: impl Fn(u32) -> Vec<Vec<u8>>) -> usize {
    let run = |in_bytes: bool| {
        let mut connection = Connection { in_bytes, ..Connection::new() };
        let mut frames = 0;
        for stream in numbers() {
            for frame in turn(stream) {
                frames += 1;
                assert!(frames <= ENOUGH, "{flood:?} does not end");
                if let Err(found) = connection.try_gets(&frame) {
                    return (found, frames, connection);
                }
            }
            for frame in answer(stream) {
                if let Err(found) = connection.guard.wrote(&frame, connection.now) {
                    return (found, frames, connection);
                }
            }
        }
        unreachable!("numbers do not end")
    };
    let (found, frames, mut connection) = run(false);
    assert_eq!(found, flood);
    let (other, others, _) = run(true);
    assert_eq!((other, others), (found, frames), "byte by byte");
    // It stays so, however much time passes and whatever comes.
    assert_eq!(connection.after(1_000_000).try_gets(&ping()), Err(flood));
    assert_eq!(connection.guard.flood(), Some(flood));
    frames
}

fn nothing(_: u32) -> Vec<Vec<u8>> {
    Vec::new()
}

#[test]
fn requests_that_are_taken_back_at_once() {
    let frames = ends(Flood::RapidReset, |stream| vec![last_headers(stream), reset(stream, 8)], nothing);
    assert!(frames <= 800, "{frames}");
    let tens = |first: u32| {
        let streams = || (0..10).map(move |n| first * 20 + 2 * n + 1);
        streams().map(last_headers).chain(streams().map(|stream| reset(stream, 8))).collect()
    };
    ends(Flood::RapidReset, tens, nothing);
    // We have answered with a head and are busy with the body.
    let busy = |stream| vec![headers(stream), data(stream, 100)];
    ends(Flood::RapidReset, |stream| vec![last_headers(stream), reset(stream.saturating_sub(2), 8)], busy);
}

#[test]
fn a_body_does_not_pay_for_taking_its_request_back() {
    let mut connection = Connection::new();
    let mut turn = |stream| {
        connection.try_gets(&[headers(stream), data(stream, 16 * 1024), data(stream, 1)].concat())?;
        connection.try_gets(&reset(stream, 8))
    };
    let requests = numbers().take_while(|stream| turn(*stream).is_ok()).count();
    assert!(requests <= 400, "{requests}");
}

#[test]
fn resets_of_streams_that_are_not_open() {
    ends(Flood::Reset, |_| vec![reset(1, 8)], nothing);
    ends(Flood::Reset, |stream| vec![reset(stream, 8)], nothing);
}

#[test]
fn streams_that_we_are_made_to_reset() {
    let provoked = |error| move |stream| vec![reset(stream, error)];
    let window = |stream| vec![last_headers(stream), update(stream)];
    // Both cost something; the last one of all gives it its name.
    ends(Flood::WindowUpdate, window, provoked(PROTOCOL_ERROR));
    let body = |stream| vec![last_headers(stream), data(stream, 1)];
    ends(Flood::ProvokedReset, body, provoked(STREAM_CLOSED));
    ends(Flood::ProvokedReset, |_| vec![data(1, 1)], |_| vec![reset(1, STREAM_CLOSED)]);
    ends(Flood::ProvokedReset, |stream| vec![last_headers(stream)], provoked(PROTOCOL_ERROR));
    ends(Flood::ProvokedReset, |stream| vec![last_headers(stream)], provoked(REFUSED_STREAM));
}

#[test]
fn requests_that_nobody_answers() {
    ends(Flood::Streams, |stream| vec![last_headers(stream)], nothing);
}

#[test]
fn header_blocks_that_open_no_stream() {
    ends(Flood::Headers, |_| vec![last_headers(1)], nothing);
    ends(Flood::Headers, |_| vec![last_headers(2)], nothing);
    // We have said that we take no more.
    ends(Flood::Headers, |stream| vec![last_headers(stream)], |_| vec![goaway(1)]);
}

#[test]
fn header_blocks_that_do_not_end() {
    let frames = ends(Flood::Continuation, continued(head::CONTINUATION, b""), nothing);
    assert!(frames <= 20, "{frames}");
    ends(Flood::Continuation, continued(head::CONTINUATION, b"x"), nothing);
    let frames = ends(Flood::HeaderBlock, continued(head::CONTINUATION, &[0; 16384]), nothing);
    assert!(frames <= 9, "{frames}");
    // Each of them ends, and the next begins.
    let pairs = |stream| {
        vec![frame(head::HEADERS, END_STREAM, stream, b""), frame(head::CONTINUATION, END_HEADERS, stream, b"")]
    };
    ends(Flood::Continuation, pairs, |stream| vec![reset(stream, PROTOCOL_ERROR)]);
}

/// HEADERS once, then the same frame again and again.
fn continued(kind: u8, payload: &[u8]) -> impl Fn(u32) -> Vec<Vec<u8>> {
    move |stream| match stream {
        1 => vec![frame(head::HEADERS, 0, 1, b"x")],
        _ => vec![frame(kind, 0, 1, payload)],
    }
}

#[test]
fn header_blocks_that_are_too_large() {
    // Each is refused with 431, and that is an answer; but nobody needs so many of them.
    let block = |stream| {
        let mut block = vec![frame(head::HEADERS, END_STREAM, stream, &[0; 16384])];
        block.extend((0..3).map(|_| frame(head::CONTINUATION, 0, stream, &[0; 16384])));
        block.push(frame(head::CONTINUATION, END_HEADERS, stream, &[0; 16384]));
        block
    };
    let frames = ends(Flood::HeaderBlock, block, |stream| vec![last_headers(stream)]);
    assert!(frames <= 50, "{frames}");
    // The frame alone says how large it is.
    let mut connection = Connection::new();
    let head = [2, 0, 1, head::HEADERS, END_HEADERS, 0, 0, 0, 1];
    assert_eq!(connection.try_gets(&head), Err(Flood::HeaderBlock));
}

#[test]
fn bodies_in_pieces_of_nothing() {
    let opened = |payload: Vec<u8>, flags| {
        move |stream| if stream == 1 { vec![headers(1)] } else { vec![frame(head::DATA, flags, 1, &payload)] }
    };
    ends(Flood::EmptyData, opened(Vec::new(), 0), nothing);
    ends(Flood::EmptyData, opened(vec![0], PADDED), nothing);
    let padding = [&[255][..], &[0; 255]].concat();
    ends(Flood::EmptyData, opened(padding, PADDED), nothing);
    // More padding than there is room for.
    ends(Flood::EmptyData, opened(vec![255, 1, 1], PADDED), nothing);
}

#[test]
fn frames_about_the_connection() {
    ends(Flood::Ping, |_| vec![ping()], |_| vec![frame(head::PING, ACK, 0, &[0; 8])]);
    ends(Flood::Ping, |_| vec![frame(head::PING, ACK, 0, &[0; 8])], nothing);
    let frames = ends(Flood::Settings, |_| vec![settings()], |_| vec![frame(head::SETTINGS, ACK, 0, &[])]);
    assert!(frames <= 200, "{frames}");
    ends(Flood::Settings, |_| vec![frame(head::SETTINGS, ACK, 0, &[])], nothing);
    ends(Flood::WindowUpdate, |_| vec![update(0)], nothing);
    ends(Flood::WindowUpdate, |stream| vec![update(stream)], nothing);
    ends(Flood::Priority, |stream| vec![priority(stream)], nothing);
    ends(Flood::Priority, |_| vec![frame(head::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1")], nothing);
    ends(Flood::Unknown, |_| vec![frame(0xfa, 0xff, 7, b"anything")], nothing);
    ends(Flood::Unknown, |_| vec![goaway(0)], nothing);
    ends(Flood::Unknown, |_| vec![frame(5, 4, 1, b"push")], nothing);
}

#[test]
fn a_mixture_is_no_way_around() {
    let mixed = |stream: u32| {
        let others = [ping(), update(0), priority(stream), frame(0x77, 0, 0, b""), settings(), reset(stream, 8)];
        [vec![last_headers(stream)], others.to_vec()].concat()
    };
    let mut connection = Connection::new();
    let frames = numbers().flat_map(mixed).take_while(|frame| connection.try_gets(frame).is_ok()).count();
    assert!(frames <= ENOUGH, "{frames}");
}

#[test]
fn what_was_read_before_does_not_pay_for_a_flood_of_something_else() {
    let mut connection = Connection::new();
    connection.gets(&last_headers(1)).sends(&headers(1));
    for _ in 0..10_000 {
        connection.sends(&data(1, 16 * 1024));
    }
    let frames = (0..).take_while(|_| connection.try_gets(&ping()).is_ok()).count();
    assert!(frames <= ENOUGH, "{frames}");
}

#[test]
fn a_flood_while_somebody_is_served_ends_as_well() {
    // Four PINGs for each answer are paid for, five are not.
    let mut connection = Connection::new();
    let mut rounds = 0;
    let mut round = |stream| {
        connection.try_gets(&last_headers(stream))?;
        (0..10).try_for_each(|_| connection.try_gets(&ping()))?;
        connection.guard.wrote(&last_headers(stream), connection.now)?;
        rounds += 1;
        Ok(())
    };
    assert_eq!(numbers().try_for_each(&mut round), Err(Flood::Ping));
    assert!(rounds < 200, "{rounds}");
}
