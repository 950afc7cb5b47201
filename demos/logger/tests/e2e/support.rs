mod archive;
mod image;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use moorline_service::testing::{Answer, Connection, Kubectl, soon, walk};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// The logger in a namespace of its own; gone with its volumes when it is dropped.
pub(crate) struct Loggers {
    kubectl: Kubectl,
}

impl Loggers {
    /// Applies the manifests, with the image that was made here, and waits until all three are ready.
    pub(crate) fn deploy(purpose: &str) -> Self {
        Self::deploy_overlay(purpose, "demo/logger")
    }

    /// The same of another kustomization.
    pub(crate) fn deploy_overlay(purpose: &str, kustomization: &str) -> Self {
        image::load();
        let kubectl = Kubectl::namespace(&format!("moorline-logger-{purpose}"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("logger-{purpose}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        // What anybody does who has an image under another tag.
        let overlay = json!({
            "resources": [relative(&deploy().join(kustomization), &folder)],
            "images": [{ "name": "moorline/logger", "newTag": image::TAG }],
        });
        std::fs::write(folder.join("kustomization.yaml"), overlay.to_string()).expect("a file");
        kubectl.run(&["apply", "-k", folder.to_str().expect("text")]);
        let loggers = Self { kubectl };
        loggers.ready();
        loggers
    }

    /// Waits until all three are ready.
    pub(crate) fn ready(&self) {
        self.kubectl.run(&["rollout", "status", "statefulset/logger", "--timeout=180s"]);
    }

    /// Deletes a pod, and waits until another one is ready in its place.
    pub(crate) fn replace(&self, pod: &str) {
        let before = self.pod(pod)["metadata"]["uid"].clone();
        self.kubectl.run(&["delete", "pod", pod, "--wait=true", "--timeout=120s"]);
        self.ready();
        self.kubectl.run(&["wait", "pod", pod, "--for=condition=Ready", "--timeout=120s"]);
        assert_ne!(self.pod(pod)["metadata"]["uid"], before);
    }

    pub(crate) fn pod(&self, pod: &str) -> Value {
        self.kubectl.get(&["pod", pod])
    }

    /// The type of the per-pod Service.
    pub(crate) fn service_type(&self, pod: &str) -> String {
        self.kubectl.get(&["service", pod])["spec"]["type"].as_str().expect("a type").to_owned()
    }

    /// A client of the per-pod Service at the node that runs the pod.
    pub(crate) async fn client(&self, pod: &str) -> Connection {
        connect(self.node_ports(pod).here).await
    }

    /// Where the per-pod Service of a pod is to be found.
    pub(crate) fn node_ports(&self, pod: &str) -> NodePorts {
        let service = self.kubectl.get(&["service", pod]);
        let port = service["spec"]["ports"][0]["nodePort"].as_u64().expect("a port");
        let port = port.try_into().expect("a port");
        let host = self.pod(pod)["spec"]["nodeName"].as_str().expect("a node").to_owned();
        let mut ports = NodePorts { here: ([0, 0, 0, 0], 0).into(), elsewhere: Vec::new() };
        for node in self.kubectl.get(&["nodes"])["items"].as_array().expect("nodes") {
            let addresses = node["status"]["addresses"].as_array().expect("addresses").iter();
            let internal = addresses.clone().find(|address| address["type"] == "InternalIP").expect("an address");
            let ip: IpAddr = internal["address"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
            if node["metadata"]["name"] == host {
                ports.here = (ip, port).into();
            } else {
                ports.elsewhere.push((ip, port).into());
            }
        }
        ports
    }

    /// The address that the load balancer gave to the per-pod Service.
    pub(crate) fn load_balancer(&self, pod: &str) -> SocketAddr {
        let given = "--for=jsonpath={.status.loadBalancer.ingress}";
        self.kubectl.run(&["wait", &format!("service/{pod}"), given, "--timeout=60s"]);
        let ip = self.kubectl.get(&["service", pod])["status"]["loadBalancer"]["ingress"][0]["ip"].clone();
        (ip.as_str().and_then(|ip| ip.parse::<IpAddr>().ok()).expect("an address"), 80).into()
    }

    /// What a client in a pod of this namespace sees when it asks for a path at a name.
    pub(crate) fn ask(&self, client: &str, name: &str, path: &str) -> String {
        let container = json!({
            "name": client,
            "image": image::ASK,
            "imagePullPolicy": "IfNotPresent",
            "args": [name, "8080", path],
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        });
        let security =
            json!({ "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } });
        let spec = json!({ "restartPolicy": "OnFailure", "securityContext": security, "containers": [container] });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": client }, "spec": spec });
        self.kubectl.apply(&pod);
        self.kubectl.run(&["wait", "pod", client, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]);
        let status = self.pod(client)["status"]["containerStatuses"][0].take();
        status["state"]["terminated"]["message"].as_str().expect("what it has left").to_owned()
    }
}

/// The per-pod Service on the nodes.
pub(crate) struct NodePorts {
    /// On the node that runs the pod.
    pub(crate) here: SocketAddr,
    /// On all others.
    pub(crate) elsewhere: Vec<SocketAddr>,
}

/// Connects, unless nobody answers: a node that has no such pod drops what comes.
pub(crate) async fn knock(addr: SocketAddr) -> Option<Connection> {
    timeout(SILENCE, Connection::open(addr)).await.ok()?.ok()
}

/// Connects, as soon as the cluster has learnt where to send it.
pub(crate) async fn connect(addr: SocketAddr) -> Connection {
    let mut client = None;
    soon(async {
        while client.is_none() {
            client = knock(addr).await;
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    client.expect("just connected")
}

/// Sends a message.
pub(crate) async fn say(client: &mut Connection, message: &str) -> Answer {
    let body = json!({ "message": message }).to_string();
    client.ask("POST", "/log", &[("content-type", "application/json")], &body).await
}

/// Runs the README's commands as they stand there, in a namespace of its own. Returns how many there were.
pub(crate) fn readme() -> usize {
    image::load();
    let kubectl = Kubectl::namespace("moorline-logger-readme");
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logger-readme.kubeconfig");
    kubectl.write_config(&config);
    let config = format!("KUBECONFIG='{}' kubectl ", config.display());
    let root = deploy().parent().expect("the repository").to_owned();
    walk(include_str!("../../README.md"), "cluster", &root, &[("kubectl ", &config)])
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().expect("the manifests")
}

/// `path` as seen from `folder`: a kustomization takes no absolute ones.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().expect("a folder");
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

/// Longer than a connection within a machine or a data centre takes.
const SILENCE: Duration = Duration::from_secs(3);
