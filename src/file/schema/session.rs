//! `session:`

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Duration;
use super::{At, Choice, Keyed};

/// Session persistence: a signed cookie names the endpoint that holds the session.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "session persistence, as in { on_lost: reassign }, or {} for its defaults"
)]
pub struct Session {
    /// The cookie.
    pub cookie: Option<Keyed<Cookie>>,
    /// Who gets a new session; least_sessions unless it says otherwise.
    pub strategy: Option<Choice<Strategy>>,
    /// How long requests wait for a named endpoint that is away, counted from the moment it went; 30s unless it says
    /// otherwise.
    #[schemars(with = "Option<Duration>")]
    pub hold: Option<At<String>>,
    /// What happens to a session whose endpoint is lost; reassign unless it says otherwise.
    pub on_lost: Option<Choice<OnLost>>,
    /// What happens to a session whose endpoint came back without its memory; keep unless it says otherwise.
    pub on_restart: Option<Choice<OnRestart>>,
    /// How long an endpoint that was told to drain goes on serving its sessions; 30m unless it says otherwise.
    #[schemars(with = "Option<Duration>")]
    pub drain_deadline: Option<At<String>>,
    /// After how long without a request a session no longer counts as live; 30m unless it says otherwise.
    #[schemars(with = "Option<Duration>")]
    pub idle: Option<At<String>>,
    /// How long a session lasts at most; 30d unless it says otherwise.
    #[schemars(with = "Option<Duration>")]
    pub absolute: Option<At<String>>,
    /// false: the application sees the cookie, too.
    pub strip_cookie: Option<bool>,
}

/// The session cookie.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a cookie, as in { name: moorline, same_site: lax }")]
pub struct Cookie {
    /// Its name; moorline unless it says otherwise.
    #[schemars(with = "Option<String>")]
    pub name: Option<At<String>>,
    /// Below which path the client sends it; / unless it says otherwise.
    #[schemars(with = "Option<String>")]
    pub path: Option<At<String>>,
    /// To which domain the client sends it; to this host only unless it says otherwise.
    #[schemars(with = "Option<String>")]
    pub domain: Option<At<String>>,
    /// Does the client send it over TLS only? auto unless it says otherwise.
    pub secure: Option<Choice<Secure>>,
    /// false: scripts can read it.
    pub http_only: Option<bool>,
    /// Does it travel with requests that other sites cause? lax unless it says otherwise.
    pub same_site: Option<Choice<SameSite>>,
    /// true: each top-level site gets its own (CHIPS).
    pub partitioned: Option<bool>,
    /// How long the client keeps it; until it is closed unless it says otherwise.
    #[schemars(with = "Option<Duration>")]
    pub max_age: Option<At<String>>,
}

/// Who gets a new session.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Of two random endpoints the one with fewer live sessions.
    LeastSessions,
    /// Of two random endpoints the one with fewer requests under way.
    LeastRequests,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

/// What happens to a session whose endpoint is lost.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It moves to another endpoint, for good.
    Reassign,
    /// Another endpoint serves it until its own is back.
    Temporary,
    /// It is answered with 503 until its endpoint is back.
    Reject,
}

/// What happens to a session whose endpoint came back without its memory.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRestart {
    /// It stays: the endpoint may have kept something on its volume.
    Keep,
    /// It moves to another endpoint.
    Reassign,
}

/// Does the client send the cookie over TLS only?
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("enum" = ["auto", "always", "never", true, false]), transform = without_one_of)]
pub enum Secure {
    /// If its connection is TLS, here or at a trusted proxy.
    Auto,
    /// Yes.
    #[serde(alias = "true")]
    Always,
    /// No.
    #[serde(alias = "false")]
    Never,
}

/// Does the cookie travel with requests that other sites cause?
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// With all of them; browsers then want `secure`, too.
    None,
    /// With top-level navigation.
    Lax,
    /// With none.
    Strict,
}

/// `true` and `false` are words for it as well, which the variants alone do not tell.
fn without_one_of(schema: &mut schemars::Schema) {
    schema.remove("oneOf");
}
