//! A cluster with one Service and its Ingress, and the ingress controller before it: the real one, in this process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use moorline::app;
use moorline::config::Config;
use moorline::config::args::{Args, Verb};
use moorline::control::keys;
use moorline::control::kubernetes::objects::Name;
use moorline::control::kubernetes::translate::{Ownership, Settings};
use moorline::control::kubernetes::watch::SILENCE;
use moorline::control::kubernetes::{Controller, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::proxy::{Log, serve};
use super::{ApiServer, Client, Lists, Origin, Proxy, api_server, origin, until};

/// A cluster, and what serves it.
pub(crate) struct Cluster {
    pub(crate) api: ApiServer,
    pub(crate) proxy: Proxy,
    /// Behind the Service `posts`, whose Ingress is for `site`.
    pub(crate) posts: Origin,
    controlling: JoinHandle<()>,
    end: Option<oneshot::Sender<()>>,
    folder: TempDir,
}

/// A cluster that is about to be.
pub(crate) struct Builder {
    lists: Lists,
    silence: Duration,
    namespaces: Vec<String>,
    publish_service: Option<Name>,
    default_certificate: Option<Name>,
    default_backend: Option<Name>,
    leader: Option<String>,
}

pub(crate) fn cluster() -> Builder {
    Builder {
        lists: Lists::default(),
        silence: SILENCE,
        namespaces: Vec::new(),
        publish_service: None,
        default_certificate: None,
        default_backend: None,
        leader: None,
    }
}

impl Builder {
    /// A connection that says nothing for so long is dead.
    pub(crate) fn silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    pub(crate) fn listing(self, lists: Lists) -> Self {
        Self { lists, ..self }
    }

    pub(crate) fn watching(self, namespace: &str) -> Self {
        Self { namespaces: vec![namespace.to_owned()], ..self }
    }

    pub(crate) fn publishing(self, namespace: &str, service: &str) -> Self {
        Self { publish_service: Some(Name::new(namespace, service)), ..self }
    }

    pub(crate) fn defaulting_to(self, namespace: &str, service: &str) -> Self {
        Self { default_backend: Some(Name::new(namespace, service)), ..self }
    }

    pub(crate) fn showing(self, namespace: &str, secret: &str) -> Self {
        Self { default_certificate: Some(Name::new(namespace, secret)), ..self }
    }

    /// Another replica holds the Lease.
    pub(crate) fn led_by(self, replica: &str) -> Self {
        Self { leader: Some(replica.to_owned()), ..self }
    }

    /// Why it does not begin.
    pub(crate) async fn refused(self) -> String {
        let (api, folder) = (api_server(self.lists).await, tempfile::tempdir().expect("a folder"));
        let options = self.options(kubeconfig(folder.path(), &api));
        Controller::connect(options).await.err().expect("an error").to_string()
    }

    /// Runs it, and waits until it serves.
    pub(crate) async fn run(self) -> Cluster {
        let cluster = self.begin().await;
        cluster.serves("site", "posts").await;
        cluster
    }

    /// Runs it.
    pub(crate) async fn begin(self) -> Cluster {
        let (api, posts) = (api_server(self.lists).await, origin("posts").run().await);
        api.put(
            "ingressclasses",
            json!({
                "metadata": { "name": "moorline" }, "spec": { "controller": "moorline.dev/ingress-controller" }
            }),
        );
        api.put("ingresses", ingress("site", "posts"));
        api.put("services", service("posts"));
        api.put("endpointslices", slice("posts", &posts));
        if let Some(leader) = &self.leader {
            api.put("leases", lease(leader));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let options = self.options(kubeconfig(folder.path(), &api));
        let (end, ended) = oneshot::channel();
        let (proxy, controlling) = control(options, ended).await;
        Cluster { api, proxy, posts, controlling, end: Some(end), folder }
    }

    fn options(self, kubeconfig: PathBuf) -> Options {
        Options {
            kubeconfig: Some(kubeconfig),
            namespace: Some("moorline".to_owned()),
            identity: "this".to_owned(),
            namespaces: self.namespaces,
            namespace_selector: String::new(),
            settings: Settings {
                ownership: Ownership {
                    class: "moorline".into(),
                    controller: "moorline.dev/ingress-controller".into(),
                    by_name: false,
                    without_class: false,
                    selected_namespaces: false,
                },
                annotations_prefix: "nginx.ingress.kubernetes.io/".to_owned(),
                like_nginx: false,
                default_backend: self.default_backend,
                legacy_until: None,
            },
            // As the flags say it, which come later.
            https: "[::]:0".parse().expect("an address"),
            default_certificate: self.default_certificate,
            publish_service: self.publish_service,
            publish_addresses: Vec::new(),
            update_status: true,
            lease: "leader".to_owned(),
            keys: "keys".to_owned(),
            silence: self.silence,
        }
    }
}

async fn control(mut options: Options, ended: oneshot::Receiver<()>) -> (Proxy, JoinHandle<()>) {
    moorline::descriptors::raise().expect("the own limit");
    let args = ["moorline", "ingress", "--http-port", "0", "--https-port", "0", "--healthz-port", "0"];
    let args = args.into_iter().chain(["--admin", "127.0.0.1:0", "--workers", "1"]);
    let Some(Verb::Ingress(args)) = Args::try_parse_from(args).expect("flags").verb else { unreachable!("that verb") };
    options.https = args.https();
    let controller = Controller::connect(options).await.expect("a kubeconfig");
    let (mut bound, publisher) = app::open(Config::from(&*args)).expect("free ports");
    bound.show(controller.metrics());
    let clock = bound.clock();
    let proxy = serve(bound, keys::random().expect("random bytes"), Log::default());
    let controlling = tokio::spawn(async move {
        controller.run(publisher, clock, async move { drop(ended.await) }).await.expect("it begins");
    });
    (proxy, controlling)
}

/// Says where the API server is, and in which file the token is.
fn kubeconfig(folder: &Path, api: &ApiServer) -> PathBuf {
    std::fs::write(folder.join("token"), "first").expect("a writable folder");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", api.address) } }],
        "users": [{ "name": "u", "user": { "tokenFile": folder.join("token") } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, text.to_string()).expect("a writable folder");
    path
}

/// An Ingress for a host, which is its name, and a Service.
pub(crate) fn ingress(host: &str, service: &str) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    json!({
        "metadata": { "name": host, "namespace": "default" },
        "spec": {
            "ingressClassName": "moorline",
            "rules": [{ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }],
        },
    })
}

/// The Lease, held by a replica; by none, if it is called nothing.
pub(crate) fn lease(holder: &str) -> Value {
    json!({
        "metadata": { "name": "leader", "namespace": "moorline" },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 3600 },
    })
}

/// A Service with one port.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "ports": [{ "port": 80, "targetPort": 8080 }] },
    })
}

