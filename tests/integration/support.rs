//! The words that tests are written in.

#[cfg(feature = "kubernetes")]
mod apiserver;
mod client;
#[cfg(feature = "kubernetes")]
mod cluster;
pub(crate) mod frames;
mod front;
mod grpc;
mod http2;
mod origin;
mod program;
mod proxy;
mod table;
mod tls;

use std::time::Duration;

#[cfg(feature = "kubernetes")]
pub(crate) use apiserver::{ApiServer, Lists, Refusal, api_server};
pub(crate) use client::{Client, Response};
#[cfg(feature = "kubernetes")]
pub(crate) use cluster::{Cluster, cluster, ingress, lease, service, slice};
pub(crate) use front::{Front, front};
pub(crate) use grpc::{Caller, GrpcOrigin, cookie as grpc_cookie, grpc_origin};
pub(crate) use http2::{Act, Http2Origin, Step, frame, http2_origin, raw_http2};
pub(crate) use origin::{Behaviour, Origin, origin};
pub(crate) use program::{Program, program, program_after};
pub(crate) use proxy::{Builder, Proxy, admin_get, proxy};
pub(crate) use table::{backend, rewrite, rule, rules, sessions};
pub(crate) use tls::{Authority, Browser};

/// Long enough for the slowest machine; nothing waits for so long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    until(what, async move || holds())
}

/// The same where somebody has to be asked whether it does.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(tokio::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?} ({caller})");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
