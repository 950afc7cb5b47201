mod figures;

use std::{net::SocketAddr, path::PathBuf, process::Stdio, sync::OnceLock, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep, timeout},
};

pub(crate) use figures::Figures;
pub(crate) use moorline_service::testing::Processes;

/// A namespace of its own, gone when the test begins again.
pub(crate) struct Namespace {
    pub(crate) name: &'static str,
    _turn: MutexGuard<'static, ()>,
}

/// One member's pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) role: Option<String>,
    pub(crate) ready: bool,
    /// Its mongod does.
    pub(crate) runs: bool,
    pub(crate) terminating: bool,
}

impl Namespace {
    /// Empty. One at a time: a machine has room for few mongods.
    pub(crate) async fn fresh(name: &'static str) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        assert!(std::env::var_os("KUBECONFIG").is_some(), "KUBECONFIG has to name a cluster");
        let namespace = Self { name, _turn: turn };
        namespace.delete().await;
        kubectl(&["create", "namespace", name], None).await;
        load_images().await;
        namespace
    }

    pub(crate) async fn delete(&self) {
        kubectl(&["delete", "namespace", self.name, "--ignore-not-found", "--timeout=180s"], None).await;
    }

    /// kubectl in here; its output.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        kubectl(&[&["-n", self.name], args].concat(), None).await
    }

    pub(crate) async fn apply(&self, manifest: &str) {
        kubectl(&["apply", "-n", self.name, "-f", "-"], Some(manifest)).await;
    }

    /// The kustomization that the docs have people apply, for this namespace.
    pub(crate) async fn manifest(&self) -> String {
        let folder = deploy().display().to_string();
        self.here(&kubectl(&["kustomize", &folder], None).await)
    }

    /// The same text, for this namespace.
    pub(crate) fn here(&self, manifest: &str) -> String {
        manifest.replace("namespace: default", &format!("namespace: {}", self.name))
    }

    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let selector = "app.kubernetes.io/name=mongo,app.kubernetes.io/component=db";
        let list = self.kubectl(&["get", "pods", "-l", selector, "-o", "json"]).await;
        let list: Value = serde_json::from_str(&list).expect("JSON");
        list["items"].as_array().expect("a list").iter().map(pod).collect()
    }

    pub(crate) async fn pod(&self, name: &str) -> Pod {
        let pods = self.pods().await;
        pods.iter().find(|pod| pod.name == name).cloned().unwrap_or_else(|| panic!("no {name} in {pods:?}"))
    }

    /// Who carries the label.
    pub(crate) async fn primary(&self) -> Option<Pod> {
        let pods = self.pods().await;
        let mut primaries = pods.into_iter().filter(|pod| pod.role.as_deref() == Some("primary"));
        let primary = primaries.next();
        assert!(primaries.next().is_none(), "two primaries");
        primary
    }

    /// What the sidecar of this pod says.
    pub(crate) async fn status(&self, pod: &str) -> Option<Value> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:8090/proxy/status", self.name);
        serde_json::from_str(&attempt(&["get", "--raw", &path], None).await.ok()?).ok()
    }

    /// Where the Service `api` is on each node.
    pub(crate) async fn node_ports(&self) -> Vec<SocketAddr> {
        let port = self.kubectl(&["get", "service", "api", "-o", "jsonpath={.spec.ports[0].nodePort}"]).await;
        let path = r#"jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}"#;
        let nodes = self.kubectl(&["get", "nodes", "-o", path]).await;
        let port = port.parse().expect("a port");
        nodes.split(' ').map(|ip| SocketAddr::new(ip.parse().expect("an address"), port)).collect()
    }

    /// As many members as pods, all of them ready and labelled, one as primary, which says that there is nothing to do.
    pub(crate) async fn in_step(&self, replicas: usize) -> Value {
        let what = format!("{replicas} members are in step");
        until_some(&what, async || {
            let pods = self.pods().await;
            let labelled = pods.iter().filter(|pod| pod.ready && !pod.terminating && pod.role.is_some()).count();
            let primary = pods.iter().find(|pod| pod.role.as_deref() == Some("primary"))?;
            let status = self.status(&primary.name).await?;
            let all = pods.len() == replicas && labelled == replicas;
            (all && status["state"] == "InStep" && status["voting_members"] == replicas).then_some(status)
        })
        .await
    }

    /// Starts to write, for as many seconds; returns when the first write was acknowledged.
    pub(crate) async fn start_writing(&self, name: &str, seconds: u32) {
        let uri = format!("mongodb://mongo-0.mongo.{0},mongo-1.mongo.{0},mongo-2.mongo.{0}", self.name);
        let uri = format!("{uri}/?replicaSet=rs0&w=majority&serverSelectionTimeoutMS=30000");
        self.kubectl(&["delete", "pod", name, "--ignore-not-found", "--now"]).await;
        let container = json!({
            "name": name, "image": "localhost/mongo-writer:e2e", "imagePullPolicy": "Never",
            "args": [uri, seconds.to_string()],
            "readinessProbe": { "tcpSocket": { "port": 7000 }, "periodSeconds": 1 },
        });
        let spec = json!({ "nodeName": "node-1", "restartPolicy": "Never", "containers": [container] });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
        self.apply(&pod.to_string()).await;
        self.kubectl(&["wait", "pod", name, "--for=condition=Ready", "--timeout=55s"]).await;
    }

    /// What became of it.
    pub(crate) async fn written(&self, name: &str) -> Value {
        let message = "jsonpath={.status.containerStatuses[0].state.terminated.message}";
        let count =
            async || serde_json::from_str::<Value>(&self.kubectl(&["get", "pod", name, "-o", message]).await).ok();
        let written = until_some("it was counted", count).await;
        eprintln!("{name}: {written}");
        written
    }
}

