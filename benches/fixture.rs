//! What the benches are made of: keys, backends and rules of any size, and a load under which nothing stands out.

#![allow(dead_code, reason = "each bench uses a part of it")]
#![allow(unreachable_pub, reason = "it is a module of each bench, and a crate of none")]

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use moorline::routing::session::{CookieName, Key, KeyId};
use moorline::routing::{
    Backend, BackendId, Claims, Endpoint, Incarnation, KeyRing, LoadView, Millis, Now, Persistence, Return, Rule,
    Scope, SessionId, SessionPolicy, Strategy, Token, Weighted,
};

/// The allocator that ships.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What both clocks say.
pub const NOW: Now = Now { unix: 1_800_000_000, mono: Millis(3_600_000) };

/// A ring of so many keys; the newest signs.
pub fn ring(keys: u8) -> KeyRing {
    let key = |id: u8| Key::new(KeyId::new(id.into()).expect("at most 32 keys"), id.into(), &[id; 32]);
    KeyRing::new((0..keys).map(key).collect()).expect("different ids")
}

/// The scope of a backend's sessions.
pub fn scope(backend: &str) -> Scope {
    Scope::new("shop", backend, "80", &CookieName::new("moorline").expect("a cookie name"))
}

/// One pod, as Kubernetes would have named it.
#[derive(Clone, Debug)]
pub struct Pod {
    name: String,
    uid: Incarnation,
    address: SocketAddr,
}

impl Pod {
    pub fn new(at: usize) -> Self {
        let [.., high, low] = at.to_be_bytes();
        Self {
            name: format!("web-{at}"),
            uid: Incarnation::new(format!("8f14e45f-ceea-467f-ab5c-{at:012}")),
            address: SocketAddr::from(([10, 0, high, low], 8080)),
        }
    }

    /// The pod as an endpoint of a backend, ready.
    pub fn endpoint(&self, backend: &BackendId) -> Endpoint {
        let mut endpoint = Endpoint::new(backend, &self.name, [self.address]);
        endpoint.incarnation = self.uid.clone();
        endpoint.returns = Return::Expected;
        endpoint
    }
}

/// A backend of these pods.
pub fn backend_of(name: &str, pods: &[Pod], keys: &KeyRing) -> Arc<Backend> {
    let id = BackendId::new(name);
    let endpoints = pods.iter().map(|pod| pod.endpoint(&id)).collect();
    Arc::new(Backend::new(id, endpoints, keys).expect("different names"))
}

/// A backend of so many ready endpoints.
pub fn backend(name: &str, endpoints: usize, keys: &KeyRing) -> Arc<Backend> {
    backend_of(name, &(0..endpoints).map(Pod::new).collect::<Vec<_>>(), keys)
}

/// A rule that keeps sessions on this backend.
pub fn sticky(backend: Arc<Backend>, strategy: Strategy) -> Rule {
    let scope = scope(backend.id().as_str());
    Rule {
        backends: [Weighted { weight: 1, backend }].into(),
        balance: strategy,
        session: Some(Persistence {
            policy: SessionPolicy { strategy, ..SessionPolicy::default() },
            scope,
            legacy: None,
        }),
        redirect_to_https: None,
        canary: None,
        filters: None,
    }
}

/// The cookie value of a session that lives at this endpoint.
pub fn sealed(keys: &KeyRing, session: u64, backend: &Backend, endpoint: &Endpoint) -> String {
    let claims = Claims::new(SessionId(session), NOW.unix - 60);
    keys.seal(&scope(backend.id().as_str()), claims, endpoint, NOW.unix)
}

/// The token of a session that lives at this endpoint.
pub fn token(keys: &KeyRing, session: u64, backend: &Backend, endpoint: &Endpoint) -> Token {
    let value = sealed(keys, session, backend, endpoint);
    keys.open(&scope(backend.id().as_str()), value.as_bytes()).expect("just sealed")
}

/// Everybody can be reached and has about as much to do.
#[derive(Debug, Default)]
pub struct Idle {
    turn: Cell<usize>,
}

impl LoadView for Idle {
    fn sessions(&self, endpoint: &Endpoint) -> u32 {
        u32::from(endpoint.name.len().is_multiple_of(2))
    }

    fn requests(&self, _: &Endpoint) -> u32 {
        0
    }

    fn unreachable_since(&self, _: &Endpoint) -> Option<Millis> {
        None
    }

    fn turn(&self, _: &Backend) -> usize {
        self.turn.replace(self.turn.get().wrapping_add(1))
    }
}

/// Goes round and round through some values.
#[derive(Debug)]
pub struct Cycle<T> {
    values: Vec<T>,
    next: usize,
}

impl<T> Cycle<T> {
    /// Through these, in an order in which no prefetcher finds a pattern.
    pub fn shuffled(values: impl IntoIterator<Item = T>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        fastrand::Rng::with_seed(1).shuffle(&mut values);
        Self { values, next: 0 }
    }

    /// The next one.
    pub fn step(&mut self) -> &T {
        let at = self.next;
        self.next = if at + 1 == self.values.len() { 0 } else { at + 1 };
        &self.values[at]
    }
}
