//! `tls:` of a listener, and `redirect_to_https:` of a route.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::super::typed::Mapping;
use super::text::Count;
use super::{At, Choice, Keyed};

/// TLS of a listener.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "what TLS is done with, as in { certificates: [{ cert: cert.pem, key: key.pem }] }"
)]
pub struct Tls {
    /// Certificates and their keys. A client gets the first one that covers the name it asks for, and the first of all
    /// if none does. They are read again when they change.
    pub certificates: Vec<Keyed<CertificatePair>>,
    /// The oldest version that is spoken: 1.2 unless it says otherwise.
    pub min_version: Option<Choice<TlsVersion>>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a certificate and its key, as in { cert: cert.pem, key: key.pem }")]
pub struct CertificatePair {
    /// The file of the certificate in PEM, those that signed it behind it; relative to the folder of this file.
    #[schemars(with = "String")]
    pub cert: At<String>,
    /// The file of its private key in PEM, relative to the folder of this file.
    #[schemars(with = "String")]
    pub key: At<String>,
}

/// A version of TLS. Older ones are not spoken.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether requests without TLS are sent to come back with it.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Redirect {
    /// true: to the port of the TLS listener. With several of them one has to be 443, which it then is.
    Switch(#[schemars(with = "bool")] At<bool>),
    /// To a port that is not to be seen from here, as behind a load balancer.
    Port(Keyed<RedirectPort>),
}

/// Where requests without TLS are sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a port, as in { port: 8443 }")]
pub struct RedirectPort {
    /// The port as clients see it.
    #[schemars(with = "Count")]
    pub port: At<String>,
}

impl<'de> Deserialize<'de> for Redirect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let At { value, place } = At::deserialize(deserializer)?;
        Ok(match value {
            SwitchOrMapping::Switch(value) => Self::Switch(At { value, place }),
            SwitchOrMapping::Mapping(mapping) => Self::Port(mapping.at(place)),
        })
    }
}

enum SwitchOrMapping {
    Switch(bool),
    Mapping(Mapping<RedirectPort>),
}

impl<'de> Deserialize<'de> for SwitchOrMapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = SwitchOrMapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a port, as in { port: 8443 }")
            }

            fn visit_bool<E>(self, switch: bool) -> Result<Self::Value, E> {
                Ok(SwitchOrMapping::Switch(switch))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Mapping::deserialize(MapAccessDeserializer::new(map)).map(SwitchOrMapping::Mapping)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
