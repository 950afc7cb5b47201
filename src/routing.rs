//! The pure core: which endpoint gets a request, and what becomes of its session.
//!
//! Nothing here does I/O, asks the time or draws from a global source of randomness: all of that
//! comes in as arguments. So every answer can be tabled, simulated and explained, and the same
//! request gets the same answer on every replica.
//!
//! A request passes through in three steps: [`Table::find`] finds its rule, [`KeyRing::open`] reads its
//! token, and [`decide`] says where it goes.

pub mod backend;
pub mod balance;
pub mod filters;
pub mod host;
pub mod path;
pub mod protocol;
pub mod session;
pub mod table;

mod decide;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod simulation;

use std::time::Duration;

pub use self::backend::{Backend, BackendId, Condition, Endpoint, EndpointId, Incarnation, Return};
pub use self::balance::{LoadView, Strategy};
pub use self::decide::{Attempt, Decision, Forward, Outcome, Refusal, decide};
pub use self::filters::{Canary, Filters, Preference};
pub use self::host::HostPattern;
pub use self::path::PathMatch;
pub use self::protocol::Protocol;
pub use self::session::{Claims, KeyRing, Persistence, Scope, SessionId, SessionPolicy, Token};
pub use self::table::{Origin, Rule, Table, Weighted};

/// Milliseconds since the process began, on a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// The two clocks that a decision is made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Unix seconds: the lifetimes of tokens, on which replicas have to agree.
    pub unix: u64,
    /// The steady clock: how long something has been gone.
    pub mono: Millis,
}

impl Millis {
    /// So much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` until now; nothing if it has not come yet.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
