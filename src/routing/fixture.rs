//! What the tests of the core are made of: keys, endpoints and rules in a few words, and a load that a test
//! dictates.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::session::{Key, KeyId, SECRET_LEN};
use super::{
    Backend, BackendId, Condition, Endpoint, Incarnation, KeyRing, LoadView, Millis, Persistence, Return, Rule, Scope,
    SessionPolicy, Strategy, Weighted,
};

/// A ring of keys, each by its id and the time from which it signs. Their secrets follow from their ids.
pub(super) fn ring(keys: &[(u8, u64)]) -> KeyRing {
    KeyRing::new(keys.iter().map(|(id, signs_from)| key(*id, *signs_from)).collect()).unwrap()
}

/// The key with this id.
pub(super) fn key(id: u8, signs_from: u64) -> Key {
    Key::new(KeyId::new(id.into()).unwrap(), signs_from, &[id; SECRET_LEN])
}

/// The scope of the sessions of the backend `web`.
pub(super) fn scope() -> Scope {
    Scope::new("", "web", "", &SessionPolicy::default().cookie.name)
}

/// Milliseconds, said in seconds.
pub(super) fn seconds(seconds: u64) -> Millis {
    Millis(seconds * 1000)
}

/// An endpoint as a test speaks of it, before it is somewhere.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) life: u32,
    pub(super) condition: Condition,
    pub(super) returns: Return,
}

/// Takes new sessions, lives its first life, is expected back when it goes.
pub(super) fn ready(name: impl Into<String>) -> Spec {
    Spec { name: name.into(), life: 1, condition: Condition::Ready, returns: Return::Expected }
}

/// Terminates by itself.
pub(super) fn draining(name: impl Into<String>) -> Spec {
    Spec { condition: Condition::Draining { told: None }, ..ready(name) }
}

/// Was told to drain.
pub(super) fn told(name: impl Into<String>, at: Millis) -> Spec {
    Spec { condition: Condition::Draining { told: Some(at) }, ..ready(name) }
}

/// Is not there.
pub(super) fn away(name: impl Into<String>, since: Millis) -> Spec {
    Spec { condition: Condition::Away { since }, ..ready(name) }
}

impl Spec {
    /// It lives another life than the sessions knew.
    pub(super) fn restarted(self) -> Self {
        Self { life: 2, ..self }
    }

    /// Nobody brings it back.
    pub(super) fn passing(self) -> Self {
        Self { returns: Return::Never, ..self }
    }

    /// The endpoint, in this backend.
    pub(super) fn build(&self, backend: &BackendId) -> Endpoint {
        let mut endpoint = Endpoint::new(backend, &self.name, []);
        endpoint.incarnation = Incarnation::new(self.life.to_string());
        endpoint.condition = self.condition;
        endpoint.returns = self.returns;
        endpoint
    }
}

/// A backend of these endpoints.
pub(super) fn backend(name: &str, endpoints: &[Spec], keys: &KeyRing) -> Arc<Backend> {
    let id = BackendId::new(name);
    let endpoints = endpoints.iter().map(|spec| spec.build(&id)).collect();
    Arc::new(Backend::new(id, endpoints, keys).unwrap())
}

/// A rule that keeps sessions, over backends and their weights.
pub(super) fn sticky(backends: Vec<(u32, Arc<Backend>)>, policy: SessionPolicy) -> Rule {
    Rule {
        backends: backends.into_iter().map(|(weight, backend)| Weighted { weight, backend }).collect(),
        balance: Strategy::Random,
        session: Some(Persistence { policy, scope: scope(), legacy: None }),
        redirect_to_https: None,
        canary: None,
        filters: None,
    }
}

/// A load in which a test says what stands out; everything else is idle and reachable.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    pub(super) sessions: HashMap<String, u32>,
    pub(super) requests: HashMap<String, u32>,
    pub(super) unreachable: HashMap<String, Millis>,
    pub(super) turn: Cell<usize>,
}

impl LoadView for Load {
    fn sessions(&self, endpoint: &Endpoint) -> u32 {
        self.sessions.get(&*endpoint.name).copied().unwrap_or_default()
    }

    fn requests(&self, endpoint: &Endpoint) -> u32 {
        self.requests.get(&*endpoint.name).copied().unwrap_or_default()
    }

    fn unreachable_since(&self, endpoint: &Endpoint) -> Option<Millis> {
        self.unreachable.get(&*endpoint.name).copied()
    }

    fn turn(&self, _: &Backend) -> usize {
        self.turn.replace(self.turn.get().wrapping_add(1))
    }
}

/// The policy with `hold` as long as this, in seconds.
pub(super) fn hold(seconds: u64) -> SessionPolicy {
    SessionPolicy { hold: Duration::from_secs(seconds), ..SessionPolicy::default() }
}
