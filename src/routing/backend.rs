//! Backends and their endpoints, as one snapshot knows them.
//!
//! Nothing here changes while requests are served: connections, load and health live with the proxy,
//! keyed by [`EndpointId`], and outlive every snapshot.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::Millis;
use super::protocol::Protocol;
use super::session::{KeyId, KeyRing, Token};

/// Names a backend: a Service port, or a group in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId {
    name: Arc<str>,
    /// As much of the name says whose sessions these are.
    own: usize,
}

/// Names an endpoint for as long as it keeps its identity: `<backend>/<pod or server>`.
///
/// The backend is part of it because two backends reach the same pod at different ports, and their
/// connections must not be mixed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

/// Which life of an endpoint this is: a pod's UID. Another one under the same identity means that
/// what the endpoint held in memory is gone. Configured servers do not tell: theirs is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Incarnation(Arc<str>);

/// What an endpoint can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Takes new sessions and keeps its own.
    Ready,
    /// Keeps its own sessions only. `told` is the moment somebody asked for it, from which the drain
    /// deadline counts; a pod that terminates by itself was not told, and serves until it is gone.
    Draining {
        /// When the drain was asked for.
        told: Option<Millis>,
    },
    /// Not there, and expected back under its name.
    Away {
        /// When it went.
        since: Millis,
    },
}

/// Does somebody bring an endpoint back under its identity once it is gone?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// A StatefulSet's pod, or a configured server with a name: worth waiting for.
    Expected,
    /// A pod with a random name, or a bare address.
    Never,
}

/// One pod, or one configured server, of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Who it is.
    pub id: EndpointId,
    /// What people call it: the last part of its identity.
    pub name: Arc<str>,
    /// Which life of it this is.
    pub incarnation: Incarnation,
    /// Where it listens now, in the order in which they are tried (a dual-stack pod has two).
    pub addresses: Box<[SocketAddr]>,
    /// What it can be asked to do.
    pub condition: Condition,
    /// Is it worth waiting for?
    pub returns: Return,
    /// Who it is for sessions: its identity without what is spoken to it.
    session_name: Arc<str>,
    /// A hash of that, which is the same in every process: rendezvous hashing needs it.
    stable_hash: u64,
}

/// A named set of endpoints, with the tags by which tokens name them.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    protocol: Protocol,
    endpoints: Box<[Endpoint]>,
    ready: Box<[u32]>,
    draining: Box<[u32]>,
    tags: Box<[Tag]>,
}

/// An endpoint under the name that tokens of one key have for it. Sorted by tag: a look-up is a
/// binary search in one cache line or two.
#[derive(Clone, Copy, Debug)]
struct Tag {
    tag: u64,
    incarnation: u32,
    endpoint: u32,
    key: KeyId,
}

/// Two endpoints of one backend claim the same identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two endpoints are called {0}")]
pub struct DuplicateEndpoint(pub EndpointId);

