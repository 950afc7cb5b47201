"""Large bodies past slow peers: what waits for whom must not pile up in the proxy."""

import contextlib
import socket
import struct
import threading
import time

import http2
from figure import Figure
from memory import Growth
from processes import Failed, note
from proxies import MIB, answers

PIECE = bytes(1 << 18)
SLOW_RATE = 10 * 1024
STALLED_HTTP1 = 50
STALLED_HTTP2 = 100


def measure(machine, size, seconds):
    figures = []
    for version, down, up, reader in (
        ("HTTP/1", download, upload, slow_reader),
        ("HTTP/2", download_http2, upload_http2, slow_reader_http2),
    ):
        for name, move in (("down", down), ("up", up)):
            note(f"{size / MIB:.0f} MiB {name}, {version}")
            figures.append(beside_slow_reader(machine, seconds, f"{size / MIB:.0f} MiB {name}, {version}", size, move, reader))
    each = stalled(machine, seconds, f"{STALLED_HTTP1} clients that do not read, HTTP/1", http1_unread) / STALLED_HTTP1
    figures.append(Figure.of_memory(f"{STALLED_HTTP1} clients that do not read, HTTP/1", f"{each:.2f} MiB each", "≤ 1 MiB each", each, 1))
    return figures + stalled_http2(machine, seconds)


def stalled_http2(machine, seconds):
    """What so many streams of one client cost that do not go on, and how much of it is not what any requests cost that wait for
    an answer: the buffers of HTTP/2, which have a bound of their own.
    """
    client = f"one HTTP/2 client, {STALLED_HTTP2} streams"
    waiting = stalled(machine, seconds, f"{client}, not answered yet", http2_unanswered)
    figures = [Figure(f"{client}, not answered yet", f"{waiting:.2f} MiB in all")]
    for name, begin in (
        ("no window", http2_without_window),
        ("window, but not read", http2_unread),
        ("uploads that the endpoint does not read", http2_uploads),
    ):
        grown = stalled(machine, seconds, f"{client}, {name}", begin)
        stream, beyond = grown / STALLED_HTTP2, max(grown - waiting, 0)
        figures.append(Figure.of_memory(f"{client}, {name}", f"{grown:.2f} MiB in all, {stream:.2f} a stream", "≤ 1 MiB a stream", stream, 1))
        figures.append(Figure.of_memory("– beyond the same, not answered yet", f"{beyond:.2f} MiB", "≤ 1 MiB", beyond, 1))
    return figures


def warmed(machine):
    """A proxy that has done everything once."""
    proxy = machine.start_moorline()
    for _ in range(20):
        answers(proxy.plain)
    download(proxy, 1 << 20)
    download_http2(proxy, 1 << 20)
    return proxy


def beside_slow_reader(machine, seconds, name, size, move, reader):
    with warmed(machine) as proxy, Growth(proxy) as growth, reader(proxy):
        began = time.monotonic()
        move(proxy, size)
        took = time.monotonic() - began
        time.sleep(seconds)
    each = growth.bytes / 2 / MIB
    measured = f"{each:.2f} MiB a stream, two streams; {size / MIB / took:.0f} MiB/s"
    return Figure.of_memory(f"{name}, beside a reader of 10 KiB/s", measured, "≤ 1 MiB a stream", each, 1)


def stalled(machine, seconds, name, begin):
    """MiB."""
    note(name)
    with warmed(machine) as proxy, Growth(proxy) as growth, contextlib.ExitStack() as opened:
        begin(proxy, opened)
        time.sleep(seconds)
    return growth.bytes / MIB


def connect(proxy, receive_buffer=None):
    host, _, port = proxy.plain.rpartition(":")
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect((host, int(port)))
    return connection


def download(proxy, size):
    with connect(proxy) as connection:
        connection.sendall(b"GET /bytes/%d HTTP/1.1\r\nhost: bulk.example\r\nconnection: close\r\n\r\n" % size)
        room, got = bytearray(1 << 20), 0
        while count := connection.recv_into(room):
            got += count
    if got < size:
        raise Failed(f"{got} of {size} bytes came down")


