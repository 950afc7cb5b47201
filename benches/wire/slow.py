"""Clients that begin something and do not go on, two thousand of a kind at a time: is each let go when its time is over,
and does somebody else notice that they are there?
"""

import asyncio
import concurrent.futures
import dataclasses
import functools
import json
import os
import socket
import ssl
import statistics
import sys
import threading
import time

import http2
from figure import Figure, Verdict
from processes import Failed, note
from proxies import HERE, wait_for

# So many connections are made per second.
RAMP = 1000
# A sweep takes place every 0.2 s; the rest is for a machine that does something else, as those that run CI do.
LATE = 2.0
EARLY = 0.4
QUIET_SECONDS = 3
DOWNLOAD = 512 * 1024
# A little at a time: a kernel that is not preempted keeps the bystander waiting for as long as a write takes.
DOWNLOAD_PATH = f"/bytes/{DOWNLOAD}/16384"
# As over Ethernet. The kernel makes room for ten segments at least, and those of loopback have 64 KiB: a response that is
# not read would be whole in there, and over for the proxy.
SEGMENT = 1460


@dataclasses.dataclass(frozen=True)
class Kind:
    """How somebody is slow, and the limits that end it, one after the other."""

    name: str
    opening: bytes
    limits: tuple
    tls: bool = False
    drip: bytes = b""
    reads: bool = True
    is_http2: bool = False


def kinds():
    hello = client_hello()
    begun = http2.PREFACE + http2.settings(window=65535)
    no_window = http2.PREFACE + http2.settings(window=0)
    one_byte = http2.PREFACE + http2.settings(window=1)
    all_windows = http2.PREFACE + http2.settings(window=http2.MOST) + http2.window_update(0, http2.MOST - 65535)
    upload = http2.request(1, "POST", "/sink", (b"content-length", b"1000000"), end=False) + http2.frame(http2.DATA, 0, 1, b"x" * 10)
    over = ("body", "idle")
    return [
        Kind("silent after connecting", b"", ("first_byte",)),
        Kind("silent after connecting, TLS port", b"", ("first_byte",), tls=True),
        Kind("TLS: part of a ClientHello", hello[:100], ("handshake",), tls=True),
        Kind("TLS: stalled after its ClientHello", hello, ("handshake",), tls=True),
        Kind("head, a byte now and then", b"GET /hello HTTP/1.1\r\nhost: slow.example\r\nx-slow: ", ("head",), drip=b"x"),
        Kind("upload, stalled", b"POST /sink HTTP/1.1\r\nhost: slow.example\r\ncontent-length: 1000000\r\n\r\nsome", ("body",)),
        Kind("download, not read", b"GET %b HTTP/1.1\r\nhost: slow.example\r\n\r\n" % DOWNLOAD_PATH.encode(), ("body",), reads=False),
        Kind("between two requests", b"GET /hello HTTP/1.1\r\nhost: slow.example\r\n\r\n", ("idle",)),
        Kind("HTTP/2: preface, stalled", http2.PREFACE[:20], ("first_byte",), is_http2=True),
        Kind("HTTP/2: header block, stalled", begun + http2.request(1, "GET", "/hello", block_ends=False), ("head",), is_http2=True),
        Kind("HTTP/2: upload, stalled", begun + upload, over, is_http2=True),
        Kind("HTTP/2: response without a window", no_window + http2.request(1, "GET", DOWNLOAD_PATH), over, is_http2=True),
        Kind("HTTP/2: end of a response without a window", one_byte + http2.request(1, "GET", "/hello"), ("body",), is_http2=True),
        Kind("HTTP/2: download, not read", all_windows + http2.request(1, "GET", DOWNLOAD_PATH), ("body",), reads=False, is_http2=True),
        Kind("HTTP/2: between two requests", begun + http2.request(1, "GET", "/hello"), ("idle", "linger"), is_http2=True),
    ]


