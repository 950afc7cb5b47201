//! The routing table of a file, and what a reload must not forget.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::{BackendSpec, EndpointSpec, File, RuleSpec, UpstreamTls};
use crate::routing::backend::DuplicateEndpoint;
use crate::routing::{
    Backend, BackendId, Condition, Endpoint, EndpointId, KeyRing, Millis, Origin, Persistence, Protocol, Return, Rule,
    Scope, Table, Weighted,
};

/// Since when endpoints drain: a reload must not give a drain that is under way a new deadline.
#[derive(Debug, Default)]
pub struct Drains(HashMap<EndpointId, Millis>);

impl File {
    /// The routing table. Endpoints that `drain: true` stands at since this call were told to at `now`.
    ///
    /// # Errors
    /// If two endpoints of a backend cannot be told apart; [`File::parse`] refuses all such files that it sees.
    pub fn table(&self, keys: &KeyRing, drains: &mut Drains, now: Millis) -> Result<Table, DuplicateEndpoint> {
        let backends = self
            .backends
            .iter()
            .map(|spec| spec.build(keys, drains, now).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        drains.forget_all_but(&backends);
        let mut table = Table::builder();
        for (route_at, route) in self.routes.iter().enumerate() {
            for (rule_at, spec) in route.rules.iter().enumerate() {
                // Padded, so that the order of the names is that of the file.
                let name = format!("routes[{route_at:06}].rules[{rule_at:06}]").into();
                let origin = Origin { is_default: false, created: 0, name };
                let rule = Arc::new(spec.build(&backends, route.redirect_to_https));
                for host in &route.hosts {
                    table.add(host.clone(), spec.path.clone(), origin.clone(), Arc::clone(&rule));
                }
            }
        }
        // Which rules are shadowed, the check has already said.
        let (table, _shadowed) = table.build();
        Ok(table)
    }

    /// Every endpoint with its backend and address.
    pub fn endpoints(&self) -> impl Iterator<Item = (&BackendId, SocketAddr)> {
        self.backends
            .iter()
            .flat_map(|backend| backend.endpoints.iter().map(|endpoint| (&backend.id, endpoint.address)))
    }

    /// The backends whose endpoints are spoken to over TLS.
    pub fn secured(&self) -> impl Iterator<Item = (&BackendId, Protocol, &UpstreamTls)> {
        let secured = self.backends.iter().filter(|backend| backend.protocol.is_tls());
        secured.map(|backend| (&backend.id, backend.protocol, &backend.tls))
    }

    /// The endpoints whose address was typed with the name of a host.
    pub fn hosts(&self) -> impl Iterator<Item = (EndpointId, &str)> {
        self.backends.iter().flat_map(|backend| {
            backend.endpoints.iter().filter_map(|endpoint| {
                Some((EndpointId::new(&backend.id, &endpoint.identity()), endpoint.host.as_deref()?))
            })
        })
    }

    /// Does any rule keep sessions? Then keys are worth having.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        self.routes.iter().flat_map(|route| &route.rules).any(|rule| rule.session.is_some())
    }
}

impl BackendSpec {
    fn build(&self, keys: &KeyRing, drains: &mut Drains, now: Millis) -> Result<Backend, DuplicateEndpoint> {
        let endpoints = self.endpoints.iter().map(|spec| spec.build(&self.id, drains, now)).collect();
        Backend::new(self.id.clone(), endpoints, keys).map(|backend| backend.speaking(self.protocol))
    }
}

impl EndpointSpec {
    /// Its name, or else its address: the only case in which an address is an identity.
    pub(super) fn identity(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| self.address.to_string().into())
    }

    fn build(&self, backend: &BackendId, drains: &mut Drains, now: Millis) -> Endpoint {
        let mut endpoint = Endpoint::new(backend, &self.identity(), [self.address]);
        endpoint.returns = if self.name.is_some() { Return::Expected } else { Return::Never };
        if self.drain {
            let told = *drains.0.entry(endpoint.id.clone()).or_insert(now);
            endpoint.condition = Condition::Draining { told: Some(told) };
        }
        endpoint
    }
}

