//! `docs/floods.md` is what the code says.

use std::fmt::Write;

use super::super::budget::{ACKNOWLEDGED, PER_ANSWER, PER_REQUEST, PER_SECOND, PINGS};
use super::*;

fn document() -> String {
    let kib = ACKNOWLEDGED / 1024;
    let mut text = format!(
        "# Floods

A client's HTTP/2 connection has a budget for frames that bring no request forward: `http2_frames` of the [limits](file.md#limits).
When a frame costs more than is left, the connection ends with GOAWAY (ENHANCE_YOUR_CALM), which names the flood in its
debug data, and `moorline_http2_floods_total` counts it. The names do not change.

What is earned back, up to `http2_frames`: {PER_ANSWER} by each answer that comes to its end, {PER_SECOND} by each second. HEADERS that
open a stream are free, and so is DATA that has a byte or ends its stream. One PING is free for each HEADERS and DATA
frame that we have sent (up to {PINGS} that have not been made use of), and two WINDOW_UPDATEs for each DATA frame and for each
{kib} KiB of it.

A connection to an endpoint that is spoken to over HTTP/2 has such a budget, too: `moorline_upstream_http2_floods_total` counts those that were
ended, and the log says whose. It is larger by {PER_REQUEST} for each of `upstream_streams`, and {PER_REQUEST} are earned back by each request that is
sent. All HEADERS (`headers`), every RST_STREAM (`reset`), and the empty DATA that ends a response (`empty-data`) cost 1 there, and so do a header block
that is too large and a reset in answer to a frame.

Written by `UPDATE_DOCS=1 cargo test --lib proxy::frames`.

| flood | costs | what is counted |
|---|---|---|
"
    );
    for flood in Flood::ALL {
        let (name, cost, detail) = (flood.name(), flood.cost(), flood.detail());
        let cost = if cost == 0 { "–".to_owned() } else { cost.to_string() };
        writeln!(text, "| `{name}` | {cost} | {detail} |").expect("a string takes everything");
    }
    text
}

#[test]
fn the_table_of_floods_is_that_of_the_code() {
    crate::documented::is_current("floods.md", &document());
}

#[test]
fn names_are_unique_and_the_client_is_told_them() {
    let mut names: Vec<_> = Flood::ALL.iter().map(|flood| flood.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Flood::ALL.len());
    for flood in Flood::ALL {
        assert!(flood.to_string().ends_with(flood.name()), "{flood}");
    }
}
