//! `docs/bounds.md`: what is bounded and no operator's choice, as the code has it.

use std::fmt::Write;
use std::time::Duration;

use super::http2::backlog;
use super::upstream::http2 as endpoints;
use super::{
    access_log, connection, forward, guard, http2, linger, listener, overload, proxy_protocol, retry, session, socket,
    tls, tunnel, turns,
};
use crate::descriptors;

fn bytes(bytes: usize) -> String {
    let mib = 1 << 20;
    match bytes {
        _ if bytes.is_multiple_of(mib) => format!("{} MiB", bytes / mib),
        _ if bytes.is_multiple_of(1024) => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} bytes"),
    }
}

fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

fn window(window: u32) -> String {
    bytes(usize::try_from(window).expect("a window fits"))
}

/// What has a bound, the bound, and what becomes of what comes on top.
fn rows() -> Vec<(&'static str, String, &'static str)> {
    vec![
        (
            "fields of a head, over HTTP/1 also of a trailer section",
            guard::FIELDS.to_string(),
            "refused: 431, from an endpoint 502",
        ),
        ("interim responses (1xx) to one request over HTTP/1", guard::response::INTERIM.to_string(), "502"),
        ("PROXY protocol, version 1: the line", bytes(proxy_protocol::MAX_LINE), "closed"),
        ("PROXY protocol, version 2: what follows its fixed part", bytes(proxy_protocol::MAX_BLOCK), "closed"),
        (
            "cookies of the session's name that are verified",
            session::CANDIDATES.to_string(),
            "the others count as none",
        ),
        (
            "bytes of `Cookie` that a connection remembers as verified",
            bytes(session::REMEMBERED),
            "is verified each time",
        ),
        ("read from a socket at a time", bytes(connection::BODY_BUFFER), "waits"),
        (
            "moved of a body or a tunnel before all others have had their turn",
            bytes(turns::QUANTUM),
            "waits for its turn",
        ),
        ("given to the kernel and not sent yet, a connection", window(socket::UNSENT), "waits"),
        (
            "HTTP/2, from a client: of one request's body, not taken by the endpoint",
            window(http2::STREAM_WINDOW),
            "waits",
        ),
        ("HTTP/2, from a client: of all of them together", window(http2::CONNECTION_WINDOW), "waits"),
        (
            "– the frames that they come in, at 256 bytes for each that has fewer",
            window(http2::CONNECTION_WINDOW / 2),
            "the client's connection ends",
        ),
        ("HTTP/2, to a client: of one response, not written yet", bytes(http2::SEND_BUFFER), "waits, but one piece"),
        (
            "HTTP/2, to a client: of all of them together",
            bytes(backlog::MOST),
            "nothing is read, but one piece of each",
        ),
        (
            "HTTP/2, to a client: those pieces, if as many waited as there are streams",
            bytes(backlog::PIECES),
            "pieces of one frame",
        ),
        (
            "HTTP/2, from an endpoint: of one response, not taken by its client",
            window(endpoints::STREAM_WINDOW),
            "waits",
        ),
        (
            "– the frames that it comes in, at 256 bytes for each that has fewer, on average over `upstream_streams`",
            window(endpoints::SMALL_FRAMES),
            "the connection to the endpoint ends",
        ),
        ("HTTP/2, to an endpoint: of a body, to be sent once more", bytes(endpoints::body::KEPT), "is sent once"),
        ("times that an endpoint may refuse a request unseen", forward::reach::REFUSALS.to_string(), "503"),
        ("times that a request is sent again after it was sent", retry::REPLAYS.to_string(), "502"),
        ("of a tunnel, on its way in each direction", bytes(tunnel::BUFFER), "waits"),
        ("thrown away while a connection is closed", bytes(linger::MOST), "reset"),
        ("thrown away of what is no TLS on a TLS port", bytes(tls::LEFTOVER.try_into().expect("it fits")), "closed"),
        (
            "connections that wait to be accepted, for each worker",
            listener::BACKLOG.to_string(),
            "the client's system tries again",
        ),
        ("clients beyond `connections` that are told so at a time¹", descriptors::REFUSALS.to_string(), "reset"),
        ("– while descriptors are out", overload::MOST_IN_RESERVE.to_string(), "reset"),
        ("– their time until they have asked", time(overload::PATIENCE), "closed"),
        ("– their time to take the answer", time(overload::TAKEN), "closed"),
        ("descriptors that clients and endpoints do not get¹", descriptors::RESERVE.to_string(), "503"),
        (
            "access log that waits to be written",
            bytes(access_log::QUEUE * access_log::BLOCK),
            "lines are dropped, and counted",
        ),
    ]
}

fn document() -> String {
    let mut text = "# Bounds that are fixed

Beside the [limits](file.md#limits), which a file can set, and the budget for frames of [floods](floods.md), these hold for every
connection and request. They are no choice: nothing legitimate comes near them, or they only say how much is on its way at a time.

Written by `UPDATE_DOCS=1 cargo test --lib proxy::tests`.

| what | at most | what comes on top |
|---|---:|---|
"
    .to_owned();
    for (what, bound, beyond) in rows() {
        writeln!(text, "| {what} | {bound} | {beyond} |").expect("a string takes everything");
    }
    text += "\n¹ or an eighth and a quarter of all descriptors, if that is less.\n";
    text
}

#[test]
fn the_table_of_bounds_is_that_of_the_code() {
    crate::documented::is_current("bounds.md", &document());
}
