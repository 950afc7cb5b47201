//! `limits:`

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use super::text::{Count, Duration, Size};

/// Bounds on time and resources. Those that are not named keep their defaults.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "limits, as in { idle: 75s, head_size: 64KiB }")]
pub struct Limits {
    /// A client that has connected sends its first byte within this time.
    #[schemars(with = "Option<Duration>")]
    pub first_byte: Option<At<String>>,
    /// A TLS handshake is complete within this time.
    #[schemars(with = "Option<Duration>")]
    pub handshake: Option<At<String>>,
    /// A request head is complete within this time from its first byte.
    #[schemars(with = "Option<Duration>")]
    pub head: Option<At<String>>,
    /// An idle keep-alive connection of a client is closed after this time.
    #[schemars(with = "Option<Duration>")]
    pub idle: Option<At<String>>,
    /// When a connection is closed with something unread on it, the client has this time to take its last answer.
    #[schemars(with = "Option<Duration>")]
    pub linger: Option<At<String>>,
    /// A body, either way, makes some progress within this time. A client over HTTP/2 is let go that keeps nothing moving of what
    /// is left of its answers (ten times as long, while others are under way), or that has been silent for `idle` with requests
    /// under way and answers no PING within it.
    #[schemars(with = "Option<Duration>")]
    pub body: Option<At<String>>,
    /// A connection to an endpoint is made within this time.
    #[schemars(with = "Option<Duration>")]
    pub connect: Option<At<String>>,
    /// An endpoint sends its response head within this time.
    #[schemars(with = "Option<Duration>")]
    pub response_head: Option<At<String>>,
    /// A tunnel (WebSocket and other upgrades) on which nothing moves is closed after this time.
    #[schemars(with = "Option<Duration>")]
    pub tunnel: Option<At<String>>,
    /// An idle connection to an endpoint is closed after this time; it should be less than the endpoint's own limit.
    #[schemars(with = "Option<Duration>")]
    pub upstream_idle: Option<At<String>>,
    /// A connection over HTTP/2 to an endpoint that is silent for this time, with requests under way, is asked whether it
    /// is there (PING). Servers of gRPC break off when it is less than they allow, which is 5m unless they say otherwise.
    #[schemars(with = "Option<Duration>")]
    pub upstream_ping: Option<At<String>>,
    /// Whoever does not answer that within this time is given up.
    #[schemars(with = "Option<Duration>")]
    pub upstream_ping_timeout: Option<At<String>>,
    /// When an endpoint's host swallows what is sent, its connections are given up after this time.
    #[schemars(with = "Option<Duration>")]
    pub upstream_user_timeout: Option<At<String>>,
    /// On SIGTERM, new connections are taken for this time while `/readyz` says no: load balancers need it to notice.
    #[schemars(with = "Option<Duration>")]
    pub shutdown_grace: Option<At<String>>,
    /// After `shutdown_grace`, requests under way may take this long to end.
    #[schemars(with = "Option<Duration>")]
    pub shutdown: Option<At<String>>,
    /// The largest request head; more is answered with 431.
    #[schemars(with = "Option<Size>")]
    pub head_size: Option<At<String>>,
    /// The longest request target; more is answered with 414.
    #[schemars(with = "Option<Size>")]
    pub target_size: Option<At<String>>,
    /// Requests at a time on one HTTP/2 connection.
    #[schemars(with = "Option<Count>")]
    pub streams: Option<At<String>>,
    /// Bytes of large request heads (more than 8 KiB) under way at a time on one HTTP/2 connection, if it is more than one
    /// head; a request that comes on top is refused and may be sent again.
    #[schemars(with = "Option<Size>")]
    pub http2_heads: Option<At<String>>,
    /// HTTP/2 frames that bring no request forward, on top of what work and time make up for; more end the connection, to a
    /// client or to an endpoint.
    #[schemars(with = "Option<Count>")]
    pub http2_frames: Option<At<String>>,
    /// Client connections at a time, in all; what comes on top is answered with 503. Less, if there are not two file
    /// descriptors for each.
    #[schemars(with = "Option<Count>")]
    pub connections: Option<At<String>>,
    /// Requests under way at a time, in all; what comes on top is answered with 503.
    #[schemars(with = "Option<Count>")]
    pub requests: Option<At<String>>,
    /// Connections to one endpoint at a time, in all; what comes on top is answered with 503.
    #[schemars(with = "Option<Count>")]
    pub upstream_connections: Option<At<String>>,
    /// Idle connections kept to one endpoint, in all.
    #[schemars(with = "Option<Count>")]
    pub upstream_idle_connections: Option<At<String>>,
    /// Requests at a time on one connection over HTTP/2 to an endpoint; with more another connection is made.
    #[schemars(with = "Option<Count>")]
    pub upstream_streams: Option<At<String>>,
    /// Requests that wait for one endpoint at a time.
    #[schemars(with = "Option<Count>")]
    pub held_per_endpoint: Option<At<String>>,
    /// Requests of one session that wait at a time.
    #[schemars(with = "Option<Count>")]
    pub held_per_session: Option<At<String>>,
    /// Requests that wait at a time, in all.
    #[schemars(with = "Option<Count>")]
    pub held: Option<At<String>>,
    /// Live sessions that are remembered; beyond it the least recently seen goes first.
    #[schemars(with = "Option<Count>")]
    pub sessions: Option<At<String>>,
}