/// The endpoints of a Service: one.
pub(crate) fn slice(service: &str, origin: &Origin) -> Value {
    json!({
        "metadata": {
            "name": service, "namespace": "default", "labels": { "kubernetes.io/service-name": service }
        },
        "addressType": "IPv4",
        "ports": [{ "port": origin.address.port(), "protocol": "TCP" }],
        "endpoints": [{ "addresses": [origin.address.ip().to_string()], "conditions": { "ready": true } }],
    })
}

impl Cluster {
    /// From now on this is what is in the file of the token.
    pub(crate) fn token(&self, token: &str) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, token).expect("a writable folder");
        std::fs::rename(next, self.folder.path().join("token")).expect("a rename");
    }

    /// Ends as SIGTERM has it, and waits until the controller is at its end.
    pub(crate) async fn end(&mut self) {
        drop(self.end.take());
        (&mut self.controlling).await.expect("it ends");
    }

    /// Waits until a host is served from there; `site` is served all the while.
    pub(crate) async fn serves(&self, host: &str, name: &str) {
        let is_so = async || self.served_by(host).await.as_deref() == Some(name);
        until(&format!("{host} is served by {name}"), is_so).await;
    }

    /// Changes something, and waits until that is what is served. What was there before is served all the while.
    pub(crate) async fn learns(&self, host: &str) {
        self.api.put("ingresses", ingress(host, "posts"));
        self.is_served_while(self.serves(host, "posts")).await;
    }

    /// What was there before is served until this is over.
    pub(crate) async fn is_served_while<T>(&self, over: impl Future<Output = T>) -> T {
        let asking = async {
            loop {
                assert_eq!(self.served_by("site").await.as_deref(), Some("posts"), "the last good state serves on");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = over => outcome,
            () = asking => unreachable!("it has no end"),
        }
    }

    /// Who serves a host, if anybody does.
    pub(crate) async fn served_by(&self, host: &str) -> Option<String> {
        let mut client = Client::connect(self.proxy.address).await;
        let response = client.request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), "").await;
        (response.status == 200).then(|| response.served_by().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.controlling.abort();
    }
}
