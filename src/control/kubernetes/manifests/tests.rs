use super::*;

fn read(text: &str) -> Manifests {
    Manifests::read(text)
}

fn ingress(at: usize, manifests: &Manifests) -> &std::sync::Arc<crate::control::kubernetes::objects::Ingress> {
    match &manifests.objects[at].object {
        Object::Ingress(ingress) => ingress,
        other => panic!("{other:?}"),
    }
}

const WEB: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\n";

#[test]
fn objects_of_a_file_are_completed_by_their_order() {
    let old =
        WEB.replace("name: web", "name: old, namespace: shop, creationTimestamp: \"2020-01-01T00:00:00Z\", uid: u");
    let made = WEB.replace("name: web", "generateName: web-");
    let manifests = read(&[WEB, &old, &made].join("---\n"));
    let all: Vec<_> = (0..3).map(|at| ingress(at, &manifests)).collect();
    assert_eq!(
        all.iter().map(|one| one.name.to_string()).collect::<Vec<_>>(),
        ["default/web", "shop/old", "default/web-3"]
    );
    assert_eq!((&*all[0].uid, &*all[1].uid), ("1-of-the-file", "u"));
    assert!(all[1].created < all[0].created && all[0].created < all[2].created, "{all:?}");
    assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
}

#[test]
fn lists_are_read_item_by_item_in_yaml_and_json() {
    let yaml = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: Ingress\n  metadata: { name: a }\n\
                - { apiVersion: v1, kind: ConfigMap }\n- apiVersion: v1\n  kind: Service\n  metadata: { name: b }\n";
    let json = r#"{"kind":"List","apiVersion":"v1","items":[
        {"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"a"}},
        {"apiVersion":"v1","kind":"ConfigMap"},
        {"apiVersion":"v1","kind":"Service","metadata":{"name":"b"}}]}"#;
    for (text, lines) in [(yaml, [4, 8]), (json, [2, 4])] {
        let manifests = read(text);
        let found: Vec<_> =
            manifests.objects.iter().map(|found| (found.object.name().to_string(), found.place.line)).collect();
        assert_eq!(found, [("default/a".to_owned(), lines[0]), ("default/b".to_owned(), lines[1])], "{text}");
        assert_eq!(manifests.skipped["ConfigMap"], 1);
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
    }
}

#[test]
fn an_item_that_cannot_be_read_keeps_no_other_from_it() {
    let item = |name: &str, labels: &str| {
        format!("- apiVersion: v1\n  kind: Service\n  metadata: {{ name: {name}, labels: {labels} }}\n")
    };
    let list = ["{}", "[x]", "{}", "{ a: 1 }", "{}"].iter().zip(["a", "b", "c", "d", "e"]);
    let list: String = list.map(|(labels, name)| item(name, labels)).collect();
    let manifests = read(&format!("apiVersion: v1\nkind: List\nitems:\n{list}"));
    let names: Vec<_> = manifests.objects.iter().map(|found| &*found.object.name().name).collect();
    assert_eq!(names, ["a", "c", "e"]);
    let said: Vec<_> =
        manifests.problems.iter().map(|problem| (&*problem.message, problem.place.unwrap().line)).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].0.starts_with("Service b (document 1, item 2): ") && said[0].1 == 9, "{said:?}");
    assert!(said[1].0.starts_with("Service d (document 1, item 4): ") && said[1].1 == 15, "{said:?}");
}

#[test]
fn nothing_of_a_secret_is_repeated() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\n";
    let list = "apiVersion: v1\nkind: List\nitems:\n- { apiVersion: v1, kind: Secret, metadata: { name: s },\n    ";
    for (begin, rest, expected) in [
        (secret, "data: { key: hunter2% }", "Secret s (document 1): this is not"),
        (secret, "data: hunter2", "Secret s (document 1): this is not"),
        (secret, "stringData: { hunter2: [hunter2] }", "Secret s (document 1): this is not"),
        (secret, "type: [hunter2]", "Secret s (document 1): this is not"),
        (secret, "data: { key: hunter2", "document 1: this cannot be read"),
        (list, " data: hunter2 }", "Secret s (document 1, item 1): this is not"),
        (list, " data: hunter2", "document 1: this cannot be read"),
        (
            list,
            "data: { a: aHVudGVyMg== } }\n- { apiVersion: v1, kind: Service, metadata: { name: hunter } , spec: [hunter2] }",
            "Service hunter (document 1, item 2): ",
        ),
    ] {
        let manifests = read(&format!("{begin}{rest}\n"));
        let [problem] = &*manifests.problems else { panic!("one problem: {:?}", manifests.problems) };
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        assert!(problem.place.is_none() && problem.message.starts_with("line "), "{problem:?}");
        assert!(problem.message.contains(expected), "{problem:?}");
    }
}

