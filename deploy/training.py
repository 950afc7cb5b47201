#!/usr/bin/env python3
"""Has a Moorline serve what most proxies spend their time on, and ends it as a cluster would. `deploy/optimized` watches.

    deploy/training.py MOORLINE
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
BENCHES = pathlib.Path(__file__).resolve().parent.parent / "benches"
sys.path += [str(BENCHES / "harness"), str(BENCHES / "wire")]

from processes import Failed, Processes, free_addresses, note
from proxies import answers, make_certificate, start_origin, wait_for

# What a browser sends.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Cookie": "theme=dark",
}


def main():
    try:
        with Processes() as processes:
            train(processes, sys.argv[1])
    except Failed as failure:
        note(failure)
        return 1
    return 0


def train(processes, binary):
    core = min(os.sched_getaffinity(0))
    origins = [start_origin(processes, f"origin-{number}", core) for number in range(3)]
    plain, tls = free_addresses(2)
    certificate = str(make_certificate(processes.scratch))
    config = {
        "listeners": [{"address": plain}, {"address": tls, "tls": {"certificates": [{"cert": certificate, "key": certificate}]}}],
        "access_log": {"format": "off"},
        "workers": 1,
        "backends": {"origins": {"endpoints": origins}},
        "routes": [{"hosts": ["*"], "rules": [{"backend": "origins", "session": {}}]}],
    }
    file = processes.scratch / "moorline.yaml"
    file.write_text(json.dumps(config))  # which YAML understands
    moorline = processes.start("moorline", [binary, "run", "-c", str(file)], core)
    wait_for(lambda: answers(plain), moorline, "moorline")
    kept = HEADERS | {"Cookie": f"{HEADERS['Cookie']}; {cookie_of(plain)}"}
    body = processes.scratch / "body"
    body.write_bytes(bytes(4096))
    upload = ["-d", str(body)]
    # By far the most: a session that exists, over HTTP/1.
    load(f"http://{plain}/hello", kept, 40_000, ["--h1", "-c", "64"])
    load(f"http://{plain}/hello", HEADERS, 4_000, ["--h1", "-c", "64"])
    load(f"http://{plain}/bytes/200000", kept, 400, ["--h1", "-c", "8"])
    load(f"http://{plain}/sink", kept, 4_000, ["--h1", "-c", "16", *upload])
    load(f"https://{tls}/hello", kept, 8_000, ["--h1", "-c", "64"])
    load(f"https://{tls}/hello", kept, 8_000, ["-c", "16", "-m", "8"])
    load(f"https://{tls}/bytes/200000", kept, 200, ["-c", "4", "-m", "4"])
    load(f"http://{plain}/hello", kept, 8_000, ["-c", "16", "-m", "8"])
    load(f"http://{plain}/sink", kept, 2_000, ["-c", "8", "-m", "4", *upload])
    moorline.terminate()
    if moorline.wait(timeout=60) != 0:
        raise Failed(f"moorline ended with {moorline.returncode}: {processes.output('moorline')}")


def cookie_of(address):
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", "/hello")
    given = connection.getresponse().headers["Set-Cookie"]
    connection.close()
    return given.partition(";")[0]


def load(url, headers, requests, arguments):
    fields = [argument for name, value in headers.items() for argument in ("-H", f"{name}: {value}")]
    command = ["h2load", "-n", str(requests), *arguments, *fields, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0 or f" {requests} succeeded" not in done.stdout:
        raise Failed(f"{' '.join(command)}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
