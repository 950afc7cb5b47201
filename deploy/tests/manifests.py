"""All that deploy/ renders to. deploy/tests/run starts it."""

import os
import re
import sys
import unittest

from rendered import DEPLOY, containers, documented, helm, kustomizations, kustomize, objects, permissions, pods, rules, run

GOLDEN = DEPLOY / "tests" / "golden"
RICH = ("--values", str(DEPLOY / "tests" / "rich.yaml"))
MONGOD_USER = 999
UPDATE = "--update" in sys.argv


def everything():
    """(what it is called, its objects), for all there is."""
    for folder in kustomizations():
        yield folder, objects(kustomize(folder))
    yield "helm", objects(helm())
    yield "helm, rich", objects(helm(*RICH))
    yield "demo/mongo/db.yml", objects((DEPLOY / "demo/mongo/db.yml").read_text())


class Manifests(unittest.TestCase):
    def each(self):
        for name, rendered in everything():
            self.assertTrue(rendered, name)
            yield name, rendered

    def test_every_image_has_a_tag(self):
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                for container in containers(spec):
                    self.assertRegex(container["image"], r"^[^:]+(:\d+/[^:]+)?:[\w.-]+$", f"{name}: {owner}")
                    self.assertNotIn(":latest", container["image"])

    def test_no_pod_asks_for_a_privilege(self):
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                where = f"{name}: {owner}"
                context = spec["securityContext"]
                self.assertIs(context["runAsNonRoot"], True, where)
                self.assertIn(context["runAsUser"], (65532, MONGOD_USER), where)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, where)
                self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), where)
                for container in containers(spec):
                    own = container["securityContext"]
                    self.assertIs(own["allowPrivilegeEscalation"], False, where)
                    self.assertIs(own["readOnlyRootFilesystem"], True, where)
                    self.assertEqual(own["capabilities"], {"drop": ["ALL"]}, where)

    def test_every_container_is_probed_and_bounded(self):
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                for container in containers(spec):
                    where = f"{name}: {owner}: {container['name']}"
                    # mongod's health is its sidecar's to tell.
                    if container["name"] != "mongod":
                        self.assertIn("readinessProbe", container, where)
                        self.assertIn("livenessProbe", container, where)
                    self.assertIn("requests", container["resources"], where)
                    if name != "helm, rich":
                        self.assertIn("memory", container["resources"]["limits"], where)

    def test_only_who_needs_a_token_gets_one(self):
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                self.assertIs(spec["automountServiceAccountToken"], owner == "Deployment moorline", f"{name}: {owner}")

    def test_a_selector_selects_the_pods_of_its_own_template(self):
        for name, rendered in self.each():
            for each in rendered:
                if each["kind"] in ("Deployment", "StatefulSet"):
                    selector = each["spec"]["selector"]["matchLabels"]
                    labels = each["spec"]["template"]["metadata"]["labels"]
                    self.assertLessEqual(selector.items(), labels.items(), name)

    def test_no_role_has_a_wildcard(self):
        for name, rendered in self.each():
            for role, rule in rules(rendered):
                for part in rule.values():
                    self.assertNotIn("*", part, f"{name}: {role['metadata']['name']}")

    def test_nobody_may_list_or_watch_secrets_but_one_by_its_name(self):
        for name, rendered in self.each():
            for role, rule in rules(rendered):
                if "secrets" in rule["resources"] and {"list", "watch"} & set(rule["verbs"]):
                    self.assertEqual(len(rule.get("resourceNames", [])), 1, f"{name}: {role['metadata']['name']}")

    def test_one_namespace_is_watched_without_anything_of_the_cluster(self):
        for rendered in (objects(kustomize("overlays/namespaced")), objects(helm(*RICH))):
            self.assertFalse([each for each in rendered if each["kind"].startswith("ClusterRole")])

    def test_the_roles_of_a_watched_namespace_are_the_cluster_role_without_classes(self):
        def of(rendered, kind, name):
            roles = [each for each in rendered if each["kind"] == kind and each["metadata"]["name"] == name]
            return {entry[1:] for entry in permissions(roles[:1])}

        base = {entry for entry in of(objects(kustomize("base")), "ClusterRole", "moorline") if entry[1] != "ingressclasses"}
        self.assertTrue(base)
        self.assertEqual(of(objects(kustomize("overlays/namespaced")), "Role", "moorline-watch"), base)
        self.assertEqual(of(objects(helm("--set", "watchNamespaces={shop}")), "Role", "moorline-watch"), base)

    def test_the_page_names_every_permission_and_no_other(self):
        page = (DEPLOY.parent / "docs" / "kubernetes.md").read_text()
        self.assertEqual(set(documented(page)), permissions(objects(kustomize("base"))))

    def test_every_variable_is_a_flag(self):
        args = DEPLOY.parent / "src" / "config" / "args"
        flags = "".join((args / name).read_text() for name in ("ingress.rs", "cluster.rs"))
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                for variable in spec["containers"][0].get("env", []):
                    if variable["name"].startswith("MOORLINE_"):
                        self.assertIn(f'env = "{variable["name"]}"', flags, f"{name}: {owner}")

    def test_a_pod_is_killed_only_after_it_could_have_drained(self):
        for name, rendered in self.each():
            for owner, spec in pods(rendered):
                if owner == "Deployment moorline":
                    env = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
                    grace = int(env["MOORLINE_SHUTDOWN_GRACE_PERIOD"].removesuffix("s"))
                    self.assertGreater(spec["terminationGracePeriodSeconds"], grace + 30, name)


