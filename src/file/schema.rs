//! The configuration file exactly as it is typed: names, shapes and descriptions.
//!
//! The JSON Schema is made from these types, so their comments are what an editor shows. Whether a value
//! makes sense is not asked here: most are texts until [`super::File::parse`] has checked them, which can then
//! report all that are wrong at once.

mod limits;
mod session;
mod text;
mod tls;
mod upstream;

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

pub use self::limits::Limits;
pub use self::session::{Cookie, OnLost, OnRestart, SameSite, Secure, Session, Strategy};
use self::text::{Address, Count, Network};
pub use self::tls::{CertificatePair, Redirect, RedirectPort, Tls, TlsVersion};
pub use self::upstream::{Protocol, UpstreamTls};
use super::typed::Mapping;
pub use super::typed::{At, Choice, Keyed, Named};

/// Configuration of the Moorline reverse proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with listeners, backends and routes")]
pub struct File {
    /// The sockets that clients connect to.
    #[schemars(length(min = 1))]
    pub listeners: Vec<Keyed<Listener>>,
    /// The admin API: health, metrics and sessions. On 127.0.0.1:9901 unless it says otherwise.
    pub admin: Option<Keyed<Admin>>,
    /// The keys that session cookies are signed with. Without it they are random, and sessions end with the process.
    pub session_keys: Option<Keyed<SessionKeys>>,
    /// Bounds on time and resources.
    pub limits: Option<Keyed<Limits>>,
    /// How requests are logged.
    pub access_log: Option<Keyed<AccessLog>>,
    /// Proxy threads; as many as there are cores unless it says otherwise.
    #[schemars(with = "Option<Count>")]
    pub workers: Option<At<String>>,
    /// The groups of servers that requests go to, by name.
    pub backends: Named<Keyed<Backend>>,
    /// Which requests go to which backend.
    #[schemars(length(min = 1))]
    pub routes: Vec<Keyed<Route>>,
}

/// A socket that clients connect to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a listener, as in { address: 127.0.0.1:8080 }")]
pub struct Listener {
    /// IP address and port.
    #[schemars(with = "Address")]
    pub address: At<String>,
    /// The networks of proxies in front, whose X-Forwarded-* and Forwarded headers are believed.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub trusted_proxies: Vec<At<String>>,
    /// Load balancers in front say by the PROXY protocol (version 1 or 2) whose a connection is. Nobody else may connect
    /// then, and every connection has to begin with that.
    #[serde(default, deserialize_with = "present")]
    pub proxy_protocol: Option<Keyed<ProxyProtocol>>,
    /// TLS, and what it is done with; `{}` makes its own certificate, which no browser trusts. Without it clients come
    /// unencrypted.
    #[serde(default, deserialize_with = "present")]
    pub tls: Option<Keyed<Tls>>,
}

/// Who speaks the PROXY protocol.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "who speaks the PROXY protocol, as in { from: [10.0.0.0/8] }")]
pub struct ProxyProtocol {
    /// The networks of the load balancers. A connection from elsewhere is closed.
    #[schemars(with = "Vec<Network>", length(min = 1))]
    pub from: Vec<At<String>>,
}

