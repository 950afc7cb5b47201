//! How a value is held between reading and checking: with its place, and with what is wrong with it.
//!
//! ## Why unknown keys and words do not end the reading
//! serde stops at the first error. A file with three typing mistakes would take three rounds to correct.
//! So [`Keyed`] and [`Choice`] keep a wrong key or word beside what is right, and the check reports all
//! of them. They can only be opened with a list to report to, so nothing that is wrong gets lost.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

use super::problem::{Place, Problem, Problems};

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// A mapping with fixed keys, of which some may be unknown.
#[derive(Clone, Debug)]
pub struct Keyed<T> {
    value: T,
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

impl<T> Keyed<T> {
    /// The mapping, once its unknown keys have been reported.
    pub(super) fn open(&self, problems: &mut Problems) -> &T {
        for unknown in &self.unknown {
            let message = format!("unknown key {:?}", unknown.text);
            problems.push(Problem::error(unknown.place, message).hint(suggest(&unknown.text, unknown.expected)));
        }
        &self.value
    }

    /// Like [`Self::open`], for a text that must not be quoted.
    pub(super) fn open_secret(&self, problems: &mut Problems) -> &T {
        for unknown in &self.unknown {
            problems.push(Problem::error(unknown.place, "unknown key").hint(suggest("", unknown.expected)));
        }
        &self.value
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
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let distance = |candidate: &str| strsim::damerau_levenshtein(&plain(typed), &plain(candidate));
    let (distance, nearest) = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    if distance <= 1.max(nearest.len().min(typed.len()) / 3) && !typed.is_empty() {
        return Some(format!("did you mean {nearest:?}?"));
    }
    (known.len() <= 24).then(|| format!("one of {}", known.join(", ")))
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        let from_one = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Self { line: from_one(location.line()), column: from_one(location.column()) }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, place: spanned.referenced.into() })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unknown = Vec::new();
        let value = T::deserialize(KnownKeys { inner: deserializer, unknown: &mut unknown })?;
        Ok(Self { value, unknown })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let At { value: text, place } = At::<String>::deserialize(deserializer)?;
        let word = T::deserialize(StrDeserializer::<NoSuchWord>::new(&text));
        Ok(Self { place, word: word.map_err(|NoSuchWord(expected)| Unknown { text, place, expected }) })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Named(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Lets a struct see its own keys only, and keeps the others.
struct KnownKeys<'u, D> {
    inner: D,
    unknown: &'u mut Vec<Unknown>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for KnownKeys<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    /// Asks for anything, so that what is no mapping is reported in the words of the struct's `expecting`.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(KnownFields { inner: visitor, fields, unknown: self.unknown })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The visitor, and then the map, of [`KnownKeys`]. A sequence is none, although serde would take one.
struct KnownFields<'u, I> {
    inner: I,
    fields: &'static [&'static str],
    unknown: &'u mut Vec<Unknown>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KnownFields<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(KnownFields { inner: map, fields: self.fields, unknown: self.unknown })
    }

    /// `session:` with nothing behind it is `session: {}`.
    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownFields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(At { value: text, place }) = self.inner.next_key::<At<String>>()? {
            if self.fields.contains(&text.as_str()) {
                return seed.deserialize(text.into_deserializer()).map(Some);
            }
            self.inner.next_value::<IgnoredAny>()?;
            self.unknown.push(Unknown { text, place, expected: self.fields });
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

/// The words that there are, where another one was read.
#[derive(Debug)]
struct NoSuchWord(&'static [&'static str]);

impl fmt::Display for NoSuchWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0.join(", "))
    }
}

impl std::error::Error for NoSuchWord {}

impl de::Error for NoSuchWord {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
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
