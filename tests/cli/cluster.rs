//! `moorline check --cluster` against an API server that answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers requests, by method, target without the usual parameters, and body: a status and an object.
type Script = dyn Fn(&str, &str, &Value) -> (u16, Value) + Send + Sync;

/// An API server that runs until the process ends.
struct ApiServer {
    address: SocketAddr,
    /// The heads of all requests.
    seen: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    fn run(script: Box<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&seen);
        let script: Arc<Script> = script.into();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (heads, script) = (Arc::clone(&heads), Arc::clone(&script));
                std::thread::spawn(move || answer(&stream.expect("a connection"), &heads, &*script));
            }
        });
        Self { address, seen }
    }

    /// Runs `moorline check --cluster` with these arguments.
    fn check(&self, args: &[&str]) -> Output {
        let kubeconfig = tempfile::NamedTempFile::new().expect("a file");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u", "namespace": "moorline" } }],
            "users": [{ "name": "u", "user": {} }],
        });
        std::fs::write(kubeconfig.path(), config.to_string()).expect("a writable file");
        let mut moorline = Command::new(env!("CARGO_BIN_EXE_moorline"));
        moorline
            .args(["check", "--cluster", "--kubeconfig"])
            .arg(kubeconfig.path())
            .args(args)
            .output()
            .expect("a program")
    }
}

fn answer(stream: &TcpStream, heads: &Mutex<Vec<String>>, script: &Script) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).expect("a line") > 2 {
        head.push_str(&std::mem::take(&mut line));
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    let mut words = head.split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let target = target.replace("?&", "?").replace("limit=500&", "").replace("limit=500", "");
    let (status, object) =
        script(method, target.trim_end_matches(['?', '&']), &serde_json::from_slice(&body).unwrap_or_default());
    heads.lock().expect("no panic elsewhere").push(head);
    let object = object.to_string();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        object.len()
    );
    // Whoever has gone needs no answer.
    let _ = (&mut &*stream).write_all((head + &object).as_bytes());
}

fn list(items: &[Value]) -> (u16, Value) {
    (200, json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let message = format!("{reason}, says the test");
    (
        code,
        json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code }),
    )
}

/// A small cluster: one sticky Ingress with a certificate that is not there, in front of two pods of a Deployment.
fn cluster(method: &str, target: &str, body: &Value) -> (u16, Value) {
    match (method, target) {
        ("GET", "/version") => (
            200,
            json!({
                "major": "1", "minor": "36", "gitVersion": "v1.36.1", "gitCommit": "", "gitTreeState": "", "buildDate": "",
                "goVersion": "", "compiler": "", "platform": "",
            }),
        ),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews") => {
            let mut review = body.clone();
            review["status"] = json!({ "userInfo": { "username": "system:serviceaccount:moorline:moorline" } });
            (201, review)
        }
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
            let asked = &body["spec"]["resourceAttributes"];
            let is_denied =
                asked["resource"] == "ingresses" && asked["subresource"] == "status" && asked["verb"] == "patch";
            let mut review = body.clone();
            review["status"] = json!({ "allowed": !is_denied });
            (201, review)
        }
        ("GET", "/apis/networking.k8s.io/v1/ingresses") => list(&[json!({
            "metadata": { "namespace": "shop", "name": "web", "uid": "u", "annotations": { "moorline.dev/session": "true" } },
            "spec": {
                "ingressClassName": "moorline",
                "tls": [{ "hosts": ["web.example"], "secretName": "web-tls" }],
                "rules": [{ "host": "web.example", "http": { "paths": [{
                    "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web", "port": { "number": 80 } } },
                }] } }],
            },
        })]),
        ("GET", "/apis/networking.k8s.io/v1/ingressclasses") => list(&[
            json!({ "metadata": { "name": "moorline" }, "spec": { "controller": "moorline.dev/ingress-controller" } }),
        ]),
        // In two pages, of which the second has what is wanted.
        ("GET", "/api/v1/services") => {
            let (status, mut page) = list(&[]);
            page["metadata"]["continue"] = json!("second");
            (status, page)
        }
        ("GET", "/api/v1/services?continue=second") => list(&[json!({
            "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
        })]),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices") => {
            let endpoint = |name: &str, address: &str| {
                json!({
                    "addresses": [address], "conditions": { "ready": true },
                    "targetRef": { "kind": "Pod", "name": name, "uid": name },
                })
            };
            list(&[json!({
                "metadata": { "namespace": "shop", "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
                "addressType": "IPv4", "ports": [{ "name": "", "port": 8080 }],
                "endpoints": [endpoint("web-5d-a", "192.0.2.1"), endpoint("web-5d-b", "192.0.2.2")],
            })])
        }
        ("GET", "/api/v1/namespaces/shop/pods") => {
            let pod = |name: &str| {
                json!({
                    "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": {
                        "namespace": "shop", "name": name, "labels": { "pod-template-hash": "5d" },
                        "ownerReferences": [
                            { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "r", "controller": true },
                        ],
                    },
                })
            };
            list(&[pod("web-5d-a"), pod("web-5d-b")])
        }
        ("GET", "/apis/apps/v1/statefulsets" | "/api/v1/pods?labelSelector=statefulset.kubernetes.io%2Fpod-name") => {
            list(&[])
        }
        ("GET", "/api/v1/namespaces/shop/secrets/web-tls") => failure(404, "NotFound"),
        _ => failure(500, &format!("unexpected {method} {target}")),
    }
}

