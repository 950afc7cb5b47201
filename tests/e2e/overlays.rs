use moorline_service::testing::Kubectl;

use crate::support::{Client, Moorline, Site, until};

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
