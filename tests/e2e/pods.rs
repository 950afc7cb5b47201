use moorline_service::testing::Processes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, Moorline, Site, Watch, all_served, can_cut, everywhere, moves, node_cut, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_replaced_keeps_its_sessions_under_its_new_address() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "replaced", &[]).await;
    let mut user = site.user_on(&moorline, "posts-1").await;
    assert_eq!(outcome(&user.get("/").await.body), "kept");
    let (uid, ip) = (site.uid("posts-1"), site.ip("posts-1"));
    site.kubectl.run(&["delete", "pod", "posts-1", "--force", "--grace-period=0", "--wait=false"]);
    let answer = until("the pod has forgotten", async || {
        // What comes while it is away is held.
        let answer = user.get("/").await;
        (outcome(&answer.body) != "kept").then_some(answer)
    })
    .await;
    assert_eq!((answer.served_by(), outcome(&answer.body)), ("posts-1", "restarted"));
    assert!(answer.body.contains("posts-1 has restarted, and its memory is empty"), "{}", answer.body);
    site.ready();
    assert_ne!((site.uid("posts-1"), site.ip("posts-1")), (uid, ip), "another pod at another address");
    let answer = user.get("/").await;
    assert_eq!((answer.served_by(), outcome(&answer.body)), ("posts-1", "kept"), "the token has been renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_moves_only_the_sessions_whose_pods_go() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "scaled", &[]).await;
    let mut users = Vec::new();
    for pod in ["posts-0", "posts-1", "posts-2", "posts-0", "posts-1", "posts-2"] {
        users.push((pod, site.user_on(&moorline, pod).await));
    }
    site.scale(5);
    site.serves(&moorline, 5).await;
    for pod in ["posts-3", "posts-4"] {
        users.push((pod, site.user_on(&moorline, pod).await));
    }
    for (pod, user) in &mut users {
        let answer = user.get("/post").await;
        assert_eq!((answer.status.as_u16(), answer.served_by()), (200, *pod), "nobody is moved by new pods");
    }
    site.scale(3);
    for (pod, user) in &mut users {
        let answer = user.get("/").await;
        if ["posts-3", "posts-4"].contains(pod) {
            assert_eq!(outcome(&answer.body), "reassigned");
            assert!(["posts-0", "posts-1", "posts-2"].contains(&answer.served_by()), "{answer:?}");
        } else {
            assert_eq!((answer.served_by(), outcome(&answer.body)), (*pod, "kept"));
            assert_eq!(user.get("/post").await.status, 200, "its posts are still there");
        }
    }
}

/// Twenty requests of a browser that come at once, through both replicas.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_of_a_lost_session_go_to_the_same_pod() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "parallel", &[]).await;
    site.scale(4);
    let user = site.user_on(&moorline, "posts-3").await;
    site.scale(3);
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut tab = Client::new(moorline.http(), &site.host);
        tab.cookies.clone_from(&user.cookies);
        requests.spawn(async move { tab.get("/").await.served_by().to_owned() });
    }
    let mut homes = requests.join_all().await;
    homes.dedup();
    assert!(homes.len() == 1 && homes[0] != "posts-3", "{homes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_the_sessions_of_a_pod_by_calling_himself_like_it() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "forged", &[]).await;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(site.user_on(&moorline, "posts-0").await);
    }
    let owner = site.kubectl.get(&["statefulset", "posts"])["metadata"]["uid"].clone();
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "posts", "uid": owner }]);
    let labels = json!({
        "app.kubernetes.io/name": "posts", "app.kubernetes.io/component": "posts",
        "statefulset.kubernetes.io/pod-name": "posts-0",
    });
    for (name, owners) in [("forger", json!([])), ("kin", owner)] {
        site.kubectl.apply(&site.lookalike(name, &labels, &owners));
        site.kubectl.run(&["wait", "pod", name, "--for=condition=Ready", "--timeout=60s"]);
    }
    // Both have the labels that the Service selects, so they are endpoints of it: for newcomers, under their own names.
    site.serves(&moorline, 5).await;
    let forged = slice_to_a_foreign_address(&site);
    site.kubectl.apply(&forged);
    // Slices are seen in their order: whoever serves by a later one knows of this one.
    let port = json!([{ "name": "http", "port": 80, "targetPort": 8080 }]);
    site.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "later" }, "spec": { "ports": port },
    }));
    let mut later = forged;
    later["metadata"] = json!({ "name": "later", "labels": { "kubernetes.io/service-name": "later" } });
    later["endpoints"][0]["targetRef"].take();
    site.kubectl.apply(&later);
    site.apply_ingress("later", Some("later.forged.e2e.test"), &[("/", "later")], &[]);
    everywhere("a later slice has been seen", async || {
        (Client::new(moorline.http(), "later.forged.e2e.test").get("/healthz").await.status == 200).then_some(())
    })
    .await;
    for round in ["while it is there", "while it is away"] {
        for user in &mut users {
            let answer = user.get("/").await;
            assert_eq!(answer.served_by(), "posts-0", "{round}");
        }
        site.kubectl.run(&["delete", "pod", "posts-0", "--force", "--grace-period=0", "--wait=false"]);
    }
}

