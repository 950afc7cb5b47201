"""The two proxies and the origin: how they are started, and the proof that both proxies do the same job."""

import http.client
import pathlib
import time

from processes import Failed, first_line, free_addresses, require_own_listener, resident_megabytes

HERE = pathlib.Path(__file__).resolve().parent

ORIGINS = 3
# What a browser sends; the sticky cookie joins the application's own.
HEADERS = {
    "Host": "posts.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "http://posts.example/login",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Cookie": "theme=dark",
}
ADDED_BY_BOTH = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id")


class Proxy:
    """A running proxy, the sticky cookie it gave us, and what it does to a request."""

    def __init__(self, name, version, process, address, cookie):
        self.name, self.version, self.address = name, version, address
        self.process, self.pid = process, process.pid
        wait_until_it_answers(name, process, address)
        require_own_listener(name, self.pid, address)
        self.headers = dict(HEADERS)
        self.headers["Cookie"] += "; " + obtain_cookie(name, address, cookie)
        self.head_bytes = require_same_job(self, cookie)
        self.resident_at_start = resident_megabytes(self.pid)


def start_origins(machine, path):
    process = machine.processes.start("origin", [str(path), "--listen", "127.0.0.1:0", "--count", str(ORIGINS)], machine.load_core)
    deadline = time.monotonic() + 5
    while len(addresses := machine.processes.output("origin").split()) < ORIGINS:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"the origin did not start: {machine.processes.output('origin')}")
        time.sleep(0.02)
    return process, addresses


def start_haproxy(machine, name, origins, wrapper=()):
    (address,) = free_addresses(1)
    environment = {"LISTEN": address} | {f"ORIGIN_{number}": origin for number, origin in enumerate(origins, 1)}
    process = machine.processes.start(name, [*wrapper, "haproxy", "-db", "-f", str(HERE / "haproxy.cfg")], machine.proxy_core, environment)
    version = first_line(["haproxy", "-v"]).split(" ")[2]
    return Proxy(name, f"HAProxy {version}", process, address, "SRV")


def start_moorline(machine, path, origins, wrapper=()):
    address, admin = free_addresses(2)
    command = [*wrapper, str(path), "proxy", "--listen", address, "--admin", admin]
    command += ["--workers", "1", "--access-log", "off", *origins]
    process = machine.processes.start("moorline", command, machine.proxy_core)
    return Proxy("moorline", first_line([str(path), "--version"]) or "moorline", process, address, "moorline")


def wait_until_it_answers(name, process, address):
    deadline = time.monotonic() + 30
    while True:
        try:
            return get(address, HEADERS)
        except (OSError, http.client.HTTPException) as error:
            if process.poll() is not None:
                raise Failed(f"{name} ended with code {process.returncode}: {process.log.read_text().strip()}") from error
            if time.monotonic() > deadline:
                raise Failed(f"{name} does not answer on {address}: {error}") from error
            time.sleep(0.05)


def obtain_cookie(name, address, cookie):
    response, _ = get(address, HEADERS)
    for value in response.headers.get_all("Set-Cookie", []):
        if value.startswith(f"{cookie}="):
            return value.partition(";")[0]
    raise Failed(f"{name} answered {response.status} without the cookie {cookie}")


def require_same_job(proxy, cookie):
    """The session stays on one origin, and the origin gets what both proxies promise. Returns the size of that head."""
    answers = [get(proxy.address, proxy.headers)[0] for _ in range(4 * ORIGINS)]
    if len({answer.headers["X-Served-By"] for answer in answers}) != 1:
        raise Failed(f"{proxy.name} does not keep the session on one origin")
    _, seen = get(proxy.address, proxy.headers, "/seen")
    received = {name.lower(): value for name, _, value in (line.partition(": ") for line in seen.decode().splitlines()[1:])}
    missing = [name for name in ADDED_BY_BOTH if name not in received]
    if missing:
        raise Failed(f"{proxy.name} does not send {', '.join(missing)}")
    if received["cookie"] != HEADERS["Cookie"]:
        raise Failed(f"{proxy.name} does not strip the cookie {cookie}: {received['cookie']}")
    return len(seen)


def get(address, headers, path="/post"):
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise http.client.HTTPException(f"status {response.status}")
    return response, body
