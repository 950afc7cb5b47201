use std::net::IpAddr;

use moorline_service::testing::Kubectl;
use tokio::net::TcpStream;

use crate::support::{Client, Helm, Moorline, Site, Users, address, all_served, moves, until};

/// What was written for ingress-nginx, with its class, by field and by annotation.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_place_of_ingress_nginx_it_serves_what_is_there_as_it_stands() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "in-place", &[]).await;
    let mut by_field = site.ingress_of("by-field", Some("field.in-place.e2e.test"), &[("/", "posts")], &[]);
    by_field["spec"]["ingressClassName"] = "nginx".into();
    let mut by_annotation = site.ingress_of("by-annotation", Some("old.in-place.e2e.test"), &[("/", "posts")], &[]);
    by_annotation["metadata"]["annotations"]["kubernetes.io/ingress.class"] = "nginx".into();
    by_annotation["spec"].as_object_mut().expect("a spec").remove("ingressClassName");
    site.kubectl.apply(&by_field);
    site.kubectl.apply(&by_annotation);
    let overlay = moorline.with_overlay("nginx-class");
    for host in ["field.in-place.e2e.test", "old.in-place.e2e.test"] {
        until(&format!("{host} is served"), async || {
            let mut client = Client::new(moorline.http(), host);
            let first = client.get("/healthz").await;
            (first.status == 200).then(|| assert!(first.set_cookie("INGRESSCOOKIE").contains("; Path=/"), "{first:?}"))
        })
        .await;
    }
    assert_eq!(site.client(&moorline).get("/healthz").await.status, 404, "another class is not served any more");
    drop(overlay);
    until("all is as it was", async || (site.client(&moorline).get("/healthz").await.status == 200).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_one_namespace_it_needs_no_permission_beyond_it() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "beyond", &[]).await;
    let overlay = moorline.with_overlay("namespaced");
    moorline.kubectl().run(&["delete", "clusterrole,clusterrolebinding", "moorline"]);
    moorline.kubectl().run(&["rollout", "restart", "deployment/moorline"]);
    moorline.ready();
    let default = Kubectl::within("default");
    default.run(&["apply", "-k", "deploy/demo/posts"]);
    until("the namespace's own site is served", async || {
        let answer = Client::new(moorline.http(), "session-affinity.com").get("/healthz").await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(site.client(&moorline).get("/healthz").await.status, 404, "another namespace is none of its business");
    let shown = "--for=jsonpath={.status.loadBalancer.ingress}";
    default.run(&["wait", "ingress/posts", shown, "--timeout=60s"]);
    default.run(&["delete", "-k", "deploy/demo/posts", "--timeout=120s"]);
    drop(overlay);
    until("all is as it was", async || (site.client(&moorline).get("/healthz").await.status == 200).then_some(()))
        .await;
}

/// Of each of these nodes, and shows that address or what is said instead.
async fn serves_on_ports(moorline: &Moorline, site: &Site, shown: Option<&str>) {
    let nodes: Vec<IpAddr> = moorline.nodes().iter().map(|node| moorline.node_ip(node)).collect();
    for node in &nodes {
        until(&format!("{node} serves"), async || {
            let answer = Client::new((*node, 80).into(), &site.host).attempt("/healthz", &[]).await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        TcpStream::connect((*node, 443)).await.expect("the port for TLS is there");
    }
    let mut expected: Vec<String> = match shown {
        None => nodes.iter().map(IpAddr::to_string).collect(),
        Some(shown) => vec![shown.to_owned()],
    };
    expected.sort_unstable();
    until(&format!("{expected:?} are shown"), async || {
        let status = site.kubectl.get(&["ingress", "posts"])["status"].take();
        let places = status["loadBalancer"]["ingress"].as_array()?;
        let mut ips: Vec<_> = places.iter().filter_map(|place| place["ip"].as_str()).collect();
        ips.sort_unstable();
        (ips == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ports_of_its_nodes_it_serves_and_shows_their_addresses() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "host-ports", &[]).await;
    let _overlay = moorline.with_overlay("host-ports");
    assert_eq!(moorline.pods().len(), 2);
    serves_on_ports(&moorline, &site, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_for_minikube_one_replica_serves_on_its_node() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "minikube", &[]).await;
    let _overlay = moorline.with_overlay("minikube");
    assert_eq!(moorline.pods().len(), 1);
    serves_on_ports(&moorline, &site, None).await;
}

/// kind labels the node whose ports it maps.
#[tokio::test(flavor = "multi_thread")]
async fn as_for_kind_it_serves_on_the_node_with_the_label_and_shows_this_machine() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "kind", &[]).await;
    let labelled = Labelled::new(moorline.nodes().pop_last().expect("a node"));
    let _overlay = moorline.with_overlay("kind");
    assert_eq!(moorline.nodes().into_iter().collect::<Vec<_>>(), [&*labelled.0]);
    serves_on_ports(&moorline, &site, Some("127.0.0.1")).await;
}

/// A node with the label, until this is dropped.
struct Labelled(String);

impl Labelled {
    fn new(node: String) -> Self {
        Kubectl::everywhere().run(&["label", "node", &node, "ingress-ready=true", "--overwrite"]);
        Self(node)
    }
}

impl Drop for Labelled {
    fn drop(&mut self) {
        let removed = Kubectl::everywhere().attempt(&["label", "node", &self.0, "ingress-ready-"]);
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_the_chart_serves_its_class_is_upgraded_under_load_and_leaves_nothing() {
    let moorline = Moorline::shared().await;
    let namespace = Kubectl::namespace("moorline-e2e-release");
    let Some(helm) = Helm::within(&namespace) else { return };
    let site = Site::deploy(&moorline, "chart", &[]).await;
    let host = "release.chart.e2e.test";
    let mut object = site.ingress_of("release", Some(host), &[("/", "posts")], &[]);
    object["spec"]["ingressClassName"] = "release".into();
    site.kubectl.apply(&object);
    // Where kept connections go does not depend on the nodes that run it.
    let values = "ingressClass.name=release,ingressClass.controller=e2e.test/release,service.externalTrafficPolicy=Cluster,replicaCount=";
    helm.release("install", &format!("{values}1"));
    let at = (address(&namespace, "release-moorline"), 80).into();
    until("the release serves", async || {
        let answer = Client::new(at, host).attempt("/healthz", &[]).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(Client::new(at, &site.host).get("/healthz").await.status, 404, "another class is another's");
    let users = Users::log_in((0..10).map(|_| Client::new(at, host)).collect()).await;
    helm.release("upgrade", &format!("{values}2,accessLog=json"));
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0);
    helm.uninstall().expect("it goes");
    let kinds = "clusterrole,clusterrolebinding,ingressclass";
    let left = Kubectl::everywhere().run(&["get", kinds, "-l", "app.kubernetes.io/instance=release", "-o", "name"]);
    assert_eq!(left, "");
}
