//! Documents that mirror the code, in tests.

/// Looks whether a file of `docs/` has this text; with `UPDATE_DOCS` in the environment, writes it first.
#[track_caller]
pub(crate) fn is_current(name: &str, expected: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("a writable docs/");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/{name} is not what the code says: UPDATE_DOCS=1 cargo test --lib writes it");
}

/// The same for what stands between the two marks of a part.
#[track_caller]
pub(crate) fn has_part(name: &str, part: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let document = std::fs::read_to_string(path).expect("a readable document");
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let (before, rest) = document.split_once(&begin).expect("the mark at the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark at the end");
    is_current(name, &format!("{before}{begin}{text}{end}{after}"));
}