class Chart(unittest.TestCase):
    def test_the_default_is_what_base_is(self):
        def comparable(rendered):
            for each in rendered:
                for label in ("app.kubernetes.io/managed-by", "helm.sh/chart"):
                    each["metadata"].get("labels", {}).pop(label, None)
                for _, spec in pods([each]):
                    spec["containers"][0]["env"].sort(key=lambda variable: variable["name"])
            return {(each["kind"], each["metadata"]["name"]): each for each in rendered}

        base, chart = comparable(objects(kustomize("base"))), comparable(objects(helm()))
        # Helm makes no namespace of its own: --create-namespace does.
        del base["Namespace", "moorline"]
        self.assertEqual(chart.keys(), base.keys())
        for key in base:
            self.assertEqual(chart[key], base[key], key)

    def test_it_renders_to_what_is_expected(self):
        for name, args in (("default", ()), ("rich", RICH)):
            path, rendered = GOLDEN / f"{name}.yaml", helm(*args)
            if UPDATE:
                path.write_text(rendered)
            self.assertEqual(path.read_text(), rendered, "deploy/tests/run --update writes it anew")

    def test_releases_beside_each_other_have_a_leader_each(self):
        def lease(release):
            rendered = objects(helm(release=release))
            env = {each["name"]: each.get("value") for _, spec in pods(rendered) for each in spec["containers"][0]["env"]}
            named = [
                name
                for each in rendered
                if each["kind"] == "Role"
                for rule in each["rules"]
                if rule["resources"] == ["leases"]
                for name in rule.get("resourceNames", [])
            ]
            self.assertEqual(named, [env.get("MOORLINE_ELECTION_ID", "moorline-ingress-leader")], release)
            return named[0]

        self.assertEqual(lease("moorline"), "moorline-ingress-leader")
        self.assertEqual(lease("internal"), "internal-moorline-ingress-leader")

    def test_values_that_make_no_sense_are_refused(self):
        for bad in (
            "replicas=3",
            "accessLog=yes",
            "watchNamespaces={Shop}",
            "trustedProxies={everybody}",
            "defaultSslCertificate=wildcard",
            "hostPorts.http=70000",
            "terminationGracePeriodSeconds=35",
            "legacyCookiesUntil=soon",
        ):
            with self.subTest(bad), self.assertRaises(AssertionError):
                helm("--set", bad)
        with self.assertRaises(AssertionError):
            helm("--set", "watchNamespaces={shop},watchNamespaceSelector=team=web")

    def test_helm_lints_it(self):
        for args in ((), RICH):
            run("helm", "lint", "--strict", DEPLOY / "helm" / "moorline", *args)


@unittest.skipUnless(os.environ.get("KUBECONFIG"), "no KUBECONFIG")
class Cluster(unittest.TestCase):
    """What an API server says that looks at everything, and keeps nothing but a namespace for a while."""

    def test_an_api_server_takes_everything_without_a_warning(self):
        for folder in kustomizations():
            if folder.startswith("overlays/namespaced/"):
                continue
            with self.subTest(folder):
                level = "privileged" if folder in ("overlays/host-ports", "overlays/kind", "overlays/minikube") else "restricted"
                # The Namespace that is rendered says so itself.
                for each in objects(kustomize(folder)):
                    if each["kind"] == "Namespace":
                        self.assertEqual(each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], level)
                self.dry_run(folder, level)

    def dry_run(self, folder, level):
        namespace = f"moorline-dry-run-{os.getpid()}-{folder.replace('/', '-')}"
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
        run("kubectl", "create", "namespace", namespace)
        try:
            run("kubectl", "label", "namespace", namespace, *(f"{key}={value}" for key, value in labels.items()))
            # As text, since kustomize refuses to bring two objects of one name together: the same Role for two namespaces.
            moved = re.sub(r"(?m)^( *namespace:) (moorline|default)$", rf"\1 {namespace}", kustomize(folder))
            rendered = [each for each in moved.split("\n---\n") if not re.search(r"(?m)^kind: Namespace$", each)]
            apply = f"kubectl --namespace {namespace} apply --dry-run=server --validate=strict -f - 2>&1"
            said = run("sh", "-c", apply, stdin="\n---\n".join(rendered))
            # Objects that are there already, from elsewhere, are no fault of these.
            warnings = [line for line in said.splitlines() if "Warning" in line and "last-applied-configuration" not in line]
            self.assertEqual(warnings, [])
            self.assertEqual(said.count("(server dry run)"), len(rendered), said)
        finally:
            run("kubectl", "delete", "namespace", namespace, "--wait=false")


if __name__ == "__main__":
    unittest.main(argv=[each for each in sys.argv if each != "--update"])
