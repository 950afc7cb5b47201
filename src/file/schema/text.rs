//! What an editor is told about texts that mean something else.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// `127.0.0.1:8080`
pub(super) enum Address {}

/// `10.0.0.0/8`
pub(super) enum Network {}

/// `1m30s`
pub(super) enum Duration {}

/// `64KiB`
pub(super) enum Size {}

/// `128`
pub(super) enum Count {}

macro_rules! text_schema {
    ($($name:ident => $schema:tt),* $(,)?) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

text_schema! {
    Address => { "type": "string", "pattern": r"^(localhost|[0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$" },
    Network => { "type": "string", "pattern": r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$" },
    Duration => { "type": ["string", "integer"], "pattern": r"^(0|(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$", "maximum": 0 },
    Size => { "type": ["string", "integer"], "pattern": r"^\d+ ?(B|KiB|MiB|GiB)?$" },
    Count => { "type": "integer", "minimum": 0 },
}
