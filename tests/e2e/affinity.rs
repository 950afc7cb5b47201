use md5::{Digest, Md5};
use serde_json::json;

use crate::support::{Client, Moorline, Site, everywhere, until};

type Annotations = &'static [(&'static str, &'static str)];

/// Annotations beside `affinity: cookie`, the cookie's name, and what stands behind its value.
const COOKIES: &[(&str, Annotations, &str, &str)] = &[
    ("plain", &[], "INGRESSCOOKIE", "HttpOnly; Path=/"),
    ("balanced", &[("affinity-mode", "balanced")], "INGRESSCOOKIE", "HttpOnly; Path=/"),
    ("persistent", &[("affinity-mode", "persistent")], "INGRESSCOOKIE", "HttpOnly; Path=/"),
    ("named", &[("session-cookie-name", "route")], "route", "HttpOnly; Path=/"),
    ("hash", &[("session-cookie-hash", "sha1")], "INGRESSCOOKIE", "HttpOnly; Path=/"),
    ("path", &[("session-cookie-path", "/healthz")], "INGRESSCOOKIE", "HttpOnly; Path=/healthz"),
    ("domain", &[("session-cookie-domain", "e2e.test")], "INGRESSCOOKIE", "Domain=e2e.test; HttpOnly; Path=/"),
    ("secure", &[("session-cookie-secure", "true")], "INGRESSCOOKIE", "HttpOnly; Path=/; Secure"),
    ("not-secure", &[("session-cookie-secure", "false")], "INGRESSCOOKIE", "HttpOnly; Path=/"),
    ("none", &[("session-cookie-samesite", "nOnE")], "INGRESSCOOKIE", "HttpOnly; Path=/; SameSite=None"),
    ("lax", &[("session-cookie-samesite", "lax")], "INGRESSCOOKIE", "HttpOnly; Path=/; SameSite=Lax"),
    ("strict", &[("session-cookie-samesite", "STRICT")], "INGRESSCOOKIE", "HttpOnly; Path=/; SameSite=Strict"),
    ("max-age", &[("session-cookie-max-age", "600")], "INGRESSCOOKIE", "HttpOnly; Max-Age=600; Path=/"),
    ("expires", &[("session-cookie-expires", "600")], "INGRESSCOOKIE", "Expires=…; HttpOnly; Path=/"),
];

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_those_of_ingress_nginx() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "cookies", &[]).await;
    for (name, annotations, ..) in COOKIES {
        site.ingress(name, &[("/", "posts")], annotations);
    }
    for (name, _, cookie, expected) in COOKIES {
        let answer = served(&moorline, &host(name), "/healthz").await;
        assert_eq!(attributes(answer.set_cookie(cookie)), *expected, "{name}");
        let mut client = Client::new(moorline.http(), &host(name));
        let home = client.get("/healthz").await.served_by().to_owned();
        for _ in 0..12 {
            let answer = client.get("/healthz").await;
            assert_eq!((answer.served_by(), answer.set_cookie(cookie)), (home.as_str(), ""), "{name}");
        }
    }
}

