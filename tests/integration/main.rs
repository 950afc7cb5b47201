//! The proxy as its clients and upstreams see it: the real app, real sockets, bytes on the wire.
//!
//! One module per promise. [`support`] has the words: `origin("a").run()`, `proxy().endpoint(..).run()`,
//! `client.get("/")`.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod admin;
#[cfg(feature = "kubernetes")]
mod apiserver;
mod bodies;
mod canary;
mod certificates;
mod commands;
mod cookies;
mod endpoint_tls;
mod errors;
mod filters;
mod floods;
mod grpc;
mod headers;
mod hostile;
mod http2;
mod http2_endpoints;
mod http2_unread;
mod overload;
mod proxy_protocol;
mod reload;
#[cfg(feature = "kubernetes")]
mod replicas;
mod shutdown;
mod stickiness;
mod strict;
mod support;
mod timeouts;
mod tls;
mod upgrades;
mod upstreams;
