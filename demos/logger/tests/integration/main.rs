//! The legacy application from outside, in one binary.

/// Messages and requests become lines, and can be read back.
mod lines;
/// What hostile clients send.
mod refused;
/// Disks that are full, gone, and back.
mod trouble;

/// The real binary as a process of its own: arguments, signals, restarts.
mod binary;

/// A service with a log in a folder of its own.
mod support;
