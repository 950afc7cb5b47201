//! Every limit of the proxy, with its default and the reason for it. What has no row here has no bound
//! that an operator can set.

use std::time::Duration;

/// Bounds on time and resources. All of them hold for every connection and request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A client that has connected sends its first byte within this time.
    pub first_byte: Duration,
    /// A TLS handshake is complete within this time from the connection.
    pub handshake: Duration,
    /// A request head is complete within this time from its first byte.
    pub head: Duration,
    /// An idle keep-alive connection of a client is closed after this time.
    pub idle: Duration,
    /// When a connection is closed with something unread on it, the client has this time to take its last answer.
    pub linger: Duration,
    /// A body, either way, makes some progress within this time. A client over HTTP/2 is let go that keeps nothing moving of what
    /// is left of its answers (ten times as long, while others are under way), or that has been silent for `idle` with requests
    /// under way and answers no PING within it.
    pub body: Duration,
    /// A connection to an endpoint is made within this time: a dead pod's address does not refuse, it swallows.
    pub connect: Duration,
    /// An endpoint sends its response head within this time.
    pub response_head: Duration,
    /// A tunnel (WebSocket and other upgrades) on which nothing moves is closed after this time.
    pub tunnel: Duration,
    /// An idle connection to an endpoint is closed after this time: less than the 5 s after which common
    /// servers close theirs, so that it is us who close.
    pub upstream_idle: Duration,
    /// A connection over HTTP/2 that has been silent for this time while a request is under way is asked whether it is
    /// still there (PING). Servers of gRPC count these, and take five minutes between two of them for the least.
    pub upstream_ping: Duration,
    /// Whoever does not answer that within this time is given up, with all requests on that connection.
    pub upstream_ping_timeout: Duration,
    /// When an endpoint's host acknowledges nothing of a request's head, the connection is given up after this time; of
    /// a body, after `body`.
    pub upstream_user_timeout: Duration,
    /// On SIGTERM, new connections are taken for this time, while the proxy says that it is not ready: load balancers
    /// need it to notice.
    pub shutdown_grace: Duration,
    /// After that, requests under way may take this long to end.
    pub shutdown: Duration,
    /// The largest request head in bytes; more is answered with 431, and so are more than 100 fields.
    pub head_size: usize,
    /// The longest request target in bytes; more is answered with 414.
    pub target_size: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: usize,
    /// Bytes of large request heads (more than 8 KiB) under way at a time on one HTTP/2 connection, if it is more than one
    /// head; a request that comes on top is refused and may be sent again (REFUSED_STREAM).
    pub http2_heads: usize,
    /// HTTP/2 frames that bring no request forward, on top of what work and time make up for; more end the connection, to a
    /// client or to an endpoint: several times what a browser sends around all the requests that it may make at a time.
    pub http2_frames: usize,
    /// Client connections at a time, in all; what comes on top is answered with 503. It is less if there are not two
    /// descriptors for each.
    pub connections: usize,
    /// Requests under way at a time, shared out evenly among the workers; what comes on top is answered with 503.
    pub requests: usize,
    /// Connections to one endpoint at a time, shared out evenly among the workers; what comes on top goes to another
    /// endpoint if it may, and is answered with 503 if not.
    pub upstream_connections: usize,
    /// Idle connections kept to one endpoint, shared out evenly among the workers.
    pub upstream_idle_connections: usize,
    /// Requests at a time on one connection over HTTP/2, or fewer if the endpoint says so. With more of them another
    /// connection is made.
    pub upstream_streams: usize,
    /// Requests that wait for one endpoint at a time.
    pub held_per_endpoint: usize,
    /// Requests of one session that wait at a time.
    pub held_per_session: usize,
    /// Requests that wait at a time, in all.
    pub held: usize,
    /// Live sessions that are remembered; beyond it the least recently seen goes first.
    pub sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            linger: Duration::from_secs(2),
            body: Duration::from_secs(60),
            connect: Duration::from_secs(1),
            response_head: Duration::from_secs(60),
            tunnel: Duration::from_secs(60 * 60),
            upstream_idle: Duration::from_secs(4),
            upstream_ping: Duration::from_secs(5 * 60),
            upstream_ping_timeout: Duration::from_secs(10),
            upstream_user_timeout: Duration::from_secs(3),
            shutdown_grace: Duration::from_secs(5),
            shutdown: Duration::from_secs(30),
            head_size: 64 * 1024,
            target_size: 16 * 1024,
            streams: 100,
            http2_heads: 384 * 1024,
            http2_frames: 800,
            connections: 20_000,
            requests: 20_000,
            upstream_connections: 1024,
            upstream_idle_connections: 128,
            upstream_streams: 100,
            held_per_endpoint: 256,
            held_per_session: 6,
            held: 4096,
            sessions: 1_000_000,
        }
    }
}
