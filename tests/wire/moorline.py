"""The program under test: built, started on free ports, ended in order."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

FILE = """
listeners:
  - {{ address: 127.0.0.1:{plain} }}
  - {{ address: 127.0.0.1:{tls}, tls: {{ certificates: [{{ cert: cert.pem, key: key.pem }}] }} }}
admin: {{ address: 127.0.0.1:{admin} }}
access_log: {{ format: off }}
workers: 2
limits: {{ {limits} }}
backends:
  posts: {{ endpoints: [{{ name: posts-0, address: 127.0.0.1:{origin} }}] }}
routes:
  - rules: [{{ path: {{ prefix: / }}, backend: posts, session: {{}} }}]
"""


def build():
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--bin", "moorline"], cwd=ROOT, check=True)
    return TARGET / "release" / "moorline"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certify(folder):
    """A certificate for localhost, and the authority that has signed it."""
    openssl = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3", "-subj", "/CN=Test authority",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *curve, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", "cert.pem",
            "-extfile", "extensions")


class Moorline:
    def __init__(self, ports, process):
        self.plain, self.tls, self.admin = ports
        self.process = process

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def serving(binary, folder, origin, limits=""):
    """Runs it in front of this port of 127.0.0.1, and sees that it ends in order."""
    certify(folder)
    ports = plain, tls, admin = free_port(), free_port(), free_port()
    text = FILE.format(plain=plain, tls=tls, admin=admin, limits=limits, origin=origin)
    (folder / "moorline.yaml").write_text(text)
    with open(folder / "moorline.log", "w") as log:
        command = [binary, "run", "-c", "moorline.yaml"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        listening(process, plain)
        yield Moorline(ports, process)
        if process.poll() is not None:
            raise AssertionError(f"moorline ended by itself with {process.returncode}")
    finally:
        # What it leaves under way is not worth waiting for.
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def listening(process, port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on port {port}")
