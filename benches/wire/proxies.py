"""The proxies and the origin: how they are started, and what they say about themselves."""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import time

from processes import Failed, first_line, free_addresses, require_own_listener, resident_megabytes

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1024 * 1024


class Machine:
    """Where everything runs, and what with."""

    def __init__(self, processes, load_core, proxy_core, moorline):
        self.processes, self.load_core, self.proxy_core, self.moorline = processes, load_core, proxy_core, moorline
        self.certificate = make_certificate(processes.scratch)
        # The bystander has its own: how busy the other one is kept is no merit or fault of the proxy's.
        self.origin = start_origin(processes, "origin", load_core, niceness=19)
        self.calm = start_origin(processes, "calm-origin", load_core)
        self.prefers = True
        self.prefer(processes.started[-1])
        self.count = 0

    def prefer(self, process):
        """Whatever else this machine does waits for it, if that is allowed here. Without it, somebody else's turn of some
        milliseconds looks like the proxy's.
        """
        try:
            for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            self.prefers = False

    def start_moorline(self, **limits):
        """A proxy of one worker, with these limits beside its defaults."""
        self.count += 1
        return Moorline(self, f"moorline-{self.count}", limits)

    def start_haproxy(self):
        plain, tls = free_addresses(2)
        environment = {"PLAIN": plain, "TLS": tls, "ORIGIN": self.origin, "CALM": self.calm, "CERTIFICATE": str(self.certificate)}
        process = self.processes.start("haproxy", ["haproxy", "-db", "-f", str(HERE / "haproxy.cfg")], self.proxy_core, environment)
        return Proxy("HAProxy " + first_line(["haproxy", "-v"]).split(" ")[2], process, plain, tls)


class Proxy:
    """A proxy that answers."""

    def __init__(self, name, process, plain, tls):
        self.name, self.process, self.pid, self.plain, self.tls = name, process, process.pid, plain, tls
        wait_for(lambda: answers(plain), process, name)
        require_own_listener(name, self.pid, plain)

    def resident(self):
        """Bytes."""
        return round(resident_megabytes(self.pid) * 1e6)


class Moorline(Proxy):
    """`moorline run`, which counts its connections itself."""

    def __init__(self, machine, name, limits):
        plain, tls, self.admin = free_addresses(3)
        key = str(machine.certificate)
        limits = {"connections": 100_000, "requests": 100_000, "upstream_connections": 100_000} | limits
        config = {
            "listeners": [{"address": plain}, {"address": tls, "tls": {"certificates": [{"cert": key, "key": key}]}}],
            "admin": {"address": self.admin},
            "limits": {limit: str(value) for limit, value in limits.items()},
            "access_log": {"format": "off"},
            "workers": 1,
            "backends": {"origin": {"endpoints": [machine.origin]}, "calm": {"endpoints": [machine.calm]}},
            "routes": [{"rules": [{"backend": "origin"}]}, {"hosts": ["bystander.example"], "rules": [{"backend": "calm"}]}],
        }
        file = machine.processes.scratch / f"{name}.yaml"
        file.write_text(json.dumps(config))  # which YAML understands
        self.machine = machine
        process = machine.processes.start(name, [str(machine.moorline), "run", "-c", str(file)], machine.proxy_core)
        super().__init__(name, process, plain, tls)

    def metric(self, name):
        connection = http.client.HTTPConnection(self.admin, timeout=10)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def open_connections(self):
        return int(self.metric("moorline_client_connections_open"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Whatever it still holds is ours: there is nothing to wait for.
        self.process.kill()
        self.process.wait()


def make_certificate(scratch):
    """ECDSA P-256, certificate and key in one file, as HAProxy wants it."""
    key, certificate, both = scratch / "key.pem", scratch / "cert.pem", scratch / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=wire.example", "-addext", "subjectAltName=DNS:wire.example", "-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"no certificate: {done.stderr}")
    both.write_text(certificate.read_text() + key.read_text())
    return both


def start_origin(processes, name, core, niceness=0):
    """Where it listens."""
    process = processes.start(name, ["nice", "-n", str(niceness), sys.executable, str(HERE / "origin.py")], core)
    return wait_for(lambda: processes.output(name).strip(), process, name)


def wait_for(ready, process, name):
    deadline = time.monotonic() + 15
    while not (found := ready()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{name} did not start: {process.log.read_text(errors='replace').strip()}")
        time.sleep(0.02)
    return found


def answers(address):
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/hello")
        return connection.getresponse().read() == b"hello\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