def upload(proxy, size):
    with connect(proxy) as connection:
        connection.sendall(b"POST /sink HTTP/1.1\r\nhost: bulk.example\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            connection.sendall(PIECE)
        answer = connection.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Failed(f"an upload was answered with {answer!r}")


def download_http2(proxy, size):
    """Bytes are counted, frames and all; the last one is not looked for."""
    client = http2.Client(proxy.plain, window=http2.MOST)
    client.send(http2.window_update(0, http2.MOST - 65535) + http2.request(1, "GET", f"/bytes/{size}"))
    room, got = bytearray(1 << 20), 0
    while got < size:
        count = client.socket.recv_into(room)
        if count == 0:
            raise Failed(f"{got} of {size} bytes came down")
        got += count
    client.close()


def upload_http2(proxy, size):
    client = http2.Client(proxy.plain)
    client.send(http2.request(1, "POST", "/sink", (b"content-length", b"%d" % size), end=False))
    piece, windows, left = bytes(http2.FRAME), {0: 65535, 1: 65535}, size
    while True:
        while left and min(windows.values()) >= len(piece):
            left -= len(piece)
            client.send(http2.frame(http2.DATA, 0 if left else http2.END_STREAM, 1, piece))
            windows = {stream: window - len(piece) for stream, window in windows.items()}
        for kind, flags, stream, payload in read(client):
            if kind == http2.WINDOW_UPDATE:
                windows[stream] += struct.unpack(">I", payload)[0]
            elif kind == http2.SETTINGS and not flags & http2.ACK:
                values = dict(struct.unpack_from(">HI", payload, at) for at in range(0, len(payload), 6))
                windows[1] += values.get(http2.INITIAL_WINDOW, 65535) - 65535
            elif kind == http2.DATA and flags & http2.END_STREAM:
                client.close()
                return


def read(client):
    came = client.read()
    if came is None:
        raise Failed("the proxy closed an HTTP/2 connection")
    return came


@contextlib.contextmanager
def slow_reader(proxy):
    """Somebody who takes a large response at 10 KiB a second."""
    with connect(proxy) as connection, ticking(lambda: connection.recv(SLOW_RATE // 5)):
        connection.sendall(b"GET /bytes/1073741824 HTTP/1.1\r\nhost: bulk.example\r\n\r\n")
        yield


@contextlib.contextmanager
def slow_reader_http2(proxy):
    """The same by the window of its stream."""
    client = http2.Client(proxy.plain, window=SLOW_RATE)
    client.send(http2.request(1, "GET", "/bytes/1073741824"))
    more = http2.window_update(0, SLOW_RATE // 5) + http2.window_update(1, SLOW_RATE // 5)
    with ticking(lambda: (client.read(), client.send(more))):
        yield
    client.close()


@contextlib.contextmanager
def ticking(act):
    """Does something five times a second, beside everything else."""
    over = threading.Event()

    def run():
        while not over.wait(0.2):
            act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def http1_unread(proxy, opened):
    for _ in range(STALLED_HTTP1):
        connection = opened.enter_context(connect(proxy, receive_buffer=4096))
        connection.sendall(b"GET /bytes/1073741824 HTTP/1.1\r\nhost: bulk.example\r\n\r\n")


def http2_client(proxy, opened, **options):
    client = http2.Client(proxy.plain, **options)
    opened.callback(client.close)
    read(client)
    return client


def streams(client, *request, **options):
    for number in range(STALLED_HTTP2):
        client.send(http2.request(2 * number + 1, *request, **options))


def http2_unanswered(proxy, opened):
    """What so many requests cost anyway, each with a connection to the endpoint."""
    streams(http2_client(proxy, opened), "GET", "/stall")


def http2_without_window(proxy, opened):
    streams(http2_client(proxy, opened, window=0), "GET", "/bytes/1073741824")


def http2_unread(proxy, opened):
    client = http2_client(proxy, opened, window=http2.MOST, receive_buffer=4096)
    client.send(http2.window_update(0, http2.MOST - 65535))
    streams(client, "GET", "/bytes/1073741824")


def http2_uploads(proxy, opened):
    """All of the connection's window, in small parts of each stream's, to an endpoint that reads nothing of it."""
    client = http2_client(proxy, opened)
    streams(client, "POST", "/stall", (b"content-length", b"100000000"), end=False)
    piece = bytes(10_000)
    for number in range(STALLED_HTTP2):
        client.send(http2.frame(http2.DATA, 0, 2 * number + 1, piece))
