//! The verbs of the operator, run as an operator runs them, and the documents that are made from the code.
//!
//! `TRYCMD=overwrite cargo test --test cli` writes what the verbs print now into the cases beside this file,
//! `UPDATE_DOCS=1 cargo test --test cli` what the code says now into `docs/`.

#[cfg(feature = "kubernetes")]
mod cluster;
mod docs;

#[test]
fn verbs_print_what_is_written_down() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd").case("tests/cli/*.toml");
}
