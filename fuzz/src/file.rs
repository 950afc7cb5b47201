//! The file: any text is a configuration or has problems that can be shown, always the same ones; and a key that nobody
//! knows is always a problem.
//!
//! An input is 0 and a text, or 1 or 2 for a good file, a place in it (two bytes), how many bytes go there, and what
//! comes in their stead.

use moorline::config::Config;

use crate::planted::parse;

const SMALL: &str = "listeners: [{ address: 127.0.0.1:8080 }]\nbackends: { a: { endpoints: [127.0.0.1:9001] } }\n\
                     routes: [{ rules: [{ backend: a }] }]\n";
const EVERYTHING: &str = include_str!("../../docs/moorline.yaml");

pub fn check(data: &[u8]) {
    let text = match data {
        [1, a, b, removed, rest @ ..] => changed(SMALL, [*a, *b], *removed, rest),
        [2, a, b, removed, rest @ ..] => changed(EVERYTHING, [*a, *b], *removed, rest),
        [_, text @ ..] => text.to_vec(),
        [] => return,
    };
    if let Ok(text) = std::str::from_utf8(&text) {
        check_text(text);
    }
}

fn changed(text: &str, at: [u8; 2], removed: u8, rest: &[u8]) -> Vec<u8> {
    let at = usize::from(u16::from_be_bytes(at)) % (text.len() + 1);
    let end = (at + usize::from(removed)).min(text.len());
    let mut text = text.as_bytes().to_vec();
    text.splice(at..end, rest.iter().copied());
    text
}

fn check_text(text: &str) {
    let parsed = parse(text);
    let (Ok((_, problems)) | Err(problems)) = &parsed;
    let shown = problems.render("f", Some(text)).to_string();
    assert_eq!(shown.is_empty(), problems.is_empty());
    let _ = problems.render("f", None).to_string();
    assert!(parsed.is_ok() || !problems.is_empty(), "it is refused without a reason");
    let (Ok((_, again)) | Err(again)) = parse(text);
    assert_eq!(shown, again.render("f", Some(text)).to_string());
    let Ok((file, _)) = parsed else { return };
    assert!(file.limits.target_size <= file.limits.head_size);
    let _ = Config::from(&file);
    let more = format!("{text}\nnobody_knows_this: 1\n");
    assert!(parse(&more).is_err(), "a key that nobody knows is no problem");
}
