//! Moorline in the cluster: as `deploy/base` has it, by the page's own commands. Once per run.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use moorline_service::testing::Kubectl;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{images, page, root};

/// Moorline, as long as nobody does anything to it, or to the cluster.
pub(crate) struct Moorline {
    installed: &'static Installed,
    _turn: Turn,
}

/// Held, not looked at.
#[expect(dead_code, reason = "they are held")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

struct Installed {
    kubectl: Kubectl,
    /// Another Service with the same pods: connections stay where they are, whichever replicas come and go. What the
    /// one that is shipped does then is the load balancer's matter.
    steady: IpAddr,
}

impl Moorline {
    /// Beside other tests.
    pub(crate) async fn shared() -> Self {
        let turn = Turn::Shared(TURN.read().await);
        Self { installed: INSTALLED.get_or_init(install).await, _turn: turn }
    }

    /// For a test that no other one would survive.
    pub(crate) async fn alone() -> Self {
        let turn = Turn::Alone(TURN.write().await);
        Self { installed: INSTALLED.get_or_init(install).await, _turn: turn }
    }

    pub(crate) fn kubectl(&self) -> &Kubectl {
        &self.installed.kubectl
    }

    /// Installs an overlay over what is there. What `deploy/base` has is there again when this is dropped.
    pub(crate) fn with_overlay(&self, name: &str) -> impl Drop {
        let overlay = Overlay;
        Overlay::install(&format!("deploy/overlays/{name}")).unwrap_or_else(|said| panic!("{name}: {said}"));
        overlay
    }

    /// Where users come in.
    pub(crate) fn http(&self) -> SocketAddr {
        (self.installed.steady, 80).into()
    }

    pub(crate) fn https(&self) -> SocketAddr {
        (self.installed.steady, 443).into()
    }

    /// The address that is published, as it is shipped: only nodes that run Moorline take part, and the client's address is kept.
    pub(crate) fn shipped(&self) -> SocketAddr {
        (address(self.kubectl(), "moorline"), 80).into()
    }

    /// Where a node's own replica, and no other, takes connections.
    pub(crate) fn node_port(&self, node: &str) -> SocketAddr {
        let service = self.kubectl().get(&["service", "moorline"]);
        let port = service["spec"]["ports"][0]["nodePort"].as_u64().and_then(|port| port.try_into().ok());
        (self.node_ip(node), port.expect("a port")).into()
    }

    /// The address of a node.
    pub(crate) fn node_ip(&self, node: &str) -> IpAddr {
        let node = self.kubectl().get(&["node", node]);
        let addresses = node["status"]["addresses"].as_array().expect("addresses");
        let internal = addresses.iter().find(|address| address["type"] == "InternalIP").expect("an address");
        internal["address"].as_str().and_then(|ip| ip.parse().ok()).expect("an address")
    }

    /// The nodes that run a replica.
    pub(crate) fn nodes(&self) -> BTreeSet<String> {
        let node = |pod: Value| pod["spec"]["nodeName"].as_str().expect("a node").to_owned();
        self.pods().into_iter().map(node).collect()
    }

    /// Its pods, those that end not among them.
    pub(crate) fn pods(&self) -> Vec<Value> {
        let pods = self.kubectl().get(&["pods", "-l", "app.kubernetes.io/name=moorline"]);
        let pods = pods["items"].as_array().expect("a list").iter();
        pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned().collect()
    }

    /// Waits until all replicas are ready.
    pub(crate) fn ready(&self) {
        self.kubectl().run(ROLLED_OUT);
    }
}

struct Overlay;

impl Overlay {
    fn install(folder: &str) -> Result<(), String> {
        Kubectl::everywhere().attempt(&["apply", "-k", root().join(folder).to_str().expect("text")])?;
        Kubectl::within("moorline").attempt(ROLLED_OUT).map(drop)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let extra = ["ingressclass/nginx", "rolebinding/moorline-watch", "role/moorline-watch"];
        let delete = [&["delete", "--ignore-not-found"], &extra[..]].concat();
        let deleted = ["moorline", "default"].map(|namespace| Kubectl::within(namespace).attempt(&delete));
        let deleted: Result<Vec<_>, _> = deleted.into_iter().collect();
        let restored = deleted.and_then(|_| Self::install("deploy/base"));
        assert!(restored.is_ok() || std::thread::panicking(), "{restored:?}");
    }
}

async fn install() -> Installed {
    images::load();
    let kubectl = Kubectl::within("moorline");
    // What an earlier run may have left.
    page("last");
    page("moorline");
    kubectl.run(&["set", "env", "deployment/moorline", "MOORLINE_LEGACY_COOKIES_UNTIL=2100-01-01"]);
    kubectl.run(ROLLED_OUT);
    let mut steady = kubectl.get(&["service", "moorline"]);
    let selector = steady["spec"]["selector"].take();
    kubectl.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "steady" },
        "spec": {
            "type": "LoadBalancer",
            "selector": selector,
            "ports": [
                { "name": "http", "port": 80, "targetPort": "http" },
                { "name": "https", "port": 443, "targetPort": "https" },
            ],
        },
    }));
    let steady = address(&kubectl, "steady");
    Installed { kubectl, steady }
}

/// The address that a Service has been given.
pub(crate) fn address(kubectl: &Kubectl, service: &str) -> IpAddr {
    let given = "--for=jsonpath={.status.loadBalancer.ingress}";
    kubectl.run(&["wait", &format!("service/{service}"), given, "--timeout=60s"]);
    let ip = kubectl.get(&["service", service])["status"]["loadBalancer"]["ingress"][0]["ip"].clone();
    ip.as_str().and_then(|ip| ip.parse().ok()).expect("an address")
}

const ROLLED_OUT: &[&str] = &["rollout", "status", "deployment/moorline", "--timeout=180s"];
static TURN: RwLock<()> = RwLock::const_new(());
static INSTALLED: OnceCell<Installed> = OnceCell::const_new();
