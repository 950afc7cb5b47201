//! The `Cookie` header: our cookie is found wherever it stands, and taken out without a trace of it or a change to the
//! others.

use moorline::routing::session::values;

use crate::planted;

const NAME: &str = "moorline";

pub fn check(header: &[u8]) {
    let ours: Vec<&[u8]> =
        pairs(header).filter_map(|(name, value)| (name == NAME.as_bytes()).then_some(value)).collect();
    let found: Vec<&[u8]> = values(header, NAME).collect();
    assert_eq!(found, ours.into_iter().map(unquoted).collect::<Vec<_>>());
    let rest = planted::without(header, NAME).unwrap_or_default();
    assert_eq!(values(&rest, NAME).count(), 0, "it is still there");
    let others = pieces(header).filter(|piece| pair(piece).is_none_or(|(name, _)| name != NAME.as_bytes()));
    assert!(pieces(&rest).eq(others), "the others have changed");
    assert_eq!(planted::without(&rest, NAME).unwrap_or_default(), rest, "once is enough");
}

fn pieces(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty())
}

fn pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = piece.splitn(2, |byte| *byte == b'=');
    Some((parts.next()?.trim_ascii(), parts.next()?.trim_ascii()))
}

fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pieces(header).filter_map(pair)
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}
