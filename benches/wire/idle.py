"""Ten thousand connections that have had an answer and keep quiet: what does each cost?"""

import contextlib
import ssl
import time

import http2
from figure import Figure
from processes import Failed, note
from proxies import MIB
from slow import connected_socket

REQUEST = b"GET /hello HTTP/1.1\r\nhost: wire.example\r\n\r\n"


def measure(machine, count, seconds):
    return [
        judge(machine, seconds, count, "plain", plain, 20),
        judge(machine, seconds, count, "TLS", tls, 40),
        judge(machine, seconds, count, "HTTP/2", over_http2, None),
    ]


def judge(machine, seconds, count, name, connect, goal):
    """From a quarter of them on, so that what is there once is not shared out among them."""
    note(f"{count} idle connections, {name}")
    with machine.start_moorline(idle="10m", first_byte="10m") as proxy, contextlib.ExitStack() as opened:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        few, at_few = count // 4, 0
        for number in range(count):
            if number == few:
                at_few = settled(proxy, seconds)
            opened.enter_context(connect(proxy, number, context))
        at_most, present = settled(proxy, seconds), proxy.open_connections()
    if present < count:
        return Figure.judged(f"{count} idle connections, {name}", f"only {present} are open", "", False)
    each = (at_most - at_few) / (count - few) / 1024
    measured = f"{at_most / MIB:.0f} MiB in all, {each:.1f} KiB each"
    if goal is None:
        return Figure(f"{count} idle connections, {name}", measured)
    return Figure.of_memory(f"{count} idle connections, {name}", measured, f"≤ {goal} KiB each", each, goal)


def settled(proxy, seconds):
    time.sleep(seconds)
    return proxy.resident()


def plain(proxy, number, _):
    connection = connected(proxy.plain, number)
    ask(connection)
    return connection


def tls(proxy, number, context):
    connection = context.wrap_socket(connected(proxy.tls, number), server_hostname="wire.example")
    ask(connection)
    return connection


def over_http2(proxy, number, _):
    client = connected(proxy.plain, number)
    client.sendall(http2.PREFACE + http2.settings(window=65535) + http2.request(1, "GET", "/hello"))
    frames = http2.Frames()
    while True:
        for kind, flags, stream, _ in frames.feed(client.recv(4096)):
            if kind == http2.DATA and flags & http2.END_STREAM and stream == 1:
                return client


def connected(address, number):
    host, _, port = address.rpartition(":")
    connection = connected_socket(number, host, int(port))
    connection.settimeout(10)
    return connection


def ask(connection):
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"hello\n"):
        piece = connection.recv(4096)
        if not piece:
            raise Failed(f"closed after {answer!r}")
        answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            raise Failed(f"answered with {answer!r}")
