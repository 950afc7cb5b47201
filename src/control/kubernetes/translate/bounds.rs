//! How much of one object is served. Whoever may write an Ingress has a part of every replica's memory and time, and of what
//! the API server is asked; a bound keeps that part small beside everybody else's. What is beyond one is not served, and
//! said at the Ingress.

/// The rules of an Ingress, each counted once for every name of its host.
pub(super) const RULES: usize = 10_000;
/// The expressions among them for one host: they are tried one after the other.
pub(super) const EXPRESSIONS: usize = 256;
/// All of them: each takes memory.
pub(super) const ALL_EXPRESSIONS: usize = 2560;
/// The paths of a canary: each is looked for in the Ingresses beside it, whenever one of them changes.
pub(super) const CANARY_PATHS: usize = 1000;
/// The Secrets that an Ingress names: each is read again and again.
pub(super) const SECRETS: usize = 256;
/// The hosts that an Ingress gives certificates to.
pub(super) const TLS_HOSTS: usize = 1000;
/// The endpoints of a backend.
pub(super) const ENDPOINTS: usize = 10_000;
/// Those of a backend that are expected without having been seen: a number that somebody typed is no pod yet.
pub(super) const EXPECTED: usize = 1000;
/// What is said about an Ingress.
pub(super) const PROBLEMS: usize = 100;

#[cfg(test)]
mod tests;