def client_hello():
    """The first flight of a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="wire.example").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def measure(machine, count, seconds, rounds):
    """Every kind in turn, so many times, and the bystander's quiet before and after each."""
    limits = {"first_byte": seconds, "handshake": seconds, "head": seconds, "body": seconds, "idle": seconds, "linger": 1}
    quiet_seconds = min(seconds, QUIET_SECONDS)
    figures = []
    with machine.start_moorline(**{name: f"{value}s" for name, value in limits.items()}) as proxy:
        machine.prefer(proxy.process)
        # One of them goes past the proxy: what this machine does to both is no doing of the proxy's.
        addresses = proxy.plain, machine.calm
        quiet = together(machine, addresses, quiet_seconds)
        for kind in kinds():
            note(f"{count} × {kind.name}")
            closed, times = [], []
            for _ in range(rounds):
                bystanders = [Bystander(machine, address) for address in addresses]
                held, during = politely(lambda kind=kind, all=bystanders: asyncio.run(hold(kind, proxy, count, limits, all)))
                after = together(machine, addresses, quiet_seconds)
                closed.append(judge(kind, held, count, limits))
                without = [one + other for one, other in zip(quiet, after)]
                times.append([(p99(each), p99(beside)) for each, beside in zip(during, without)])
                quiet = after
            figures += [next((figure for figure in closed if figure.verdict is Verdict.BROKEN), closed[-1]), beside(times)]
    return figures


def together(machine, addresses, seconds):
    """The times of bystanders when nothing else happens."""
    bystanders = [Bystander(machine, address) for address in addresses]
    time.sleep(seconds)
    return [each.end() for each in bystanders]


def politely(act):
    """Does it in a thread that leaves the core to the bystander: making so many connections is work for this side, too."""

    def run():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        return act()

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(run).result()


def judge(kind, held, count, limits):
    """All let go, none before its time and none after it."""
    due = sum(limits[name] for name in kind.limits)
    # A closed window is probed, and lets a little pass now and then in the first seconds: that is progress.
    latest = due + LATE + (0 if kind.reads else 2 * limits["body"])
    problems = held.problems(count, due, latest, limits[kind.limits[0]] if kind.is_http2 and len(kind.limits) > 1 else None)
    stream = f"; their streams after {min(held.given_up):.1f} to {max(held.given_up):.1f} s" if held.given_up else ""
    measured = f"{len(held.closed)} of {count} after {min(held.closed):.1f} to {max(held.closed):.1f} s{stream}" if held.closed else "none"
    if problems:
        measured += ": " + ", ".join(problems)
    goal = f"all, after {' + '.join(kind.limits)} = {due} s" + ("" if kind.reads else " without progress")
    return Figure(f"{kind.name}: closed", measured, goal, Verdict.BROKEN if problems else Verdict.MET)


