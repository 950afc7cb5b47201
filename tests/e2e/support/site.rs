//! `deploy/demo/posts` in a namespace and under a host of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use moorline_service::testing::Kubectl;
use serde_json::{Value, json};

use super::{Client, Moorline, Users, everywhere, relative, root, scratch, until};

/// A StatefulSet of three with sessions in their memory, behind an Ingress with ingress-nginx's annotations.
pub(crate) struct Site {
    pub(crate) kubectl: Kubectl,
    pub(crate) host: String,
}

impl Site {
    /// Applies the manifests under the host `NAME.e2e.test`, with more annotations, and waits until it answers. Its pods end
    /// within three seconds.
    pub(crate) async fn deploy(moorline: &Moorline, name: &str, annotations: &[(&str, &str)]) -> Self {
        let site =
            Self { kubectl: Kubectl::namespace(&format!("moorline-e2e-{name}")), host: format!("{name}.e2e.test") };
        let folder = scratch(&format!("site-{name}"));
        let mut on_ingress = vec![json!({ "op": "replace", "path": "/spec/rules/0/host", "value": site.host })];
        on_ingress.extend(annotations.iter().map(|(key, value)| {
            let key = key.replace('/', "~1");
            json!({ "op": "add", "path": format!("/metadata/annotations/{key}"), "value": value })
        }));
        let args = "/spec/template/spec/containers/0/args";
        let on_pods = json!([{ "op": "replace", "path": args, "value": ["--drain-time", "3s"] }]);
        let overlay = json!({
            "resources": [relative(&root().join("deploy/demo/posts"), &folder)],
            "patches": [
                { "target": { "kind": "Ingress" }, "patch": json!(on_ingress).to_string() },
                { "target": { "kind": "StatefulSet" }, "patch": on_pods.to_string() },
            ],
        });
        std::fs::write(folder.join("kustomization.yaml"), overlay.to_string()).expect("a file");
        site.kubectl.run(&["apply", "-k", folder.to_str().expect("text")]);
        site.ready();
        site.serves(moorline, 3).await;
        site
    }

    /// Waits until the StatefulSet has what it wants.
    pub(crate) fn ready(&self) {
        self.kubectl.run(&["rollout", "status", "statefulset/posts", "--timeout=180s"]);
    }

    /// Waits until every replica knows it and so many of its pods have got a new user. A pod that has more sessions than all
    /// others gets none: this is for a site whose users are not at work.
    pub(crate) async fn serves(&self, moorline: &Moorline, pods: usize) {
        let mut seen = BTreeSet::new();
        everywhere(&format!("{pods} pods of {} serve", self.host), async || {
            let answer = self.client(moorline).get("/healthz").await;
            (answer.status == 200).then(|| seen.insert(answer.served_by().to_owned()))?;
            (seen.len() >= pods).then_some(())
        })
        .await;
    }

    pub(crate) fn client(&self, moorline: &Moorline) -> Client {
        Client::new(moorline.http(), &self.host)
    }

    /// Users who have logged in, each on a pod.
    pub(crate) async fn users(&self, moorline: &Moorline, count: usize) -> Users {
        Users::log_in((0..count).map(|_| self.client(moorline)).collect()).await
    }

    /// Such users, who come in elsewhere.
    pub(crate) async fn users_at(&self, at: SocketAddr, count: usize) -> Users {
        Users::log_in((0..count).map(|_| Client::new(at, &self.host)).collect()).await
    }

    /// Such users, who try again for five seconds when nobody answers.
    pub(crate) async fn users_who_reload(&self, moorline: &Moorline, count: usize) -> Users {
        let clients = (0..count).map(|_| self.client(moorline).reloading_for(Duration::from_secs(5)));
        Users::log_in(clients.collect()).await
    }

    /// Waits until every replica knows an Ingress for this host and `posts` that is made now.
    pub(crate) async fn is_known(&self, moorline: &Moorline, host: &str) {
        self.apply_ingress("known", Some(host), &[("/", "posts")], &[]);
        everywhere(&format!("{host} is served"), async || {
            (Client::new(moorline.http(), host).get("/healthz").await.status == 200).then_some(())
        })
        .await;
    }

    /// Somebody who has logged in, and on which pod.
    pub(crate) async fn user(&self, moorline: &Moorline) -> (Client, String) {
        let mut client = self.client(moorline);
        let answer = client.get("/login?username=walker").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let home = answer.served_by().to_owned();
        (client, home)
    }