/// It names posts-0, with its true UID, at an address that is not posts-0's.
fn slice_to_a_foreign_address(site: &Site) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "forged", "labels": { "kubernetes.io/service-name": "posts" } },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
        "endpoints": [{
            "addresses": [site.ip("forger")],
            "conditions": { "ready": true, "serving": true },
            "targetRef": {
                "kind": "Pod", "name": "posts-0", "namespace": site.kubectl.name(), "uid": site.uid("posts-0"),
            },
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_process_is_killed_costs_its_users_nothing_but_time() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "killed", &[]).await;
    let watch = Watch::start(&site.kubectl, POSTS);
    let users = site.users(&moorline, 20).await;
    Processes::of(&site.uid("posts-2")).kill("moorline-posts");
    until("it has been away and is back", async || (watch.came_back("posts-2") > 0).then_some(())).await;
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0);
    watch.nobody_waits_in_vain(&diaries);
    let forgotten: usize = diaries.iter().map(|diary| diary.forgotten()).sum();
    let homed = diaries.iter().filter(|diary| diary.homes() == ["posts-2"]).count();
    assert_eq!(forgotten, homed, "those of the pod have to log in again, once, and nobody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_pods_end_they_serve_for_as_long_as_they_can() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "all-end", &[]).await;
    let users = site.users(&moorline, 12).await;
    let old = ["posts-0", "posts-1", "posts-2"].map(|pod| site.uid(pod));
    site.kubectl.run(&["delete", "pods", "-l", POSTS, "--wait=false"]);
    let newcomer = site.client(&moorline).get("/login?username=late").await;
    assert_eq!(newcomer.status, 200, "somebody still serves: {newcomer:?}");
    until("all pods are others", async || {
        let pods = site.kubectl.get(&["pods", "-l", POSTS]);
        let uids: Vec<_> = pods["items"].as_array()?.iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
        (uids.len() == 3 && !uids.iter().any(|uid| old.iter().any(|old| uid == old))).then_some(())
    })
    .await;
    site.ready();
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0, "everybody is held until their own pod is back");
    assert!(diaries.iter().all(|diary| diary.forgotten() == 1), "and has to log in there again");
}

/// Its pods are still called ready, their addresses swallow what is sent there, and nobody says so for forty seconds.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_hangs_when_a_node_loses_its_link() {
    if !can_cut() {
        return;
    }
    let moorline = Moorline::alone().await;
    let nodes: Vec<_> = moorline.nodes().into_iter().collect();
    assert_eq!(nodes, ["node-1", "node-2"], "a replica on each");
    let site = Site::deploy(&moorline, "cut", &[("moorline.dev/hold", "1s")]).await;
    // By way of the node that stays: the link of the other one is a way in, too.
    let node_port = moorline.node_port("node-1");
    let users = site.users_at(node_port, 20).await;
    let outage = node_cut(2);
    let on_lost_node: Vec<String> = site.pods_on("node-2");
    assert!(!on_lost_node.is_empty(), "there is something to lose");
    until("they are served elsewhere", async || {
        let mut user = Client::new(node_port, &site.host);
        let by = user.get("/login?username=walker").await.served_by().to_owned();
        (users.requests() > 20 * 60 && !on_lost_node.contains(&by)).then_some(())
    })
    .await;
    let diaries = users.go_home().await;
    drop(outage);
    all_served(&diaries);
    let slowest = diaries.iter().flat_map(|diary| &diary.entries).map(|entry| entry.took()).max();
    assert!(slowest.is_some_and(|took| took.as_secs() < 5), "{slowest:?}");
    for diary in &diaries {
        assert!(diary.homes().len() <= 2, "moved once: {:?}", diary.homes());
    }
    moorline.ready();
    // A replica whose watches were cut with the node serves what it knew until it notices.
    site.is_known(&moorline, "after.cut.e2e.test").await;
}

/// What posts shows of the header `Moorline-Session`.
fn outcome(body: &str) -> &str {
    body.split_once("session <b>").and_then(|(_, rest)| rest.split_once("</b>")).map_or("", |(outcome, _)| outcome)
}

const POSTS: &str = "app.kubernetes.io/name=posts";
