//! A text of several YAML documents, each read by itself: one that is broken hides no other. JSON is YAML, too.
//!
//! The documents are told apart by their marks alone. YAML lets no `---` stand at the beginning of a line otherwise, not
//! even within a text in quotes, so nothing has to be understood for that.

use serde::de::{DeserializeOwned, DeserializeSeed};

use super::problem::{Place, Problem};
use super::yaml::{self, Echo};

/// A document of a text.
#[derive(Clone, Copy, Debug)]
pub struct Document<'t> {
    text: &'t str,
    /// How many lines stand before it.
    before: u32,
}

/// The documents of a text that have something in them.
#[must_use]
pub fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut before) = (0, 0);
    let mut at = 0;
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        let end = at + line.len();
        if is_mark(line, "---") {
            documents.push(Document { text: &text[start..at], before });
            (start, before) = (at, number);
        } else if is_mark(line, "...") {
            documents.push(Document { text: &text[start..at], before });
            (start, before) = (end, number + 1);
        }
        at = end;
    }
    documents.push(Document { text: &text[start..], before });
    documents.retain(|document| document.first().is_some());
    documents
}

/// Does this text look as if it had objects of Kubernetes in it? It need not be whole for that, or right.
#[must_use]
pub fn is_manifests(text: &str) -> bool {
    let begins = |key: &str| {
        text.lines().any(|line| {
            let rest = line.trim_start_matches("--- ").trim_start_matches(['"', '\'']).strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
        })
    };
    let is_flow = documents(text).first().is_some_and(|first| first.text.trim_start().starts_with('{'));
    let has = |key: &str| begins(key) || (is_flow && text.contains(key));
    has("apiVersion") && has("kind")
}

impl Document<'_> {
    /// Where it begins.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { line: self.before + self.first().unwrap_or(0) + 1, column: 1 }
    }

    /// Reads it.
    ///
    /// # Errors
    /// The first thing that cannot be read, at its place in the whole text.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.read_seed(std::marker::PhantomData)
    }

    /// Reads it into what cannot be made from the text alone.
    ///
    /// # Errors
    /// The first thing that cannot be read, at its place in the whole text.
    pub fn read_seed<'d, S: DeserializeSeed<'d>>(&'d self, seed: S) -> Result<S::Value, Problem> {
        yaml::read_manifest(self.text, seed, Echo::Allowed).map_err(|mut problem| {
            problem.place = problem.place.map(|place| self.shifted(place));
            problem
        })
    }

    /// A place of this document, in the whole text.
    #[must_use]
    pub fn shifted(&self, place: Place) -> Place {
        Place { line: place.line + self.before, ..place }
    }

    /// Does this stand in it?
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The first line, counted from 0, that is more than a mark, a comment or a directive.
    fn first(&self) -> Option<u32> {
        let says = |line: &str| {
            let line = line.strip_prefix("---").unwrap_or(line).trim();
            !line.is_empty() && !line.starts_with(['#', '%'])
        };
        (0u32..).zip(self.text.lines()).find(|(_, line)| says(line)).map(|(number, _)| number)
    }
}

fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(text: &str) -> Vec<(u32, String)> {
        let line = |document: &Document<'_>| (document.place().line, document.text.to_owned());
        documents(text).iter().map(line).collect()
    }

    #[test]
    fn documents_are_told_apart_by_their_marks() {
        let table: [(&str, &[(u32, &str)]); 9] = [
            ("", &[]),
            ("# nothing\n---\n---\n", &[]),
            ("a: 1\n", &[(1, "a: 1\n")]),
            ("a: 1\n---\nb: 2", &[(1, "a: 1\n"), (3, "---\nb: 2")]),
            ("---\n# c\na: 1\n---\n", &[(3, "---\n# c\na: 1\n")]),
            ("a: |\n  ---\n ---\n", &[(1, "a: |\n  ---\n ---\n")]),
            ("---- a\n", &[(1, "---- a\n")]),
            ("a: 1\r\n---\r\nb: 2\r\n", &[(1, "a: 1\r\n"), (3, "---\r\nb: 2\r\n")]),
            ("a: 1\n...\n--- {b: 2}\n", &[(1, "a: 1\n"), (3, "--- {b: 2}\n")]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
            assert_eq!(begins(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_broken_document_hides_no_other_and_its_line_is_that_of_the_text() {
        let text = "a: 1\n---\n\nb: [\n---\nc: 3\n";
        let read: Vec<_> = documents(text).iter().map(Document::read::<serde_json::Value>).collect();
        assert_eq!(read[0], Ok(serde_json::json!({ "a": 1 })));
        assert!(read[1].as_ref().unwrap_err().place.unwrap().line >= 4, "{:?}", read[1]);
        assert_eq!(read[2], Ok(serde_json::json!({ "c": 3 })));
    }

    #[test]
    fn texts_have_to_be_quoted_where_kubernetes_wants_them_quoted() {
        type Texts = std::collections::BTreeMap<String, String>;
        for (text, is_right) in [("a: b", true), ("a: \"1\"", true), ("a: 1", false), ("a: true", false)] {
            assert_eq!(documents(text)[0].read::<Texts>().is_ok(), is_right, "{text}");
        }
    }

    #[test]
    fn manifests_are_known_by_two_words_even_if_they_are_broken() {
        for (text, expected) in [
            ("apiVersion: v1\nkind: Service\n", true),
            ("---\n\"kind\": Service\n\"apiVersion\" : v1\n", true),
            ("{\"apiVersion\": \"v1\", \"kind\": \"List\"}", true),
            ("{apiVersion: v1, kind: List}", true),
            ("apiVersion: v1\nkind: Service\nmetadata: [\n", true),
            ("kind: Service\n", false),
            ("listeners: [{ address: 127.0.0.1:1 }]\n", false),
            ("listeners:\n  apiVersion: 1\n  kind: 2\n", false),
            ("", false),
        ] {
            assert_eq!(is_manifests(text), expected, "{text}");
        }
    }
}
