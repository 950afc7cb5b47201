//! How a value is held between reading and checking: with its place, and with what is wrong with it.
//!
//! ## Why unknown keys and words do not end the reading
//! serde stops at the first error. A file with three typing mistakes would take three rounds to correct.
//! So [`Keyed`] and [`Choice`] keep a wrong key or word beside what is right, and the check reports all
//! of them. They can only be opened with a list to report to, so nothing that is wrong gets lost.

mod read;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(super) use self::read::Mapping;
use super::problem::{Place, Problem, Problems};

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// A mapping with fixed keys, of which some may be unknown, and one may be missing.
#[derive(Clone, Debug)]
pub struct Keyed<T> {
    place: Place,
    value: Result<T, Missing>,
    unknown: Vec<Unknown>,
}

/// One of a few words, or another one.
#[derive(Clone, Debug)]
pub struct Choice<T> {
    place: Place,
    word: Result<T, Unknown>,
}

/// A mapping from names that the operator chose, in their order.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(At<String>, T)>);

#[derive(Clone, Debug)]
struct Unknown {
    text: String,
    place: Place,
    expected: &'static [&'static str],
}

/// A key that has to be there, in serde's words.
#[derive(Clone, Debug)]
struct Missing(String);

impl<T> Keyed<T> {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The mapping, once its unknown keys have been reported; none if one is missing.
    pub(super) fn open(&self, problems: &mut Problems) -> Option<&T> {
        for unknown in &self.unknown {
            let message = format!("unknown key {:?}", unknown.text);
            problems.push(Problem::error(unknown.place, message).hint(suggest(&unknown.text, unknown.expected)));
        }
        self.whole(problems)
    }

    /// Like [`Self::open`], for a text that must not be quoted.
    pub(super) fn open_secret(&self, problems: &mut Problems) -> Option<&T> {
        for unknown in &self.unknown {
            problems.push(Problem::error(unknown.place, "unknown key").hint(suggest("", unknown.expected)));
        }
        self.whole(problems)
    }

    fn whole(&self, problems: &mut Problems) -> Option<&T> {
        let Missing(words) = match &self.value {
            Ok(value) => return Some(value),
            Err(missing) => missing,
        };
        // serde says: missing field `address`
        let key = words.split('`').nth(1).unwrap_or_default();
        // Misspelt is not missing: that has been said.
        if !self.unknown.iter().any(|unknown| nearest(&unknown.text, unknown.expected) == Some(key)) {
            problems.push(Problem::error(self.place, format!("missing key {key:?}")));
        }
        None
    }
}

impl<T> Choice<T> {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }
}

impl<T: Copy> Choice<T> {
    /// The word, if it is one; otherwise it is reported.
    pub(super) fn open(&self, problems: &mut Problems) -> Option<At<T>> {
        match &self.word {
            Ok(value) => Some(At { value: *value, place: self.place }),
            Err(Unknown { text, place, expected }) => {
                problems.push(Problem::error(*place, format!("unknown word {text:?}")).hint(suggest(text, expected)));
                None
            }
        }
    }
}

/// What was probably meant; if nothing comes close, what there is.
pub(super) fn suggest(typed: &str, known: &[&str]) -> Option<String> {
    match nearest(typed, known) {
        Some(nearest) => Some(format!("did you mean {nearest:?}?")),
        None => (1..=24).contains(&known.len()).then(|| format!("one of {}", known.join(", "))),
    }
}

/// What comes so close that it was probably meant.
pub(crate) fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let distance = |candidate: &str| strsim::damerau_levenshtein(&plain(typed), &plain(candidate));
    let (distance, nearest) = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    // A word that has nothing left of what was typed is another word.
    (distance <= 1.max(nearest.len().min(typed.len()) / 3) && distance < typed.len()).then_some(nearest)
}

/// In the JSON Schema, each of them is what it holds.
macro_rules! schema_of_what_it_holds {
    ($($holder:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $holder<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}

schema_of_what_it_holds!(At, Keyed, Choice);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}