/// Chrome 66 took `None` for `Strict`.
#[tokio::test(flavor = "multi_thread")]
async fn same_site_none_is_kept_from_those_who_misread_it() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "misread", &[]).await;
    let conditional = ("session-cookie-conditional-samesite-none", "true");
    site.ingress("conditional", &[("/", "posts")], &[("session-cookie-samesite", "None"), conditional]);
    served(&moorline, &host("conditional"), "/healthz").await;
    for (agent, expected) in [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/66.0.3359.117 Safari/537.36", "HttpOnly; Path=/"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36", "HttpOnly; Path=/; SameSite=None"),
    ] {
        let mut client = Client::new(moorline.http(), &host("conditional"));
        let answer = client.get_with("/healthz", &[("user-agent", agent)]).await;
        assert_eq!(attributes(answer.set_cookie("INGRESSCOOKIE")), expected, "{agent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_has_its_own_cookie_and_aliases_and_no_host_have_one_too() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "paths", &[]).await;
    site.ingress("paths", &[("/a", "posts"), ("/b", "posts")], &[("server-alias", "alias.e2e.test")]);
    site.apply_ingress("anywhere", None, &[("/anywhere", "posts")], &[]);
    for (host, path) in [(host("paths").as_str(), "/a"), ("alias.e2e.test", "/b"), ("nobodys.e2e.test", "/anywhere")] {
        let answer = served(&moorline, host, path).await;
        let expected = format!("HttpOnly; Path={path}");
        assert_eq!(attributes(answer.set_cookie("INGRESSCOOKIE")), expected, "{host}{path}");
    }
    let mut client = Client::new(moorline.http(), &host("paths"));
    for path in ["/a/1", "/b/1"] {
        assert!(!client.get(path).await.set_cookie("INGRESSCOOKIE").is_empty(), "{path}");
    }
    for path in ["/a/2", "/b/2"] {
        assert_eq!(client.get(path).await.set_cookie("INGRESSCOOKIE"), "", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_are_chosen_in_the_order_of_ingress_nginx_and_sessions_come_first() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "canary", &[]).await;
    let labels = json!({ "app.kubernetes.io/name": "next" });
    site.kubectl.apply(&site.lookalike("next", &labels, &json!([])));
    let ports = json!([{ "name": "http", "port": 80, "targetPort": 8080 }]);
    site.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "next" },
        "spec": { "selector": labels, "ports": ports },
    }));
    site.kubectl.run(&["wait", "pod", "next", "--for=condition=Ready", "--timeout=60s"]);
    site.ingress("sides", &[("/", "posts")], &[]);
    let canary = |more: &[(&str, &str)]| {
        let mut all = vec![("canary", "true"), ("canary-by-header", "x-next"), ("canary-by-cookie", "next")];
        all.extend(more);
        site.apply_ingress("sides-canary", Some(&host("sides")), &[("/", "next")], &all);
    };
    let weight = async |weight: &str, sees_next: bool| {
        canary(&[("canary-weight", weight)]);
        everywhere(&format!("weight {weight} counts"), async || {
            let answer = Client::new(moorline.http(), &host("sides")).get("/healthz").await;
            (answer.status == 200 && (answer.served_by() == "next") == sees_next).then_some(())
        })
        .await;
    };
    let ask = async |headers: &[(&str, &str)]| {
        let answer = Client::new(moorline.http(), &host("sides")).get_with("/healthz", headers).await;
        answer.served_by().to_owned()
    };
    weight("100", true).await;
    assert_ne!(ask(&[("x-next", "never"), ("cookie", "next=always")]).await, "next", "the header first");
    assert_ne!(ask(&[("x-next", "other"), ("cookie", "next=never")]).await, "next", "then the cookie");
    assert_eq!(ask(&[]).await, "next", "then the weight");
    let mut on_canary = Client::new(moorline.http(), &host("sides"));
    assert_eq!(on_canary.get("/healthz").await.served_by(), "next");
    weight("0", false).await;
    assert_eq!(on_canary.get("/healthz").await.served_by(), "next", "weight 0 keeps its sessions");
    assert_eq!(ask(&[("x-next", "always")]).await, "next");
    let mut on_primary = Client::new(moorline.http(), &host("sides"));
    let home = on_primary.get("/healthz").await.served_by().to_owned();
    let always = [("x-next", "always")];
    assert_eq!(
        on_primary.get_with("/healthz", &always).await.served_by(),
        home,
        "a session is asked before the header"
    );
    canary(&[("canary-weight", "0"), ("affinity-canary-behavior", "legacy")]);
    until("legacy counts", async || {
        (on_primary.get_with("/healthz", &always).await.served_by() == "next").then_some(())
    })
    .await;
    assert_eq!(on_primary.get("/healthz").await.served_by(), home);
    canary(&[("canary-by-header-value", "blue")]);
    everywhere("a value counts", async || (ask(&[("x-next", "blue")]).await == "next").then_some(())).await;
    assert_ne!(ask(&[("x-next", "always")]).await, "next");
    canary(&[("canary-by-header-pattern", "^b.*d$")]);
    until("a pattern counts", async || (ask(&[("x-next", "blond")]).await == "next").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_changes_on_failure_if_it_is_told_to() {
    let moorline = Moorline::shared().await;
    let on_failure = ("nginx.ingress.kubernetes.io/session-cookie-change-on-failure", "true");
    let site = Site::deploy(&moorline, "failing", &[on_failure]).await;
    let mut user = site.user_on(&moorline, "posts-1").await;
    site.kubectl.run(&["delete", "pod", "posts-1", "--force", "--grace-period=0", "--wait=false"]);
    let moved_to = until("it is moved", async || {
        let by = user.get("/healthz").await.served_by().to_owned();
        (by != "posts-1").then_some(by)
    })
    .await;
    site.ready();
    site.serves(&moorline, 3).await;
    assert_eq!(user.get("/healthz").await.served_by(), moved_to, "and stays there");
    site.scale(0);
    until("nothing is there, and nothing is expected", async || {
        let answer = user.get("/healthz").await;
        (answer.status == 503 && answer.headers.contains_key("retry-after")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_ingress_nginxs_persistent_mode_brings_its_user_to_the_same_pod() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "moved", &[]).await;
    let backend = format!("{}-posts-http", site.kubectl.name());
    for pod in ["posts-0", "posts-1", "posts-2"] {
        let theirs = hex(format!("{backend}{}:8080", site.ip(pod)).as_bytes());
        for value in [theirs.clone(), format!("{theirs}|{}", hex(b"any"))] {
            let mut client = site.client(&moorline);
            let cookie = format!("posts-route={value}");
            let answer = client.get_with("/healthz", &[("cookie", &cookie)]).await;
            assert_eq!(answer.served_by(), pod);
            assert_eq!(attributes(answer.set_cookie("posts-route")), "HttpOnly; Max-Age=172800; Path=/; SameSite=Lax");
            for _ in 0..6 {
                assert_eq!(client.get("/healthz").await.served_by(), pod, "by our own cookie");
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn host(name: &str) -> String {
    format!("{name}.affinity.e2e.test")
}

/// What follows the value, in the order of the alphabet; a date is left out.
fn attributes(cookie: &str) -> String {
    let without_date =
        |part: &str| if part.starts_with("Expires=") { "Expires=…".to_owned() } else { part.to_owned() };
    let mut parts: Vec<_> = cookie.split("; ").skip(1).map(without_date).collect();
    parts.sort_unstable();
    parts.join("; ")
}

/// The first answer of the application.
async fn served(moorline: &Moorline, host: &str, path: &str) -> crate::support::Answer {
    everywhere(&format!("{host}{path} is served"), async || {
        let answer = Client::new(moorline.http(), host).get(path).await;
        (!answer.served_by().is_empty()).then_some(answer)
    })
    .await
}
