use moorline_service::testing::Connection;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{MINUTE, Namespace, SILENCE, deploy, until_some};

/// With its ClusterRoleBinding, as it is applied in the lesson.
#[tokio::test]
async fn the_lessons_manifest_works_as_it_is_written() {
    let namespace = Namespace::fresh("moorline-e2e-lesson").await;
    let manifest = std::fs::read_to_string(deploy().join("db.yml")).expect("a manifest");
    let started = Instant::now();
    namespace.apply(&namespace.here(&manifest)).await;
    namespace.in_step(3).await;
    assert!(started.elapsed() <= MINUTE, "three members within a minute");
    let endpoints = namespace
        .kubectl(&[
            "get",
            "endpointslices",
            "-l",
            "kubernetes.io/service-name=mongo-primary",
            "-o",
            "jsonpath={.items[*].endpoints[*].targetRef.name}",
        ])
        .await;
    assert_eq!(endpoints, namespace.primary().await.expect("a primary").name, "the Service selects the primary alone");
    the_api_answers_at_every_node(&namespace).await;
    namespace.kubectl(&["delete", "clusterrole,clusterrolebinding", "mongo-sidecar"]).await;
    namespace.delete().await;
}

/// The Service `api` as `minikube service api --url` finds it: no Moorline is needed there.
async fn the_api_answers_at_every_node(namespace: &Namespace) {
    namespace.apply(&std::fs::read_to_string(deploy().join("api.yml")).expect("a manifest")).await;
    namespace.kubectl(&["rollout", "status", "deployment/api", "--timeout=55s"]).await;
    for addr in namespace.node_ports().await {
        let mut client =
            until_some("the node has heard of it", async || timeout(SILENCE, Connection::open(addr)).await.ok()?.ok())
                .await;
        assert_eq!(client.get("/user").await.json(), json!([]), "at {addr}");
    }
}

/// Changing it would take the pod away from its StatefulSet.
#[tokio::test]
async fn a_role_label_that_the_statefulset_selects_by_is_refused() {
    let namespace = Namespace::fresh("moorline-e2e-selector").await;
    let manifest = namespace.manifest().await;
    let image = "image: moorline/mongo-sidecar:0.1.0";
    assert!(manifest.contains(image));
    let args = "terminationMessagePolicy: FallbackToLogsOnError\n        args: [--role-label, app.kubernetes.io/name]\n        ";
    namespace.apply(&manifest.replace(image, &format!("{args}{image}"))).await;
    let said = until_some("the sidecar ends", async || {
        let pods = namespace.pods().await;
        let path = "jsonpath={.status.initContainerStatuses[0]['lastState','state'].terminated.exitCode}";
        let code = namespace.kubectl(&["get", "pod", &pods.first()?.name, "-o", path]).await;
        if code.trim().is_empty() {
            return None;
        }
        let path = path.replace("exitCode", "message");
        Some((code, namespace.kubectl(&["get", "pod", &pods.first()?.name, "-o", &path]).await))
    })
    .await;
    assert_eq!(said.0.trim(), "1");
    assert!(said.1.contains("is in the selector of the StatefulSet mongo"), "{}", said.1);
    namespace.delete().await;
}
