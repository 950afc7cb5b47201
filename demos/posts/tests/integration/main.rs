//! The posts service from outside, in one binary.

/// Sessions without a socket: login, logout, and what cookies are worth.
mod login;
/// Answers for browsers, and errors in every form.
mod page;
/// Posts without a socket: who may read and write them, in which forms and how many.
mod post;
/// What all requests share: methods, readiness, the observer.
mod rim;

/// Real sockets: who is connected when an instance ends, and many users at once.
mod socket;

/// The real binary as a process of its own: arguments, signals, exit codes.
mod binary;

/// The client that all of them use.
mod support;
