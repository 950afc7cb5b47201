"""The users API over the replica set of `deploy/demo/mongo`, through Moorline."""

import pathlib
import subprocess

from figure import Figure
from processes import ROOT, Failed, note
from site_in_cluster import run

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 15
CLIENTS = 16


def measure(site):
    if not site.is_loaded:
        load(site)
    demo = ROOT / "deploy/demo/mongo"
    try:
        site.kubectl("apply", "-k", str(demo))
        site.kubectl("rollout", "status", "statefulset/mongo", "--timeout=180s")
        site.kubectl("apply", "-f", str(demo / "api.yml"))
        site.kubectl("rollout", "status", "deployment/api", "--timeout=180s")
        site.until_answered("users.session-affinity.com")
        created, read = load_with(site, "create"), load_with(site, "read")
    finally:
        remove(demo)
    show = lambda report: f"{report['requests'] * 1e6 / report['duration']:.0f} a second, p99 {report['p99'] / 1000:.0f} ms"
    return [
        Figure(f"Users over three MongoDB members, {CLIENTS} clients: created, by a majority", show(created)),
        Figure("– pages of 20 read", show(read)),
    ]


def load(site):
    for program in ("users", "mongo-sidecar"):
        site.load_image(program)
    note("building the image of mongod")
    site.load_archive(run([str(ROOT / "demos/mongo-sidecar/tests/e2e/images"), "mongo"]).strip())


def load_with(site, what):
    """wrk's report, after a short run that nobody counts."""
    # wrk takes one script.
    script = site.processes.scratch / "users.lua"
    script.write_text((HERE / "users.lua").read_text() + (HERE.parent / "peers/report.lua").read_text())
    for seconds in (3, SECONDS):
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        said = run([*command, f"http://{site.address}/user", "--", what])
    report = {line.split()[1]: int(line.split()[2]) for line in said.splitlines() if line.startswith("peers ")}
    if report["errors"]:
        raise Failed(f"{report['errors']} of {report['requests']} requests failed: {said}")
    return report


def remove(demo):
    for what in (["-f", str(demo / "api.yml")], ["-k", str(demo)], ["pvc", "-l", "app.kubernetes.io/name=mongo"], ["configmap", "mongo-replset"]):
        subprocess.run(["kubectl", "delete", *what, "--ignore-not-found", "--timeout=180s"], capture_output=True)