impl BackendId {
    /// A backend's name.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self { own: name.len(), name }
    }

    /// The same backend, spoken to in another way: its connections are others, its sessions are the same. Whoever changes what
    /// is spoken moves nobody.
    #[must_use]
    pub fn speaking(&self, protocol: &str) -> Self {
        Self { name: format!("{}+{protocol}", self.name).into(), own: self.own }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl EndpointId {
    /// The endpoint called `name` in `backend`.
    #[must_use]
    pub fn new(backend: &BackendId, name: &str) -> Self {
        Self([backend.as_str(), "/", name].concat().into())
    }

    /// The whole identity.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Incarnation {
    /// A life, by its unique name.
    #[must_use]
    pub fn new(uid: impl Into<Arc<str>>) -> Self {
        Self(uid.into())
    }

    /// The unique name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Endpoint {
    /// A ready endpoint called `name`, of which nobody expects that it comes back.
    #[must_use]
    pub fn new(backend: &BackendId, name: &str, addresses: impl Into<Box<[SocketAddr]>>) -> Self {
        let id = EndpointId::new(backend, name);
        let session_name = match &backend.name[..backend.own] {
            own if own.len() < backend.name.len() => [own, "/", name].concat().into(),
            _ => Arc::clone(&id.0),
        };
        let stable_hash = SipHasher13::new().hash(session_name.as_bytes());
        Self {
            id,
            session_name,
            name: name.into(),
            incarnation: Incarnation::default(),
            addresses: addresses.into(),
            condition: Condition::Ready,
            returns: Return::Never,
            stable_hash,
        }
    }

    /// What tokens mean by it, under the hash of a key.
    pub(super) fn session_name(&self) -> &str {
        &self.session_name
    }

    /// How much `session` would like to live here, compared with other endpoints: rendezvous hashing.
    pub(super) fn score(&self, session: u64) -> u64 {
        // The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit moves every output bit.
        let mut mixed = self.stable_hash ^ session;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Backend {
    /// A backend of these endpoints, each under its tag for every key of the ring.
    ///
    /// # Errors
    /// If two endpoints have the same identity: sessions of one would be served by the other.
    pub fn new(id: BackendId, endpoints: Vec<Endpoint>, keys: &KeyRing) -> Result<Self, DuplicateEndpoint> {
        let endpoints = endpoints.into_boxed_slice();
        let with = |wanted: fn(&Condition) -> bool| {
            (0u32..).zip(&endpoints).filter(|(_, e)| wanted(&e.condition)).map(|(at, _)| at).collect()
        };
        let mut tags: Vec<Tag> = keys
            .iter()
            .flat_map(|key| {
                (0u32..).zip(&endpoints).map(move |(endpoint, e)| Tag {
                    tag: key.endpoint_tag(e),
                    incarnation: key.incarnation_tag(e),
                    endpoint,
                    key: key.id(),
                })
            })
            .collect();
        tags.sort_unstable_by_key(|tag| (tag.tag, tag.key));
        if let Some(twins) = tags.windows(2).find(|pair| pair[0].tag == pair[1].tag && pair[0].key == pair[1].key) {
            return Err(DuplicateEndpoint(endpoints[twins[0].endpoint as usize].id.clone()));
        }
        Ok(Self {
            id,
            protocol: Protocol::default(),
            ready: with(|condition| matches!(condition, Condition::Ready)),
            draining: with(|condition| matches!(condition, Condition::Draining { .. })),
            endpoints,
            tags: tags.into(),
        })
    }

    /// A backend of no endpoints: nobody is served.
    #[must_use]
    pub fn empty(id: BackendId) -> Self {
        let (endpoints, ready, draining, tags) = Default::default();
        Self { id, protocol: Protocol::default(), endpoints, ready, draining, tags }
    }

    /// The same backend, whose endpoints are spoken to like this.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &BackendId {
        &self.id
    }

    /// How its endpoints are spoken to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// All of them, whatever their condition.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Those that take new sessions.
    pub(super) fn ready(&self) -> Candidates<'_> {
        Candidates { endpoints: &self.endpoints, indices: &self.ready }
    }

    /// Those that keep their own sessions only.
    pub(super) fn draining(&self) -> Candidates<'_> {
        Candidates { endpoints: &self.endpoints, indices: &self.draining }
    }

    /// The endpoint that a token names, and whether it still lives the life the token knew.
    pub(super) fn locate(&self, token: &Token) -> Option<(&Endpoint, bool)> {
        let at = self.tags.binary_search_by_key(&(token.endpoint, token.key), |tag| (tag.tag, tag.key)).ok()?;
        let tag = self.tags[at];
        Some((&self.endpoints[tag.endpoint as usize], tag.incarnation == token.incarnation))
    }
}

/// Some endpoints of a backend, by index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidates<'a> {
    endpoints: &'a [Endpoint],
    indices: &'a [u32],
}

impl<'a> Candidates<'a> {
    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }

    pub(super) fn nth(&self, at: usize) -> &'a Endpoint {
        &self.endpoints[self.indices[at] as usize]
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a Endpoint> {
        self.indices.iter().map(move |at| &self.endpoints[*at as usize])
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Condition {
    /// The word for it in metrics and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining { .. } => "draining",
            Self::Away { .. } => "away",
        }
    }
}