impl RuleSpec {
    fn build(&self, backends: &[Arc<Backend>], redirect_to_https: Option<u16>) -> Rule {
        let weighted = |&(at, weight): &(usize, u32)| Weighted { weight, backend: Arc::clone(&backends[at]) };
        let persistence = |policy: &crate::routing::SessionPolicy| {
            let primary = backends[self.backends[0].0].id().as_str();
            Persistence {
                scope: Scope::new("", primary, "", &policy.cookie.name),
                policy: policy.clone(),
                legacy: None,
            }
        };
        Rule {
            backends: self.backends.iter().map(weighted).collect(),
            balance: self.balance,
            session: self.session.as_ref().map(persistence),
            redirect_to_https,
            canary: None,
            filters: None,
        }
    }
}

impl Drains {
    fn forget_all_but(&mut self, backends: &[Arc<Backend>]) {
        let draining = |endpoint: &&Endpoint| matches!(endpoint.condition, Condition::Draining { .. });
        let kept: HashSet<_> =
            backends.iter().flat_map(|backend| backend.endpoints()).filter(draining).map(|e| &e.id).collect();
        self.0.retain(|id, _| kept.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::session::{Key, KeyId};

    const FILE: &str = "
listeners: [{ address: 127.0.0.1:8080 }]
backends:
  posts: { endpoints: [{ name: posts-0, address: 127.0.0.1:9001, drain: true }, 127.0.0.1:9002] }
  carts: { endpoints: [127.0.0.1:9003] }
routes:
  - hosts: [a.example, b.example]
    rules:
      - { path: { exact: /cart }, backends: [{ name: carts, weight: 0 }, { name: posts }] }
      - { backend: posts, session: {} }
      - { path: { prefix: / }, backend: carts }
";

    fn table(text: &str, drains: &mut Drains, now: u64) -> Table {
        let keys = KeyRing::new(vec![Key::new(KeyId::new(0).unwrap(), 0, &[7; 32])]).unwrap();
        File::parse(text).unwrap().0.table(&keys, drains, Millis(now)).unwrap()
    }

    fn condition(table: &Table) -> Condition {
        table.find("a.example", "/").unwrap().backends[0].backend.endpoints()[0].condition
    }

    #[test]
    fn a_file_becomes_a_table() {
        let table = table(FILE, &mut Drains::default(), 5);
        assert_eq!(table.len(), 4, "two rules for each of two hosts; the third is shadowed");
        let rule = table.find("b.example", "/any").unwrap();
        assert_eq!(rule.backends[0].backend.id().as_str(), "posts", "the first rule of the file wins");
        let [named, bare] = rule.backends[0].backend.endpoints() else { panic!("two endpoints") };
        assert_eq!((named.id.as_str(), named.returns), ("posts/posts-0", Return::Expected));
        assert_eq!((bare.id.as_str(), bare.returns), ("posts/127.0.0.1:9002", Return::Never));
        let session = rule.session.as_ref().unwrap();
        assert_eq!(session.scope, Scope::new("", "posts", "", &session.policy.cookie.name));
        let weights: Vec<_> =
            table.find("a.example", "/cart").unwrap().backends.iter().map(|share| share.weight).collect();
        assert_eq!(weights, [0, 1]);
        assert!(table.find("c.example", "/").is_none());
    }

    #[test]
    fn a_reload_keeps_the_moment_of_a_drain() {
        let mut drains = Drains::default();
        let told = |at| Condition::Draining { told: Some(Millis(at)) };
        assert_eq!(condition(&table(FILE, &mut drains, 5)), told(5));
        assert_eq!(condition(&table(FILE, &mut drains, 9)), told(5));
        let undrained = FILE.replace(", drain: true", "");
        assert_eq!(condition(&table(&undrained, &mut drains, 11)), Condition::Ready);
        assert_eq!(condition(&table(FILE, &mut drains, 20)), told(20), "a new drain, a new moment");
    }
}
