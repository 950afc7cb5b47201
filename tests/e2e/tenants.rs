use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::support::{Client, Moorline, Site, Users, all_served, everywhere, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_object_among_five_hundred_hurts_nobody_else() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "many", &[]).await;
    let host = |number: usize| format!("h{number}.many.e2e.test");
    let broken = 250;
    let items: Vec<_> = (0..500)
        .map(|number| {
            let (path, annotations): (_, &[_]) =
                if number == broken { ("/(unclosed", &[("use-regex", "true")]) } else { ("/", &[]) };
            site.ingress_of(&format!("many-{number}"), Some(&host(number)), &[(path, "posts")], annotations)
        })
        .collect();
    site.kubectl.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
    for number in (0..500).filter(|number| *number != broken) {
        until(&format!("{} is served", host(number)), async || {
            let answer = Client::new(moorline.http(), &host(number)).get("/healthz").await;
            assert!(answer.status == 200 || answer.status == 404, "only not yet, then served: {answer:?}");
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let said = event(&site, &format!("many-{broken}"), "Rejected").await;
    assert!(said.contains("/(unclosed"), "{said}");
    assert_ne!(Client::new(moorline.http(), &host(broken)).get("/healthz").await.status, 200);
    site.kubectl.run(&["delete", "ingress", "--all", "--wait=false"]);
    until("nothing is served any more", async || {
        let answer = Client::new(moorline.http(), &host(499)).get("/healthz").await;
        (answer.status == 404).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_ingress_stands_beside_it() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "wrong", &[]).await;
    site.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "outside" },
        "spec": { "type": "ExternalName", "externalName": "kubernetes.default.svc", "ports": [{ "port": 80 }] },
    }));
    let host = |name: &str| format!("{name}.wrong.e2e.test");
    site.apply_ingress("no-service", Some(&host("no-service")), &[("/", "nobody")], &[]);
    site.apply_ingress("outside", Some(&host("outside")), &[("/", "outside")], &[]);
    site.apply_ingress("typo", Some(&host("typo")), &[("/", "posts")], &[("moorline.dev/cokie-name", "x")]);
    site.apply_ingress("other", Some(&host("other")), &[("/", "posts")], &[("mirror-target", "http://x")]);
    site.apply_ingress("closed", Some(&host("closed")), &[("/", "posts")], &[("auth-url", "http://x")]);
    site.apply_ingress("taken", Some(&site.host), &[("/", "posts")], &[]);
    for (ingress, reason, part) in [
        ("no-service", "BackendNotFound", "nobody"),
        ("outside", "Rejected", "ExternalName"),
        ("typo", "UnknownAnnotation", "cookie-name"),
        ("other", "UnknownAnnotation", "mirror-target"),
        ("closed", "Rejected", "auth-url"),
        ("taken", "Conflict", "posts"),
        ("posts", "Synced", ""),
    ] {
        let said = event(&site, ingress, reason).await;
        assert!(said.contains(part), "{ingress}: {said}");
    }
    for (name, status) in [("no-service", 503), ("outside", 503), ("typo", 200), ("other", 200), ("closed", 503)] {
        until(&format!("{name} is {status}"), async || {
            let answer = Client::new(moorline.http(), &host(name)).get("/healthz").await;
            (answer.status.as_u16() == status).then_some(())
        })
        .await;
    }
    site.kubectl.run(&["delete", "ingress", "posts"]);
    until("the younger one has it now", async || {
        let answer = site.client(&moorline).get("/healthz").await;
        (answer.status == 200 && !answer.set_cookie("INGRESSCOOKIE").is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_the_service_is_shown_and_served() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "address", &[]).await;
    let shown = until("an address is shown", async || {
        let status = site.kubectl.get(&["ingress", "posts"])["status"].take();
        status["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(shown, moorline.shipped().ip().to_string());
    assert_eq!(Client::new(moorline.shipped(), &site.host).get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_under_load() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "renewed", &[]).await;
    let host = "secret.renewed.e2e.test";
    let old = certificate(&site, host);
    let tls = json!([{ "hosts": [host], "secretName": "certificate" }]);
    let mut ingress = site.ingress_of("tls", Some(host), &[("/", "posts")], &[]);
    ingress["spec"]["tls"] = tls;
    site.kubectl.apply(&ingress);
    everywhere("the certificate is shown", async || {
        Client::trusting(moorline.https(), host, &old).attempt("/healthz", &[]).await.ok()
    })
    .await;
    let answer = Client::trusting(moorline.https(), host, &old).get("/healthz").await;
    assert_eq!(answer.status, 200);
    assert!(answer.set_cookie("INGRESSCOOKIE").contains("; Secure"), "{answer:?}");
    assert!(answer.header("strict-transport-security").starts_with("max-age="), "{answer:?}");
    let plain = Client::new(moorline.http(), host).get("/post?a=b").await;
    assert_eq!((plain.status.as_u16(), plain.header("location")), (308, &*format!("https://{host}/post?a=b")));
    let challenge = Client::new(moorline.http(), host).get("/.well-known/acme-challenge/x").await;
    assert_ne!(challenge.status, 308, "the solver has to be reached");

    let users = Users::log_in((0..10).map(|_| Client::trusting(moorline.https(), host, &old)).collect()).await;
    let new = certificate(&site, host);
    until("the new certificate is shown", async || {
        Client::trusting(moorline.https(), host, &new).attempt("/healthz", &[]).await.ok()
    })
    .await;
    let diaries = users.go_home().await;
    all_served(&diaries);
}

/// By the permissions of the pod that asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_finds_that_it_may_do_all_that_it_has_to() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "preflight", &[]).await;
    let check = ["exec", "deployment/moorline", "--", "moorline", "check", "--cluster"];
    // Others try what is wrong meanwhile, and it says so by its exit code.
    let said = moorline.kubectl().attempt(&check).unwrap_or_else(|said| said);
    assert!(said.contains("√ may get secrets") && said.contains("√ IngressClass moorline is ours"), "{said}");
    assert!(!said.contains("× may "), "{said}");
    let namespace = site.kubectl.name();
    assert!(said.contains(&format!("√ Service {namespace}/posts: sessions stay on 3 pods")), "{said}");
}

/// Writes a new one into the Secret.
fn certificate(site: &Site, host: &str) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).expect("a certificate");
    let pem = |what: &str, der: &[u8]| {
        format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64_STANDARD.encode(der))
    };
    site.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "certificate" }, "type": "kubernetes.io/tls",
        "stringData": {
            "tls.crt": pem("CERTIFICATE", cert.der()), "tls.key": pem("PRIVATE KEY", signing_key.serialized_der()),
        },
    }));
    cert.der().clone()
}

/// What the Event of that reason says.
async fn event(site: &Site, ingress: &str, reason: &str) -> String {
    until(&format!("{ingress} has an Event {reason}"), async || {
        let selector = format!("--field-selector=involvedObject.name={ingress},reason={reason}");
        let events = site.kubectl.get(&["events", &selector]);
        events["items"].as_array()?.last().map(|event: &Value| event["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}
