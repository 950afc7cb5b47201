//! Moorline keeps every session moored to the endpoint that holds it.
//!
//! *Routing decides, proxy moves bytes, control learns, admin shows.* Only the first one has to be clever, so the first
//! one has no I/O.
//!
//! ```text
//! control ──► Publisher ─► Snapshot (immutable, one generation) ─► Reader ──► proxy workers
//!    ▲ a file                                                                   │  sessions index, upstream pools
//! admin ◄────────────────────── snapshot, sessions, metrics ────────────────────┘
//! ```
//!
//! The modules in reading order:

pub mod routing;

pub mod limits;

pub mod snapshot;

pub mod sessions;

pub mod proxy;

pub mod control;

pub mod file;

pub mod admin;

pub mod api;

pub mod app;

pub mod serve;

pub mod config;

pub mod cli;

pub mod bind;

pub mod clock;

pub mod descriptors;

#[cfg(test)]
mod documented;

pub mod drain;

pub mod readiness;

pub mod telemetry;
