"""What kustomize and Helm make of deploy/, as objects."""

import functools
import pathlib
import re
import subprocess

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm" / "moorline"
# Helm asks nobody: it takes any cluster for this one.
KUBERNETES = "1.35.0"


def run(*command, stdin=None):
    """What a command says. Raises with what it complains about."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def kustomizations():
    """Every folder that can be applied, from deploy/ on."""
    return sorted(str(path.parent.relative_to(DEPLOY)) for path in DEPLOY.rglob("kustomization.yaml"))


@functools.cache
def kustomize(folder):
    return run("kubectl", "kustomize", DEPLOY / folder)


@functools.cache
def helm(*args, release="moorline"):
    """The chart as a release in the namespace `moorline`."""
    return run("helm", "template", release, CHART, "--namespace", "moorline", "--kube-version", KUBERNETES, *args)


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each]


def pods(rendered):
    """The templates of pods, each with the name of whose it is."""
    for each in rendered:
        template = each.get("spec", {}).get("template")
        if template:
            yield f"{each['kind']} {each['metadata']['name']}", template["spec"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def rules(rendered):
    """Every rule of every Role and ClusterRole, with the object that it is in."""
    for each in rendered:
        if each["kind"] in ("Role", "ClusterRole"):
            yield from ((each, rule) for rule in each["rules"])


def permissions(rendered):
    """The rules taken apart: (where, group, resource, name or "", verb)."""
    return {
        ("cluster" if role["kind"] == "ClusterRole" else "own namespace", group or "core", resource, name, verb)
        for role, rule in rules(rendered)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def documented(page):
    """The same, as the table of a page has it. A permission is for all groups and resources of its line."""
    table = page.split("<!-- permissions -->")[1].split("<!-- /permissions -->")[0]
    for line in table.strip().splitlines()[2:]:
        where, groups, resources, names, verbs, _ = (re.sub("`", "", cell).strip() for cell in line.strip("|").split("|"))
        for group in groups.split(", "):
            for resource in resources.split(", "):
                for verb in verbs.split(", "):
                    yield where, group, resource, names, verb
