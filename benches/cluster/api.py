"""The API server, by way of `kubectl proxy`: plain HTTP, one connection per thread."""

import concurrent.futures
import http.client
import json
import re
import threading
import time

from processes import Failed


class Api:
    def __init__(self, processes):
        proxy = processes.start("kubectl-proxy", ["kubectl", "proxy", "--port=0"], 0)
        deadline = time.monotonic() + 10
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", processes.output("kubectl-proxy"))):
            if proxy.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"kubectl proxy does not start: {processes.output('kubectl-proxy')}")
            time.sleep(0.05)
        self.port = int(found[1])
        self.local = threading.local()

    def ask(self, method, path, body=None, kind="application/json"):
        """Returns what came back as JSON; the answer has been read when this returns."""
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"content-type": kind} if body is not None else {}
        self.local.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.local.connection.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {said.decode(errors='replace')[:500]}")
        return json.loads(said)

    def each(self, jobs):
        """Runs jobs, sixteen at once."""
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for _ in pool.map(lambda job: job(), jobs):
                pass

    def version(self):
        return self.ask("GET", "/version")["gitVersion"]