def beside(times):
    """The round in the middle: in any single one this machine may do something else for some milliseconds."""
    (during, without), (past, past_without) = sorted(times, key=lambda each: each[0][0] / each[0][1])[len(times) // 2]
    measured = f"p99 {during / 1000:.2f} ms, without them {without / 1000:.2f} ms: {during / without:.2f} times"
    measured += f" (past the proxy {past / 1000:.2f} and {past_without / 1000:.2f} ms)"
    return Figure.judged("– bystander", measured, "< 2 times", during < 2 * without)


def p99(took):
    return statistics.quantiles(took, n=100)[98]


class Bystander:
    """bystander.py, which has to be served all the time."""

    number = 0

    def __init__(self, machine, address, *rate):
        Bystander.number += 1
        self.machine, self.name = machine, f"bystander-{Bystander.number}"
        self.process = machine.processes.start(self.name, [sys.executable, str(HERE / "bystander.py"), address, *map(str, rate)], machine.load_core)
        wait_for(lambda: machine.processes.output(self.name), self.process, "the bystander")
        machine.prefer(self.process)

    def wait(self, seconds):
        time.sleep(seconds)
        return self.end()

    def end(self):
        self.process.terminate()
        self.process.wait(15)
        said = self.machine.processes.output(self.name)
        if self.process.returncode != 0:
            raise Failed(f"the bystander was not served: {said.strip()}")
        return json.loads(said.splitlines()[-1])


class Held:
    """What has become of the slow clients; times since each began."""

    def __init__(self):
        self.closed, self.given_up, self.refused, self.whole = [], [], 0, 0
        # Whoever has been told to go and does not, is let go all the same.
        self.left = None

    def problems(self, count, due, latest, stream_due):
        problems = []
        if self.refused:
            problems.append(f"{self.refused} not connected")
        if self.whole:
            problems.append(f"{self.whole} had a whole response")
        if len(self.closed) < count:
            problems.append(f"{count - len(self.closed)} never closed")
        if self.closed and max(self.closed) > latest:
            problems.append("too late")
        if self.closed and min(self.closed) < due - EARLY:
            problems.append("too early")
        if self.left:
            problems.append(f"the proxy still holds {self.left}")
        if stream_due and (len(self.given_up) < count or max(self.given_up) > stream_due + LATE):
            problems.append("streams too late")
        return problems


class Slow(asyncio.Protocol):
    """One slow client. It leaves the connection open when it is told to go."""

    def __init__(self, kind, held):
        self.kind, self.held, self.is_over, self.frames, self.received = kind, held, False, http2.Frames(), 0

    def connection_made(self, transport):
        self.transport, self.began = transport, time.monotonic()
        if not self.kind.reads:
            transport.pause_reading()
        transport.write(self.kind.opening)

    def drip(self):
        if not self.is_over and not self.transport.is_closing():
            self.transport.write(self.kind.drip)

    def data_received(self, data):
        self.received += len(data)
        if self.kind.is_http2 and self.frames:
            for kind, flags, stream, _ in self.frames.feed(data):
                ends = kind in (http2.HEADERS, http2.DATA) and flags & http2.END_STREAM
                if stream == 1 and (ends or kind == http2.RST_STREAM):
                    self.held.given_up.append(time.monotonic() - self.began)
                    self.frames = None
                    return

    def eof_received(self):
        self.over()
        return True

    def connection_lost(self, _):
        self.over()

    def over(self):
        if not self.is_over:
            self.is_over = True
            self.held.closed.append(time.monotonic() - self.began)


async def hold(kind, proxy, count, limits, bystanders):
    """Connects them all, and waits until their time is over and then a little. What has become of them, and the bystanders' times."""
    held = Held()
    clients = await connect(kind, held, proxy.tls if kind.tls else proxy.plain, count)
    due = sum(limits[name] for name in kind.limits)
    deadline = max((client.began for client in clients), default=0) + due + 2 * limits["body"] + LATE + limits["linger"]
    metric = functools.partial(asyncio.to_thread, proxy.open_connections)
    while (left := await metric() - 1) > 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        for client in clients if kind.drip else ():
            client.drip()
    held.left = max(left, 0)
    # Before this side takes them all down, which is nothing that they do to anybody.
    times = [await asyncio.to_thread(each.end) for each in bystanders]
    if not kind.reads and not held.left:
        # They cannot see it: their windows are closed. The proxy says that it has let them all go, the last one now.
        for client in clients:
            client.over()
            client.transport.resume_reading()
        await asyncio.sleep(1)
        held.whole = sum(client.received >= DOWNLOAD for client in clients)
    for client in clients:
        client.transport.abort()
    return held, times


async def connect(kind, held, address, count):
    host, _, port = address.rpartition(":")
    loop, clients, start = asyncio.get_running_loop(), [], time.monotonic()
    for number in range(count):
        ahead = start + number / RAMP - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        try:
            connected = connected_socket(number, host, int(port), None if kind.reads else 4096)
            _, client = await loop.create_connection(lambda: Slow(kind, held), sock=connected)
            clients.append(client)
        except OSError:
            held.refused += 1
    return clients


def connected_socket(number, host, port, receive_buffer=None):
    """From one of several addresses: there are not enough ports for one."""
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    client.bind((f"127.0.0.{2 + number % 8}", 0))
    client.settimeout(5)
    client.connect((host, port))
    client.setblocking(False)
    return client