/// The admin API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "where the admin API listens, as in { address: 127.0.0.1:9901 }")]
pub struct Admin {
    /// IP address and port; 127.0.0.1:9901 unless it says otherwise. Whoever reaches it sees all sessions.
    #[schemars(with = "Option<Address>")]
    pub address: Option<At<String>>,
    /// false: there is no admin API.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// The keys that session cookies are signed with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "where the keys are, as in { file: keys.yaml }")]
pub struct SessionKeys {
    /// The key file, relative to the folder of this file. `moorline keys new` makes one.
    #[schemars(with = "String")]
    pub file: At<String>,
}

/// How requests are logged.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "how requests are logged, as in { format: json }")]
pub struct AccessLog {
    /// combined unless it says otherwise.
    pub format: Option<Choice<AccessLogFormat>>,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogFormat {
    /// There is none.
    Off,
    /// Like those of Apache and nginx, with the outcome and the endpoint at its end.
    Combined,
    /// One JSON object a line.
    Json,
}

/// A group of servers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a backend, as in { endpoints: [127.0.0.1:9001] }")]
pub struct Backend {
    /// The servers.
    pub endpoints: Vec<Endpoint>,
    /// How they are spoken to: http unless it says otherwise.
    pub protocol: Option<Choice<Protocol>>,
    /// TLS with them, for https and h2. Their certificates are verified unless it says otherwise.
    #[serde(default, deserialize_with = "present")]
    pub tls: Option<Keyed<UpstreamTls>>,
}

/// A server: its address, or a mapping that says more.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Endpoint {
    /// The address is all there is to say. When it changes, its sessions are lost.
    Address(#[schemars(with = "Address")] At<String>),
    /// It has a name, or drains.
    Described(Keyed<DescribedEndpoint>),
}

/// A server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an endpoint, as in { name: posts-0, address: 127.0.0.1:9001 }")]
pub struct DescribedEndpoint {
    /// The name under which it comes back after a restart, whatever its address is then: requests of its sessions
    /// wait for it (`hold`). Without one its address is its identity, and nobody waits for it.
    #[schemars(with = "Option<String>")]
    pub name: Option<At<String>>,
    /// IP address and port.
    #[schemars(with = "Address")]
    pub address: At<String>,
    /// true: it gets no new sessions and keeps its own, until `drain_deadline` is over.
    #[serde(default)]
    pub drain: bool,
}

/// Some hosts and their rules.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a route, as in { hosts: [example.com], rules: [{ backend: posts }] }")]
pub struct Route {
    /// Host names: example.com, *.example.com (one label), or * for any, which is meant if there are none. The most
    /// specific one decides.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<At<String>>,
    /// true: requests that come without TLS are sent to come back with it (308), to the port of the TLS listener.
    pub redirect_to_https: Option<Redirect>,
    /// What happens to their requests. The most specific path decides, whatever the order.
    #[schemars(length(min = 1))]
    pub rules: Vec<Keyed<Rule>>,
}

/// What happens to the requests of a path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a rule, as in { path: { prefix: / }, backend: posts, session: {} }")]
pub struct Rule {
    /// Which paths; all of them unless it says otherwise.
    pub path: Option<Keyed<Path>>,
    /// The backend that serves them.
    #[schemars(with = "Option<String>")]
    pub backend: Option<At<String>>,
    /// Several backends that share them, instead of one. The first is the one that sessions are named after.
    pub backends: Option<At<Vec<Keyed<Share>>>>,
    /// Session persistence; `{}` is all defaults. Without it each request goes where there is room.
    #[serde(default, deserialize_with = "present")]
    pub session: Option<Keyed<Session>>,
    /// Who gets a request, where there are no sessions: least_requests unless it says otherwise.
    pub balance: Option<Choice<Balance>>,
}

/// Which paths: one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a path, as in { prefix: /shop } or { exact: /login }")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Path {
    /// This path and all below it: /a takes /a and /a/b, not /ab.
    #[schemars(with = "Option<String>")]
    pub prefix: Option<At<String>>,
    /// This path only.
    #[schemars(with = "Option<String>")]
    pub exact: Option<At<String>>,
}

/// A backend and its share of new sessions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a backend's share, as in { name: posts, weight: 9 }")]
pub struct Share {
    /// The backend.
    #[schemars(with = "String")]
    pub name: At<String>,
    /// Its share of all weights, 1 unless it says otherwise; at 0 it keeps its sessions and gets no new ones.
    #[schemars(with = "Option<Count>")]
    pub weight: Option<At<String>>,
}

/// Who gets a request, where there are no sessions.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Of two random endpoints the one with fewer requests under way.
    LeastRequests,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

/// The JSON Schema of the configuration file.
#[must_use]
pub fn json_schema() -> Schema {
    schemars::schema_for!(File)
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let At { value, place } = At::deserialize(deserializer)?;
        Ok(match value {
            TextOrMapping::Text(value) => Self::Address(At { value, place }),
            TextOrMapping::Mapping(mapping) => Self::Described(mapping.at(place)),
        })
    }
}

enum TextOrMapping {
    Text(String),
    Mapping(Mapping<DescribedEndpoint>),
}

impl<'de> Deserialize<'de> for TextOrMapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TextOrMapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an endpoint, as in 127.0.0.1:9001 or { name: posts-0, address: 127.0.0.1:9001 }")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOrMapping::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(TextOrMapping::Text(number.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Mapping::deserialize(MapAccessDeserializer::new(map)).map(TextOrMapping::Mapping)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `session:` with nothing behind it is not taken for no session: who typed it wants some.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}