#[test]
fn secrets_are_looked_at_if_they_are_certificates() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\n";
    assert!(read(secret).secrets.is_empty());
    let manifests = read(&format!("{secret}type: kubernetes.io/tls\nstringData: {{ tls.crt: x, tls.key: x }}\n"));
    assert!(manifests.secrets.contains_key(&Name::new("default", "s")), "{:?}", manifests.secrets);
}

#[test]
fn pods_makers_are_read_for_their_labels_alone() {
    let text = "apiVersion: apps/v1\nkind: KIND\nmetadata: { name: web }\nspec:\n  replicas: 3\n  template:\n    metadata:\n      \
                labels: { app: web }\n    spec: { containers: [{ resources: { limits: { cpu: 1 } } }] }\n";
    let manifests = read(&text.replace("KIND", "Deployment"));
    assert_eq!((manifests.workloads[0].kind, manifests.workloads[0].labels["app"].as_str()), ("Deployment", "web"));
    let manifests = read(&text.replace("KIND", "StatefulSet"));
    let Object::Set(set) = &manifests.objects[0].object else { panic!("a StatefulSet") };
    assert_eq!((set.replicas, set.labels["app"].as_str()), (3, "web"));
}

#[test]
fn what_is_no_object_that_the_api_server_takes_is_said_with_its_line() {
    for (text, line, expected) in [
        ("\nsome: thing\n", 2, "this is no object of Kubernetes: it has no apiVersion and kind"),
        ("apiVersion: v1\nkind: Service\n", 1, "this Service has no name"),
        (
            "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: { name: a }\n",
            1,
            "Ingress a: there is no Ingress of extensions/v1beta1 since Kubernetes 1.22",
        ),
        ("apiVersion: v1\nkind: [\n", 2, "document 1: "),
        (
            "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: x }] }\n",
            4,
            "Service a (document 1): expected a whole number",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: { name: a, annotations: { b: yes, c: 1 } }\n",
            3,
            "Service a (document 1): expected a text",
        ),
    ] {
        let manifests = read(text);
        let [problem] = &*manifests.problems else { panic!("{text}: {:?}", manifests.problems) };
        assert!(problem.message.starts_with(expected), "{text}: {problem:?}");
        assert_eq!(problem.place.map(|place| place.line), Some(line), "{text}: {problem:?}");
    }
}

#[test]
fn templates_are_known_as_such() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: ";
    for rest in
        ["{ name: {{ .Release.Name }} }", "{ name: a, labels: { a: {{ .Values.a }} } }", "\n  {{- include \"a\" . }}"]
    {
        let manifests = read(&format!("{service}{rest}\n"));
        let hint = manifests.problems[0].hint.as_deref();
        assert!(hint.is_some_and(|hint| hint.contains("helm template")), "{rest}: {manifests:?}");
    }
}

#[test]
fn fields_that_an_ingress_does_not_have_are_said_with_their_place() {
    let path = |rest: &str| {
        format!("spec: {{ rules: [{{ http: {{ paths: [{{ path: /, pathType: Prefix, backend: {rest} }}] }} }}] }}\n")
    };
    let good = path("{ service: { name: a, port: { number: 80 } } }");
    let old = path("{ serviceName: a, servicePort: 80 }");
    for (spec, expected) in [
        (good.as_str(), &[][..]),
        ("spec: { ingressClassName: null, rules: [], tls: null }\nstatus: { loadBalancer: {} }\n", &[]),
        (
            old.as_str(),
            &[
                ("spec.rules[0].http.paths[0].backend.serviceName", None),
                ("spec.rules[0].http.paths[0].backend.servicePort", None),
            ],
        ),
        (
            "spec: { ingresClassName: moorline, rules: [{ hots: a.example }] }\n",
            &[
                ("spec.ingresClassName", Some("did you mean \"ingressClassName\"?")),
                ("spec.rules[0].hots", Some("did you mean \"host\"?")),
            ],
        ),
    ] {
        let alone = read(&format!("---\n{WEB}{spec}"));
        let indented = format!("{WEB}{spec}").replace('\n', "\n  ");
        let listed = read(&format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", indented.trim_end()));
        for (manifests, called, line) in [(alone, "document 1", 5), (listed, "document 1, item 1", 7)] {
            let said: Vec<_> =
                manifests.problems.iter().map(|problem| (problem.message.clone(), problem.hint.as_deref())).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(path, hint)| (format!("Ingress web ({called}): there is no {path}"), *hint))
                .collect();
            assert_eq!(said, expected, "{spec}");
            assert!(manifests.problems.iter().all(|problem| problem.place.unwrap().line == line), "{manifests:?}");
            assert_eq!(manifests.objects.len(), 1);
        }
    }
}
