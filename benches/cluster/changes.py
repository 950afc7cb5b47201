"""How soon a change is served: an Ingress that is new, an endpoint that is another one."""

import statistics
import time

from figure import Figure
from site_in_cluster import INGRESSES, NAMESPACE, ask, ingress

SAMPLES = 300


def measure(site, existing):
    site.api.each([lambda number=number: site.api.ask("POST", INGRESSES, ingress(f"r{number}.figures.test")) for number in range(existing)])
    site.until_answered(f"r{existing - 1}.figures.test")
    times, seen = new_ingresses(site)
    moved = other_endpoints(site)
    only = ", ".join(str(status) for status in sorted(seen))
    return [
        Figure.judged(f"Ingress created → first correct answer, {existing} routes: median", f"{statistics.median(times):.1f} ms", "≤ 15 ms", statistics.median(times) <= 15),
        Figure.judged("– p99", f"{p99(times):.1f} ms", "≤ 40 ms", p99(times) <= 40),
        Figure.judged("– what is seen meanwhile", only, "404, then 200", seen <= {200, 404}),
        Figure.judged("EndpointSlice changed → used: p99", f"{p99(moved):.1f} ms", "≤ 20 ms", p99(moved) <= 20),
    ]


def new_ingresses(site):
    """From the API server's answer on, since nobody can know of it before. In ms; and the statuses that were seen."""
    times, seen, connection = [], set(), site.connect()
    for number in range(SAMPLES):
        host = f"n{number}.figures.test"
        site.api.ask("POST", INGRESSES, ingress(host))
        created = time.perf_counter()
        status = None
        while status != 200:
            status, _ = ask(connection, host)
            seen.add(status)
        times.append((time.perf_counter() - created) * 1000)
    return times, seen


def other_endpoints(site):
    """A Service whose slice is written by hand, to and fro between two pods. In ms."""
    pods = [site.api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/posts-{number}") for number in (0, 1)]
    addresses = [pod["status"]["podIP"] for pod in pods]
    port = {"name": "http", "port": 8080, "protocol": "TCP"}
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "switch"}, "spec": {"ports": [port]}}
    site.api.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/services", service)
    metadata = {"name": "switch", "labels": {"kubernetes.io/service-name": "switch"}}
    endpoints = [{"addresses": [addresses[0]], "conditions": {"ready": True}}]
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4", "ports": [port], "endpoints": endpoints}
    site.api.ask("POST", slices, body)
    site.api.ask("POST", INGRESSES, ingress("switch.figures.test", "switch"))
    site.until_answered("switch.figures.test")
    times, connection = [], site.connect()
    for number in range(1, SAMPLES + 1):
        to = number % 2
        patch = {"endpoints": [{"addresses": [addresses[to]], "conditions": {"ready": True}}]}
        site.api.ask("PATCH", f"{slices}/switch", patch, "application/merge-patch+json")
        changed = time.perf_counter()
        while ask(connection, "switch.figures.test") != (200, f"posts-{to}"):
            pass
        times.append((time.perf_counter() - changed) * 1000)
    return times


def p99(times):
    return statistics.quantiles(times, n=100, method="inclusive")[98]
