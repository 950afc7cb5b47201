"""TLS 1.3 handshakes beside HAProxy: CPU time of the whole connection, from accept to close, nothing asked over it.

Both are pinned to one core, one at a time is under load. The clients take longer for a handshake than the proxies do, so
handshakes per second would say more about them; CPU time asks only the proxy.
"""

import contextlib
import socket
import ssl
import statistics
import threading
import time

from counters import CpuTime
from figure import Figure
from processes import Failed, note

THREADS = 4


def measure(machine, pairs, seconds):
    """In the order ABBA, so that slow drift cancels."""
    haproxy = machine.start_haproxy()
    with machine.start_moorline() as moorline:
        rates = {}
        for number in range(pairs):
            for proxy in (haproxy, moorline) if number % 2 == 0 else (moorline, haproxy):
                for kind, resumed in (("full", False), ("resumed", True)):
                    note(f"handshakes, {kind}, {proxy.name.partition('-')[0]}")
                    rates.setdefault((kind, proxy), []).append(per_cpu_second(proxy, resumed, seconds))
        machine.processes.end(haproxy.process)
        return [judge(kind, rates[kind, moorline], rates[kind, haproxy], haproxy.name) for kind in ("full", "resumed")]


def judge(kind, ours, theirs, name):
    ratio = statistics.median(our / their for our, their in zip(ours, theirs))
    measured = f"{statistics.median(ours):.0f}, {name}: {statistics.median(theirs):.0f}; ratio {ratio:.2f}"
    return Figure.judged(f"TLS 1.3 handshakes per CPU-second, {kind}", measured, "ratio ≥ 1", ratio >= 1)


def per_cpu_second(proxy, resumed, seconds):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    session = ticket(proxy.tls, context) if resumed else None
    run(proxy.tls, context, session, 0.5)
    before = CpuTime.of(proxy.pid)
    done = run(proxy.tls, context, session, seconds)
    # What has been accepted is worked off.
    time.sleep(0.1)
    return done / (CpuTime.of(proxy.pid) - before).total


def run(address, context, session, seconds):
    """How many handshakes some threads have made in that time."""
    counts, failures, deadline = [], [], time.monotonic() + seconds

    def work():
        count = 0
        try:
            while time.monotonic() < deadline:
                shake(address, context, session)
                count += 1
        except (OSError, Failed) as error:
            failures.append(error)
        counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise Failed(f"a handshake failed: {failures[0]}")
    return sum(counts)


def shake(address, context, session):
    with connect(address, context, session) as connection:
        if connection.session_reused != (session is not None):
            raise Failed("a session was not resumed" if session else "a session was resumed")
        # Says that it is over, and waits until the proxy has seen that.
        with contextlib.suppress(OSError):
            connection.unwrap().close()


def ticket(address, context):
    """A session to resume, as often as one likes; it comes behind the handshake, so something is asked."""
    with connect(address, context, None) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nhost: wire.example\r\n\r\n")
        connection.recv(4096)
        return connection.session


def connect(address, context, session):
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="wire.example", session=session)
