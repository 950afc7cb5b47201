//! Where a snapshot has an endpoint, and how it is spoken to there.

use std::net::SocketAddr;
use std::rc::Rc;

use super::tls::Secure;
use crate::routing::{Backend, Condition, Endpoint, Incarnation, Protocol};
use crate::snapshot::Connectors;

/// Where a snapshot has an endpoint: nowhere, if it has not.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) addresses: Box<[SocketAddr]>,
    pub(super) transport: Rc<Transport>,
    incarnation: Incarnation,
    is_away: bool,
}

/// How an endpoint is spoken to. As long as nothing changes it is the same one, which connections are compared by.
#[derive(Debug, Default)]
pub(super) struct Transport {
    pub(super) protocol: Protocol,
    /// There if the protocol is one over TLS, and the snapshot says whom to take the endpoint for.
    pub(super) secure: Option<Secure>,
}

impl Place {
    /// The place that the snapshot of these connectors has.
    pub(super) fn of(backend: &Backend, endpoint: &Endpoint, connectors: &Connectors, before: &Rc<Transport>) -> Self {
        Self {
            addresses: endpoint.addresses.clone(),
            transport: Transport::of(backend, endpoint, connectors, before),
            incarnation: endpoint.incarnation.clone(),
            is_away: matches!(endpoint.condition, Condition::Away { .. }),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.addresses == other.addresses
            && Rc::ptr_eq(&self.transport, &other.transport)
            && self.incarnation == other.incarnation
            && self.is_away == other.is_away
    }
}

impl Transport {
    fn of(backend: &Backend, endpoint: &Endpoint, connectors: &Connectors, before: &Rc<Self>) -> Rc<Self> {
        let protocol = backend.protocol();
        let connector = connectors.of(backend.id()).filter(|_| protocol.is_tls());
        let name = connectors.name(&endpoint.id);
        let same = match (&before.secure, connector) {
            (Some(secure), Some(connector)) => secure.is(connector, name),
            (None, None) => true,
            _ => false,
        };
        if same && before.protocol == protocol {
            return Rc::clone(before);
        }
        Rc::new(Self { protocol, secure: connector.map(|connector| Secure::new(connector, name)) })
    }
}
