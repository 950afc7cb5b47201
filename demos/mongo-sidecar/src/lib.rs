//! The sidecar of a MongoDB pod: it forms the replica set out of a StatefulSet, keeps its members equal to the ordinals
//! that are wanted, and labels each pod by its role, so that a Service can select the primary.
//!
//! What is clever is pure: [`decide`](decide::decide) says what to do, [`labels`](labels::labels) who carries which label,
//! [`edit`] how a configuration changes. Around it is a thin driver: look, decide, do one thing, look again.

pub mod hosts;
pub mod observed;

pub mod decide;
pub mod decision;
pub mod edit;
pub mod labels;

pub mod kubernetes;
pub mod mongod;

pub mod cycle;
pub mod report;
pub mod run;

pub mod http;
pub mod metrics;

#[cfg(test)]
mod fixture;
