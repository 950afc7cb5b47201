//! Tables made by hand: what a file cannot say and an ingress controller does.

use std::path::Path;
use std::sync::Arc;

use moorline::app;
use moorline::config::Config;
use moorline::control::keys;
use moorline::control::tls::Store;
use moorline::routing::filters::{Filters, Rewrite};
use moorline::routing::filters::{Pattern, Template};
use moorline::routing::{
    self, Backend, BackendId, Endpoint, HostPattern, KeyRing, PathMatch, Persistence, Protocol, Rule, Scope,
    SessionPolicy, Strategy, Table, Weighted,
};
use moorline::snapshot::Certificates;

use super::proxy::{Log, serve};
use super::{Builder, Origin, Proxy};

/// What a table is made of: the servers, and how they are spoken to.
pub(crate) fn backend(name: &str, origins: &[&Origin], protocol: Protocol, keys: &KeyRing) -> Arc<Backend> {
    let id = BackendId::new(name);
    let endpoints = origins.iter().map(|origin| Endpoint::new(&id, origin.name, [origin.address])).collect();
    Arc::new(Backend::new(id, endpoints, keys).unwrap().speaking(protocol))
}

/// A rule over backends and their weights, with nothing beside.
pub(crate) fn rule(backends: &[(u32, &Arc<Backend>)]) -> Rule {
    let weighted =
        |(weight, backend): &(u32, &Arc<Backend>)| Weighted { weight: *weight, backend: Arc::clone(backend) };
    Rule {
        backends: backends.iter().map(weighted).collect(),
        balance: Strategy::RoundRobin,
        session: None,
        redirect_to_https: None,
        canary: None,
        filters: None,
    }
}

/// Sessions under this policy.
pub(crate) fn sessions(policy: SessionPolicy) -> Persistence {
    let scope = Scope::new("shop", "web", "http", &policy.cookie.name);
    Persistence { policy, scope, legacy: None }
}

/// These rules, for every host.
pub(crate) fn rules(rules: Vec<(PathMatch, Rule)>) -> Table {
    let mut table = Table::builder();
    for (path, rule) in rules {
        let origin = routing::Origin { is_default: false, created: 0, name: "shop/web".into() };
        table.add(HostPattern::Any, path, origin, Arc::new(rule));
    }
    table.build().0
}

/// A path that becomes another one.
pub(crate) fn rewrite(pattern: &str, template: &str) -> Option<Rewrite> {
    let pattern = Some(Pattern::path(pattern).unwrap());
    let template = Template::new(template, pattern.as_ref()).unwrap();
    Some(Rewrite { pattern, template })
}

impl Builder {
    /// Serves this table. The rest of what was said counts, but for endpoints and sessions.
    pub(crate) fn table(&self, make: impl FnOnce(&KeyRing) -> Table) -> Proxy {
        let file = self.file();
        let keys = keys::random().expect("random bytes");
        let (store, _) = Store::default().read(&file, Path::new("")).expect("no certificates but its own");
        let mut certificates = Certificates::default();
        store.install(&file, &mut certificates);
        let (bound, publisher) = app::open(Config::from(&file)).expect("free ports");
        let table = make(&keys);
        publisher.publish(table, Arc::clone(&keys), Arc::new(certificates), Arc::clone(store.connectors()));
        serve(bound, keys, Log::default())
    }

    /// Serves one rule for everything, which sends it to this server and has these filters.
    pub(crate) fn filtered(&self, origin: &Origin, filters: Filters) -> Proxy {
        self.table(|keys| {
            let web = backend("web", &[origin], Protocol::Http, keys);
            let filters = Some(Box::new(filters));
            rules(vec![(PathMatch::prefix("/").unwrap(), Rule { filters, ..rule(&[(1, &web)]) })])
        })
    }
}
