"""Heads that are small on the wire and large in memory, or simply large and many: what does a connection get away with?"""

import contextlib
import time

import http2
from bulk import warmed
from figure import Figure
from memory import Growth
from processes import note
from proxies import MIB

STREAMS = 128
# What a field counts besides its bytes: RFC 7541 §4.1. The table of a connection has room for 4 KiB.
OVERHEAD = 32
VALUE = b"v" * (4096 - OVERHEAD - len(b"bomb"))
INSERT = b"\x40" + http2.text(b"bomb") + http2.text(VALUE)
AGAIN = b"\xbe"


def measure(machine, seconds):
    return [
        judge(machine, seconds, "a block of 120 KiB that stands for 480 MiB", compressed),
        judge(machine, seconds, f"{STREAMS} blocks that stand for 60 KiB each, unanswered", referring),
        judge(machine, seconds, f"{STREAMS} heads of 60 KiB each, unanswered", literal),
        judge(machine, seconds, "a header block of 64 KiB that never ends", unfinished),
    ]


def judge(machine, seconds, name, attack):
    note(f"header bomb: {name}")
    with warmed(machine) as proxy, Growth(proxy) as growth:
        client = http2.Client(proxy.plain)
        client.read()
        with contextlib.suppress(OSError):
            for piece in attack():
                client.send(piece)
        time.sleep(seconds)
        became = answers(client)
        client.close()
    size = growth.bytes / MIB
    return Figure.of_memory(f"header bomb: {name}", f"{size:.2f} MiB; {became}", "≤ 4 MiB a connection", size, 4)


def answers(client):
    """What has been said to all this."""
    refused, reset, goaway = 0, 0, ""
    client.socket.settimeout(0.2)
    try:
        while (came := client.read()) is not None:
            for kind, _, _, payload in came:
                refused += kind == http2.HEADERS
                reset += kind == http2.RST_STREAM
                if kind == http2.GOAWAY:
                    goaway = f", GOAWAY {int.from_bytes(payload[4:8], 'big')} {payload[8:].decode()}".rstrip()
    except TimeoutError:
        return f"{refused} answered, {reset} reset{goaway}, still open"
    except OSError:
        return f"{refused} answered, {reset} reset{goaway}, connection reset"
    return f"{refused} answered, {reset} reset{goaway}, closed"


def compressed():
    yield http2.head_frames(1, http2.block("GET", "/stall") + INSERT + AGAIN * 120_000)


def referring():
    for number in range(STREAMS):
        insert = INSERT if number == 0 else AGAIN
        yield http2.head_frames(2 * number + 1, http2.block("GET", "/stall") + insert + AGAIN * 14)


def literal():
    fields = [(b"field-%d" % number, b"v" * 4000) for number in range(15)]
    for number in range(STREAMS):
        yield http2.head_frames(2 * number + 1, http2.block("GET", "/stall", *fields))


def unfinished():
    coded = http2.block("GET", "/stall", (b"large", b"v" * 63 * 1024))
    yield http2.frame(http2.HEADERS, http2.END_STREAM, 1, coded[: http2.FRAME])
    for at in range(http2.FRAME, len(coded), http2.FRAME):
        yield http2.frame(http2.CONTINUATION, 0, 1, coded[at : at + http2.FRAME])
