"""More clients, and more requests, than there is room for: how soon is each told so?"""

import asyncio
import contextlib
import ssl
import time

from figure import Figure, Verdict
from idle import REQUEST, ask, connected
from processes import Failed, note
from proxies import wait_for

# What comes on top comes so many at a time.
WAVE = 50
INSIDE = 100
# Milliseconds. The slowest of a wave also waits for the clients of this side, which have one core.
GOAL = 50
PROMISE = 1000
STALL = b"GET /stall HTTP/1.1\r\nhost: wire.example\r\n\r\n"


def measure(machine, count):
    return [
        judge(f"{count} clients beyond `connections`", too_many_clients(machine, count, tls=False)),
        judge(f"{count} clients beyond `connections`, TLS", too_many_clients(machine, count, tls=True)),
        judge(f"{count} requests beyond `requests`", too_many_requests(machine, count)),
    ]


def judge(what, times):
    note(f"{what}, {WAVE} at a time")
    times = sorted(times)
    median, p99, longest = (1000 * times[round((len(times) - 1) * part)] for part in (0.5, 0.99, 1))
    verdict = Verdict.BROKEN if p99 > PROMISE else Verdict.MET if p99 <= GOAL else Verdict.MISSED
    measured = f"503 after {median:.1f} ms in the median, p99 {p99:.1f} ms, at most {longest:.1f} ms"
    return Figure(f"{what}, {WAVE} at a time", measured, f"within {GOAL} ms", verdict)


def too_many_clients(machine, count, tls):
    with machine.start_moorline(connections=INSIDE, idle="10m") as proxy, contextlib.ExitStack() as opened:
        for number in range(INSIDE):
            ask(opened.enter_context(connected(proxy.plain, number)))
        return asyncio.run(waves(proxy.tls if tls else proxy.plain, count, trusting_all() if tls else None))


def too_many_requests(machine, count):
    with machine.start_moorline(requests=INSIDE, response_head="10m") as proxy, contextlib.ExitStack() as opened:
        for number in range(INSIDE):
            opened.enter_context(connected(proxy.plain, number)).sendall(STALL)
        wait_for(lambda: proxy.metric("http_server_active_requests") >= INSIDE, proxy.process, "a hundred requests under way")
        return asyncio.run(waves(proxy.plain, count, None))


def trusting_all():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def waves(address, count, tls):
    """Seconds, each from its first packet to the end of the head of its answer."""
    times = []
    while len(times) < count:
        times += await asyncio.gather(*(refused(address, tls) for _ in range(min(WAVE, count - len(times)))))
    return times


async def refused(address, tls):
    host, _, port = address.rpartition(":")
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, EOFError) as error:
        raise Failed(f"closed without an answer: {error!r}") from error
    took = time.monotonic() - began
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    if not head.startswith(b"HTTP/1.1 503 ") or b"\r\nretry-after: " not in head.lower():
        raise Failed(f"answered with {head!r}")
    return took
