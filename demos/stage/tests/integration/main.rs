//! The demo from outside, in one binary.

/// The real binary as a process of its own, without a terminal: the lesson's walk, signals, exit codes.
mod binary;

/// The story on a small scale.
mod story;