fn pod(object: &Value) -> Pod {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    Pod {
        runs: object["status"]["containerStatuses"][0]["state"].get("running").is_some(),
        name: text(&object["metadata"]["name"]),
        uid: text(&object["metadata"]["uid"]),
        node: text(&object["spec"]["nodeName"]),
        role: object["metadata"]["labels"]["moorline.dev/role"].as_str().map(str::to_owned),
        ready,
        terminating: object["metadata"].get("deletionTimestamp").is_some(),
    }
}

/// Where the manifests are.
pub(crate) fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/mongo")
}

/// Built and loaded once.
async fn load_images() {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return;
    }
    let load = std::env::var("MOORLINE_E2E_LOAD").expect("MOORLINE_E2E_LOAD has to be a command that loads images");
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/images");
    let archives = shell(&format!("'{images}'")).await;
    let archives: Vec<_> = archives.lines().collect();
    shell(&format!("{load} {}", archives.join(" "))).await;
    let _ = DONE.set(());
}

/// `cut 2`, `heal 2`; false if nobody has said how that is done.
pub(crate) async fn node(verb: &str) -> bool {
    let Ok(command) = std::env::var("MOORLINE_E2E_NODE") else { return false };
    shell(&format!("{command} {verb}")).await;
    true
}

async fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stderr(Stdio::inherit());
    let output = command.output().await.expect("a shell");
    assert!(output.status.success(), "{line}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

async fn kubectl(args: &[&str], input: Option<&str>) -> String {
    attempt(args, input).await.unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
}

async fn attempt(args: &[&str], input: Option<&str>) -> Result<String, String> {
    let mut command = Command::new("kubectl");
    command.args(args).args(["--request-timeout=60s"]).stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl is in the PATH");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.unwrap_or_default().as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Until it is so; how long that took.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let started = Instant::now();
    until_some(what, async || is_so().await.then_some(())).await;
    started.elapsed()
}

pub(crate) async fn until_some<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Within which a set has its three members after it was applied.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Longer than a connection within a machine takes.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

const POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(180);
