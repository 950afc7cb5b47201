use super::*;
use crate::control::kubernetes::translate::fixture::settings;

/// Everything that is said about a text, in its order.
fn said(text: &str) -> Vec<String> {
    let mut settings = settings();
    settings.ownership.by_name = false;
    said_with(text, settings)
}

fn said_with(text: &str, settings: Settings) -> Vec<String> {
    let review = review(text, settings);
    let shown = |problem: &Problem| format!("{}: {}", problem.severity.as_str(), problem.message);
    let mut lines: Vec<_> = review.unreadable.iter().map(shown).collect();
    for ingress in &review.ingresses {
        lines.push(format!("{}@{}", ingress.name, ingress.place.line));
        for rule in &ingress.served {
            let mark = if rule.is_served { '√' } else { '×' };
            lines.push(format!("{mark} {}{} → {}", rule.host, rule.path, rule.to));
        }
        lines.extend(ingress.problems.iter().map(shown));
    }
    lines.extend(review.notes.iter().map(shown));
    lines
}

/// An Ingress `name` with annotations and a spec in one line each.
fn ingress(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, annotations: {{ {annotations} }} }}\n\
         spec: {{ ingressClassName: moorline, {spec} }}\n---\n"
    )
}

fn rule(host: &str, path: &str, service: &str, port: &str) -> String {
    format!(
        "rules: [{{ host: {host}, http: {{ paths: [{{ path: {path}, pathType: Prefix, \
         backend: {{ service: {{ name: {service}, port: {{ {port} }} }} }} }}] }} }}]"
    )
}

fn web(annotations: &str) -> String {
    ingress("web", annotations, &rule("a.example", "/", "web", "number: 80"))
}

fn service(selector: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: web }}\n\
         spec: {{ selector: {{ {selector} }}, ports: [{{ name: http, port: 80 }}] }}\n---\n"
    )
}

fn pods(kind: &str, name: &str, replicas: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n\
         spec: {{ {replicas} template: {{ metadata: {{ labels: {{ app: web }} }} }} }}\n---\n"
    )
}

#[test]
fn what_is_not_in_the_file_is_said_once_and_is_no_problem() {
    let tls = format!(
        "tls: [{{ hosts: [a.example], secretName: web-tls }}], {}",
        rule("a.example", "/x", "web", "name: http")
    );
    assert_eq!(
        said(&(web("") + &ingress("more", "", &tls))),
        [
            "default/web@1",
            "√ a.example/… → web:80",
            "default/more@6",
            "√ a.example/x/… → web:http",
            "note: not in this file, and taken for granted: Secret default/web-tls, Service default/web",
        ]
    );
}

#[test]
fn what_is_in_the_file_has_to_fit() {
    let wrong = ingress("web", "", &rule("a.example", "/", "web", "number: 81"));
    assert_eq!(
        said(&(wrong + &service(""))),
        [
            "default/web@1",
            "× a.example/… → 503: Service web has no port 81",
            "error: Service default/web has no port 81",
        ]
    );
    assert_eq!(said(&(web("") + &service(""))), ["default/web@1", "√ a.example/… → web:80"]);
}

#[test]
fn the_first_of_two_that_want_the_same_is_the_older() {
    let other = web("").replace("name: web, annotations", "name: alpha, annotations");
    let lines = said(&(web("") + &other + &service("")));
    assert_eq!(
        lines,
        [
            "default/web@1",
            "√ a.example/… → web:80",
            "default/alpha@6",
            "× a.example/… → served by default/web",
            "error: a.example / is served by default/web, which is older",
        ]
    );
}

#[test]
fn sessions_on_pods_that_cannot_keep_them_are_worth_a_warning() {
    let deployment =
        "warning: sessions end with their pod: Service default/web stands for the pods of Deployment default/web";
    let single = "warning: StatefulSet default/web has one replica: sessions wait, and newcomers get nothing, whenever it restarts";
    let sticky = "moorline.dev/session: \"true\"";
    for (annotations, selector, workloads, expected) in [
        (sticky, "app: web", pods("StatefulSet", "web", "replicas: 2,"), None),
        (sticky, "app: web", pods("StatefulSet", "web", ""), Some(single)),
        (sticky, "app: web", pods("Deployment", "web", "replicas: 2,"), Some(deployment)),
        (sticky, "app: other", pods("Deployment", "web", ""), None),
        (sticky, "", pods("Deployment", "web", ""), None),
        ("", "app: web", pods("Deployment", "web", ""), None),
    ] {
        let lines = said(&(web(annotations) + &service(selector) + &workloads));
        let warnings: Vec<_> = lines.iter().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(warnings, expected.as_slice(), "{annotations} {selector} {workloads}");
    }
}