fn text(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn a_cluster_is_looked_at_and_every_line_says_how_it_is() {
    let server = ApiServer::run(Box::new(cluster));
    let (code, said) = text(&server.check(&[]));
    let expected = format!(
        "\
√ API server v1.36.1 at http://{}/, as system:serviceaccount:moorline:moorline
√ may list, watch ingresses (networking.k8s.io)
√ may list, watch ingressclasses (networking.k8s.io)
√ may list, watch services (core)
√ may list, watch endpointslices (discovery.k8s.io)
√ may list, watch pods (core)
√ may list, watch statefulsets (apps)
√ may get secrets (core)
‼ may not patch ingresses/status (networking.k8s.io): kubectl get ingress shows no ADDRESS
    = deploy/base/cluster-role.yaml has it; the chart, too
√ may create, patch events (core, events.k8s.io)
√ may create leases (coordination.k8s.io) in moorline
√ may get, update leases moorline-ingress-leader (coordination.k8s.io) in moorline
√ may create secrets (core) in moorline
√ may list, watch secrets moorline-session-keys (core) in moorline
√ may list pods (core) in moorline
√ IngressClass moorline is ours
× Ingress shop/web: Secret shop/web-tls is not there: the default certificate is shown
    = a Secret of type kubernetes.io/tls, in the namespace of the Ingress
‼ Service shop/web: sessions end with their pod (2 of Deployment web)
    = the pods of a StatefulSet come back under their names, and sessions with them
the cluster: 1 error, 2 warnings
",
        server.address
    );
    assert_eq!((code, said.as_str()), (Some(1), expected.as_str()));
}

#[test]
fn whose_permissions_are_asked_for_is_said_with_every_request() {
    let server = ApiServer::run(Box::new(cluster));
    let output = server.check(&["--as", "system:serviceaccount:moorline:moorline", "-o", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["accepted"], json!(false));
    assert_eq!(answer["lines"][0]["severity"], json!("ok"));
    let heads = server.seen.lock().unwrap();
    let header = "impersonate-user: system:serviceaccount:moorline:moorline";
    assert!(!heads.is_empty() && heads.iter().all(|head| head.to_ascii_lowercase().contains(header)), "{heads:#?}");
}

#[test]
fn what_may_not_be_looked_at_is_said_and_the_rest_is_looked_at() {
    let server = ApiServer::run(Box::new(|method, target, body| match (method, target) {
        ("GET", "/api/v1/services") => failure(403, "Forbidden"),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews") => failure(403, "Forbidden"),
        _ => cluster(method, target, body),
    }));
    let (code, said) = text(&server.check(&[]));
    assert_eq!(code, Some(1));
    assert!(said.contains("× what there is of Service is not known: Forbidden, says the test\n"), "{said}");
    assert!(said.contains("× Ingress shop/web: Secret shop/web-tls is not there"), "{said}");
    assert!(!said.contains("Service shop/web"), "{said}");
}

#[test]
fn an_object_that_cannot_be_read_is_named_and_hides_no_other() {
    let server = ApiServer::run(Box::new(|method, target, body| {
        let (status, mut answer) = cluster(method, target, body);
        if target == "/apis/networking.k8s.io/v1/ingresses" {
            let broken = json!({ "metadata": { "namespace": "shop", "name": "odd" }, "spec": { "rules": "none" } });
            answer["items"].as_array_mut().expect("a list").insert(0, broken);
        }
        (status, answer)
    }));
    let (code, said) = text(&server.check(&[]));
    assert_eq!(code, Some(1));
    assert!(said.contains("× Ingress shop/odd cannot be read: invalid type: string \"none\""), "{said}");
    assert!(said.contains("× Ingress shop/web: Secret shop/web-tls is not there"), "{said}");
}

#[test]
fn namespaces_are_looked_at_one_by_one_where_that_is_all() {
    let server = ApiServer::run(Box::new(|method, target, body| {
        match target.strip_prefix("/apis/networking.k8s.io/v1/namespaces/") {
            Some("shop/ingresses") => cluster("GET", "/apis/networking.k8s.io/v1/ingresses", body),
            _ if target.contains("/namespaces/") && method == "GET" => list(&[]),
            _ => cluster(method, target, body),
        }
    }));
    let (_, said) = text(&server.check(&["--watch-namespace", "shop,blog", "--ingress-class-by-name"]));
    assert!(said.contains("× Ingress shop/web: Service shop/web is not there"), "{said}");
    assert!(said.contains("may not patch in shop, patch in blog ingresses/status"), "{said}");
    assert!(!said.contains("ingressclasses"), "{said}");
}

#[test]
fn a_cluster_that_is_not_there_could_not_be_checked() {
    // Whoever connects is hung up on: a port where nobody listens could be somebody else's by then.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (code, said) = text(&ApiServer { address, seen: Arc::default() }.check(&[]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("moorline: the cluster cannot be reached: "), "{said}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_moorline")).args(["check", "--cluster", "--kubeconfig", "/absent"]).output();
    let (code, said) = text(&output.unwrap());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/absent"), "{said}");
}
