"""Moorline as `deploy/base` has it, with one replica, and three instances of posts behind it."""

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import time

from api import Api
from processes import ROOT, CannotRun, Failed, note

NAMESPACE = "moorline-figures"
INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"


class Site:
    def __init__(self, processes, is_loaded):
        if not os.environ.get("KUBECONFIG") or not shutil.which("kubectl") or not shutil.which("wrk"):
            raise CannotRun("needs kubectl, wrk, and a cluster that $KUBECONFIG names")
        self.processes, self.is_loaded = processes, is_loaded

    def __enter__(self):
        if not self.is_loaded:
            for program in ("moorline", "posts"):
                self.load_image(program)
        self.kubectl("apply", "-k", str(ROOT / "deploy/base"))
        # Whoever answers is who is measured.
        self.kubectl("-n", "moorline", "scale", "deployment/moorline", "--replicas=1")
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("-n", NAMESPACE, "apply", "-k", str(ROOT / "deploy/demo/posts"))
        self.kubectl("-n", NAMESPACE, "rollout", "status", "statefulset/posts", "--timeout=180s")
        self.kubectl("-n", "moorline", "rollout", "status", "deployment/moorline", "--timeout=180s")
        self.kubectl("-n", "moorline", "wait", "service/moorline", "--for=jsonpath={.status.loadBalancer.ingress}", "--timeout=60s")
        service = json.loads(self.kubectl("-n", "moorline", "get", "service", "moorline", "-o", "json"))
        self.address = service["status"]["loadBalancer"]["ingress"][0]["ip"]
        self.api = Api(self.processes)
        self.until_answered("session-affinity.com")
        return self

    def __exit__(self, *_):
        subprocess.run(["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"], capture_output=True)

    def load_image(self, program):
        archive = self.processes.scratch / f"{program}.tar"
        note(f"building the image of {program}")
        run([str(ROOT / "deploy/image"), program, f"moorline/{program}:0.1.0", str(archive)])
        self.load_archive(archive)

    def load_archive(self, archive):
        load = os.environ.get("MOORLINE_E2E_LOAD", "kind load image-archive")
        run(["sh", "-c", f'{load} "$0"', str(archive)])

    def kubectl(self, *args):
        return run(["kubectl", *args])

    # Moorline's own pod.

    def living(self):
        pods = json.loads(self.kubectl("-n", "moorline", "get", "pods", "-l", "app.kubernetes.io/name=moorline", "-o", "json"))["items"]
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def pod(self):
        living = self.living()
        if len(living) != 1:
            raise Failed(f"{len(living)} replicas of moorline: one is measured")
        return living[0]

    def pid(self):
        """The process of the one replica, found by its control group: the nodes run on this machine."""
        uid = self.pod()["metadata"]["uid"]
        for entry in pathlib.Path("/proc").iterdir():
            try:
                groups, name = (entry / "cgroup").read_text(), (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name == "moorline" and (uid in groups or uid.replace("-", "_") in groups):
                return int(entry.name)
        raise Failed("the replica of moorline does not run on this machine")

    def restart(self):
        """Another pod, ready. Its log so far, as JSON."""
        before = self.pod()["metadata"]["uid"]
        self.kubectl("-n", "moorline", "delete", "pod", "-l", "app.kubernetes.io/name=moorline", "--force", "--grace-period=0")
        name = self.started(before)
        lines = self.kubectl("-n", "moorline", "logs", name).splitlines()
        self.until_answered("session-affinity.com")
        return [json.loads(line) for line in lines if line.startswith("{")]

    def started(self, before):
        """The name of the pod that has come after this one, once it is ready: a roll-out's status may still be that of the old one."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            pods = self.living()
            ready = [pod for pod in pods if any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))]
            if len(pods) == 1 and ready and pods[0]["metadata"]["uid"] != before:
                return pods[0]["metadata"]["name"]
            time.sleep(0.1)
        raise Failed("moorline does not start again")

    def forget_routes(self):
        """All but that of posts."""
        self.api.ask("DELETE", INGRESSES)
        self.kubectl("-n", NAMESPACE, "apply", "-k", str(ROOT / "deploy/demo/posts"))
        self.until_answered("session-affinity.com")

    # What users see.

    def connect(self):
        return http.client.HTTPConnection(self.address, 80, timeout=10)

    def until_answered(self, host):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if ask(self.connect(), host)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failed(f"{host} is not served at {self.address}")


def ask(connection, host):
    """Status, and who served it."""
    connection.request("GET", "/healthz", headers={"host": host})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("x-served-by")


def ingress(host, service="posts", port="http"):
    backend = {"service": {"name": service, "port": {"name": port}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": host.split(".")[0]},
        "spec": {
            "ingressClassName": "moorline",
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    }


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