#[test]
fn an_ingress_that_is_not_ours_is_told_why() {
    let class = |controller: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{ name: moorline }}\n\
             spec: {{ controller: {controller} }}\n---\n"
        )
    };
    let of = |class: &str| web("").replace("ingressClassName: moorline", class) + &service("");
    for (text, expected) in [
        (of("ingressClassName: nginx"), Some("warning: not served: its class is nginx, not moorline")),
        (of("ingressClassName: null"), Some("warning: not served: it names no class")),
        (
            class("example.com/other") + &of("ingressClassName: moorline"),
            Some("warning: not served: IngressClass moorline is for the controller example.com/other"),
        ),
        (class("moorline.dev/ingress-controller") + &of("ingressClassName: moorline"), None),
        (of("ingressClassName: moorline"), None),
    ] {
        let lines = said(&text);
        let warnings: Vec<_> = lines.iter().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(warnings, expected.as_slice(), "{text}");
    }
}

#[test]
fn ingresses_of_nginx_are_looked_at_as_if_its_class_were_ours() {
    let mut settings = settings();
    (settings.ownership.class, settings.like_nginx) = ("nginx".into(), true);
    let text = web("").replace("ingressClassName: moorline", "ingressClassName: nginx") + &service("");
    assert_eq!(said_with(&text, settings), ["default/web@1", "√ a.example/… → web:80"]);
}

#[test]
fn the_words_for_what_is_served() {
    let nginx = |rest: &str| format!("nginx.ingress.kubernetes.io/{rest}");
    for (annotations, expected) in [
        (String::new(), "√ a.example/… → web:80"),
        (nginx("auth-url: x"), "× a.example/… → 503 for everybody"),
        (nginx("permanent-redirect: \"https://b.example\""), "√ a.example/… → 301 to https://b.example"),
        (nginx("backend-protocol: HTTPS"), "√ a.example/… → web:80 over https"),
        (nginx("use-regex: \"true\""), "√ a.example ~ / → web:80"),
        (nginx("allowlist-source-range: 10.0.0.0/8"), "for 10.0.0.0/8 only, 403 for all others"),
        (nginx("app-root: /shop"), "/ is redirected to /shop"),
        (nginx("rewrite-target: /x"), "the path becomes /x"),
        (nginx("upstream-vhost: b.example"), "pods get Host: b.example"),
        (nginx("x-forwarded-prefix: /p"), "pods get X-Forwarded-Prefix: /p"),
        (nginx("enable-cors: \"true\""), "CORS is answered here"),
        (nginx("proxy-body-size: 8m"), "bodies of at most 8MiB"),
        (nginx("proxy-read-timeout: \"90\""), "time limits: reading 1m30s"),
        (nginx("force-ssl-redirect: \"true\""), "without TLS, it is redirected to HTTPS"),
        (nginx("affinity: cookie"), "sticky by the cookie INGRESSCOOKIE: Path=/, HttpOnly, Secure over TLS"),
        (
            "moorline.dev/on-lost: reject".to_owned(),
            "while its pod is away, a session waits up to 30s; then it is answered with 503 until it is back",
        ),
        ("moorline.dev/hold: 0s".to_owned(), "while its pod is away, the session moves to another"),
        ("moorline.dev/on-restart: reassign".to_owned(), "when its pod has restarted, a session moves to another"),
        (
            "moorline.dev/cookie-max-age: 1h, moorline.dev/cookie-same-site: None, moorline.dev/cookie-secure: always"
                .to_owned(),
            "sticky by the cookie moorline: Path=/, Max-Age=3600, HttpOnly, Secure, SameSite=None",
        ),
    ] {
        let review = review(&(web(&annotations) + &service("")), settings());
        let [rule] = &*review.ingresses[0].served else { panic!("one rule") };
        let mark = if rule.is_served { '√' } else { '×' };
        let line = format!("{mark} {}{} → {}", rule.host, rule.path, rule.to);
        let is_said = line == expected || rule.details.iter().any(|detail| detail == expected);
        assert!(is_said, "{annotations}: {line} {:?}", rule.details);
    }
}

#[test]
fn an_ingress_that_is_there_twice_is_told_once() {
    let lines = said(&(web("") + &web("moorline.dev/session: \"true\"") + &service("")));
    let twice = "warning: Ingress default/web is in the file twice: the last one counts";
    assert_eq!(lines, ["default/web@6", "√ a.example/… → web:80", twice]);
}

#[test]
fn a_default_backend_comes_after_rules_and_does_not_quarrel_with_them() {
    let default = "defaultBackend: { service: { name: web, port: { number: 80 } } }";
    let both = ingress("web", "", &format!("{default}, {}", rule("a.example", "/", "web", "number: 80")));
    assert_eq!(said(&(both + &service(""))), ["default/web@1", "√ a.example/… → web:80"]);
    let alone = ingress("web", "", default);
    assert_eq!(said(&(alone + &service(""))), ["default/web@1", "√ any host/… → web:80"]);
}

#[test]
fn kinds_that_mean_nothing_here_are_counted() {
    let other =
        "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n---\n";
    assert_eq!(said(&other.repeat(2)), ["note: not looked at: 2 ConfigMap, 2 HTTPRoute.gateway.networking.k8s.io"]);
}
