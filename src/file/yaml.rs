//! Text → as typed, and the reader's errors in the words of [`Problem`].

use serde_saphyr::{Error, Options};

use super::MAX_SIZE;
use super::problem::{Problem, Problems};
use super::typed::{Keyed, suggest};

/// May a message repeat what stands in the text?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// It helps.
    Allowed,
    /// The text has secrets in it.
    Never,
}

/// Reads a text.
///
/// # Errors
/// The first thing that cannot be read; what comes behind it is not understood any more.
pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str, echo: Echo) -> Result<Keyed<T>, Problems> {
    if text.len() > MAX_SIZE {
        let message = format!("the file is larger than {}", super::scalar::show_size(MAX_SIZE));
        return Err(Problem::error(None, message).into());
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| problem(&error, echo).into())
}

/// Reads an object of Kubernetes. A text that stands there without quotes and looks like a number or a truth is refused, as
/// the API server refuses it.
///
/// # Errors
/// The first thing that cannot be read.
pub(super) fn read_manifest<'t, S: serde::de::DeserializeSeed<'t>>(
    text: &'t str,
    seed: S,
    echo: Echo,
) -> Result<S::Value, Problem> {
    // Definitions of resources are deep, and a list of a cluster's objects is long.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 200,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_aliases: 1000,
            max_anchors: 1000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        with_snippet: false,
        no_schema: true,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| seed.deserialize(reader))
        .map_err(|error| problem(&error, echo))
}

/// Bounds on what a small text can blow up to: nobody needs anchors by the hundred.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_aliases: 1000,
            max_anchors: 1000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        with_snippet: false,
        strict_booleans: true,
    }
}

fn problem(error: &Error, echo: Echo) -> Problem {
    let at = error.location().map(Into::into);
    let error = match error.without_snippet() {
        Error::AliasError { error, .. } => error.without_snippet(),
        error => error,
    };
    match error {
        Error::Unexpected { expected: "sequence start", .. } => {
            Problem::error(at, "expected a list").hint("[ … ], or a line with - for each".to_owned())
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            Problem::error(at, "expected a text").hint("what has brackets or colons in it may need quotes".to_owned())
        }
        Error::InvalidScalar { ty, .. } if ty.starts_with(['i', 'u']) => Problem::error(at, "expected a whole number"),
        Error::QuotingRequired { value, .. } if echo == Echo::Allowed => {
            Problem::error(at, "expected a text, which this is with quotes only").hint(format!("{value:?}"))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            let found = match unexpected.as_str() {
                "sequence" => "a list",
                "map" => "a mapping",
                "unit value" => "nothing",
                text if echo == Echo::Allowed => text,
                _ => "something else",
            };
            Problem::error(at, format!("expected {expected}, found {found}"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } if echo == Echo::Allowed => {
            Problem::error(at, format!("unknown word {variant:?}")).hint(suggest(variant, expected))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } if echo == Echo::Allowed => {
            Problem::error(at, format!("the key {key:?} stands here twice"))
        }
        Error::DuplicateMappingKey { .. } => Problem::error(at, "a key stands here twice"),
        Error::InvalidBooleanStrict { .. } => Problem::error(at, "expected true or false"),
        Error::MultipleDocuments { .. } => Problem::error(at, "there is more than one YAML document in the file"),
        Error::Eof { .. } => Problem::error(at, "the file is empty"),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            Problem::error(at, "the file is nested too deeply, or its aliases make it too large")
        }
        _ if echo == Echo::Never => Problem::error(at, "this is not the YAML of a key file"),
        error => Problem::error(at, plain(error)),
    }
}

/// The reader's own words, without the place, which the problem has already.
fn plain(error: &Error) -> String {
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    line.split_once(" at line ").map_or(line, |(message, _)| message).to_owned()
}
