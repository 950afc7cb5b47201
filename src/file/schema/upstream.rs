//! `protocol:` and `tls:` of a backend.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, yes};

/// How endpoints are spoken to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 without TLS, which the endpoints speak from the first byte on ("prior knowledge"); gRPC as a rule.
    H2c,
    /// HTTP/2 over TLS; gRPC over TLS as a rule.
    H2,
}

/// TLS with endpoints.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "what TLS with endpoints is like, as in { ca: ca.pem, server_name: posts.internal }"
)]
pub struct UpstreamTls {
    /// The file of the authorities, in PEM, whose certificates are good; relative to the folder of this file, and read
    /// again when it changes. Those that the system trusts, unless it says otherwise.
    #[schemars(with = "Option<String>")]
    pub ca: Option<At<String>>,
    /// The name that the certificates have to cover, and that is asked for (SNI): a DNS name or an IP address. The host
    /// of each endpoint's address, unless it says otherwise.
    #[schemars(with = "Option<String>")]
    pub server_name: Option<At<String>>,
    /// false: whoever answers is taken for the endpoint, whatever the certificate. TLS protects from nobody then who
    /// can get between.
    #[serde(default = "yes")]
    #[schemars(with = "bool")]
    pub verify: bool,
}