    /// Somebody on this pod.
    pub(crate) async fn user_on(&self, moorline: &Moorline, pod: &str) -> Client {
        until(&format!("somebody is on {pod}"), async || {
            let (client, home) = self.user(moorline).await;
            (home == pod).then_some(client)
        })
        .await
    }

    /// An Ingress for `NAME.affinity.e2e.test` with `affinity: cookie`, and more annotations of ingress-nginx.
    pub(crate) fn ingress(&self, name: &str, paths: &[(&str, &str)], annotations: &[(&str, &str)]) {
        self.apply_ingress(name, Some(&format!("{name}.affinity.e2e.test")), paths, annotations);
    }

    /// Applies [`Site::ingress_of`].
    pub(crate) fn apply_ingress(
        &self,
        name: &str,
        host: Option<&str>,
        paths: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) {
        self.kubectl.apply(&self.ingress_of(name, host, paths, annotations));
    }

    /// An Ingress with `affinity: cookie`. An annotation without a prefix is ingress-nginx's.
    #[expect(clippy::unused_self, reason = "an Ingress is a site's")]
    pub(crate) fn ingress_of(
        &self,
        name: &str,
        host: Option<&str>,
        paths: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> Value {
        let prefixed = |key: &str| {
            if key.contains('/') { key.to_owned() } else { format!("nginx.ingress.kubernetes.io/{key}") }
        };
        let is_canary = annotations.iter().any(|(key, _)| *key == "canary");
        let affinity = (!is_canary).then_some(("affinity", "cookie"));
        let annotations: serde_json::Map<_, _> =
            affinity.iter().chain(annotations).map(|(key, value)| (prefixed(key), json!(value))).collect();
        let kind =
            if annotations.keys().any(|key| key.ends_with("/use-regex")) { "ImplementationSpecific" } else { "Prefix" };
        let paths: Vec<_> = paths
            .iter()
            .map(|(path, service)| {
                let port = if *service == "outside" { json!({ "number": 80 }) } else { json!({ "name": "http" }) };
                json!({ "path": path, "pathType": kind, "backend": { "service": { "name": service, "port": port } } })
            })
            .collect();
        let mut rule = json!({ "http": { "paths": paths } });
        if let Some(host) = host {
            rule["host"] = json!(host);
        }
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": { "name": name, "annotations": annotations },
            "spec": { "ingressClassName": "moorline", "rules": [rule] },
        })
    }

    /// A pod like those of the StatefulSet, and none of them. It says its own name when it answers.
    pub(crate) fn lookalike(&self, name: &str, labels: &Value, owners: &Value) -> Value {
        let spec = &self.pod("posts-0")["spec"];
        let mut container = json!({ "name": "posts", "args": ["--name", name, "--drain-time", "0s"] });
        for field in ["image", "imagePullPolicy", "ports", "readinessProbe", "securityContext"] {
            container[field] = spec["containers"][0][field].clone();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": name, "labels": labels, "ownerReferences": owners },
            "spec": {
                "automountServiceAccountToken": false,
                "securityContext": spec["securityContext"],
                "containers": [container],
                "terminationGracePeriodSeconds": 1,
            },
        })
    }

    /// The pods on a node.
    pub(crate) fn pods_on(&self, node: &str) -> Vec<String> {
        let pods = self.kubectl.get(&["pods", "-l", "app.kubernetes.io/name=posts"]);
        let pods = pods["items"].as_array().expect("a list").iter().filter(|pod| pod["spec"]["nodeName"] == node);
        pods.map(|pod| pod["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    pub(crate) fn pod(&self, name: &str) -> Value {
        self.kubectl.get(&["pod", name])
    }

    /// The UID of a pod.
    pub(crate) fn uid(&self, name: &str) -> String {
        self.pod(name)["metadata"]["uid"].as_str().expect("a UID").to_owned()
    }

    /// The address of a pod.
    pub(crate) fn ip(&self, name: &str) -> String {
        self.pod(name)["status"]["podIP"].as_str().expect("an address").to_owned()
    }

    pub(crate) fn scale(&self, replicas: u32) {
        self.kubectl.run(&["scale", "statefulset/posts", &format!("--replicas={replicas}")]);
        self.ready();
        // Its status does not wait for those that end.
        let beyond = (replicas..8).map(|ordinal| format!("pod/posts-{ordinal}"));
        let beyond: Vec<_> = beyond.filter(|pod| self.kubectl.attempt(&["get", pod]).is_ok()).collect();
        for pod in beyond {
            self.kubectl.run(&["wait", &pod, "--for=delete", "--timeout=60s"]);
        }
    }
}
