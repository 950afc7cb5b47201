//! How values get their places from the reader, and mappings the keys that they do not know.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

use super::super::problem::Place;
use super::{At, Choice, Keyed, Missing, Named, Unknown};

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
        let At { value: mapping, place } = At::<Mapping<T>>::deserialize(deserializer)?;
        Ok(mapping.at(place))
    }
}

/// [`Keyed`], before its place is known.
pub(in crate::file) struct Mapping<T> {
    value: Result<T, Missing>,
    unknown: Vec<Unknown>,
}

impl<T> Mapping<T> {
    pub(in crate::file) fn at(self, place: Place) -> Keyed<T> {
        Keyed { place, value: self.value, unknown: self.unknown }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Mapping<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut seen = Seen::default();
        let value = T::deserialize(KnownKeys { inner: deserializer, seen: &mut seen });
        let value = match seen.missing {
            Some(words) => Err(Missing(words)),
            None => Ok(value?),
        };
        Ok(Self { value, unknown: seen.unknown })
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

/// What was met on the way through a mapping.
#[derive(Default)]
struct Seen {
    unknown: Vec<Unknown>,
    /// The last key has been read.
    end: bool,
    missing: Option<String>,
}

/// Lets a struct see its own keys only, and keeps the others.
struct KnownKeys<'s, D> {
    inner: D,
    seen: &'s mut Seen,
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
        let value = self.inner.deserialize_any(KnownFields { inner: visitor, fields, seen: self.seen })?;
        value.ok_or_else(|| de::Error::custom("a key is missing"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The visitor, and then the map, of [`KnownKeys`]. A sequence is none, although serde would take one.
struct KnownFields<'s, I> {
    inner: I,
    fields: &'static [&'static str],
    seen: &'s mut Seen,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KnownFields<'_, V> {
    /// None if a key is missing: for the reader that is no error, since it has read everything, and reads on.
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match self.inner.visit_map(KnownFields { inner: map, fields: self.fields, seen: &mut *self.seen }) {
            Ok(value) => Ok(Some(value)),
            // After the last key nothing else can be wrong.
            Err(error) if self.seen.end => {
                self.seen.missing = Some(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// `session:` with nothing behind it is `session: {}`.
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        self.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()))
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
            self.seen.unknown.push(Unknown { text, place, expected: self.fields });
        }
        self.seen.end = true;
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
