"""A bystander beside bodies that move as fast as they can: whoever needs little is not to wait for whoever needs much. HAProxy beside it,
with what Debian's has by itself.
"""

import os
import statistics
import time

from counters import CpuTime
from figure import Figure, Verdict
from processes import Failed, note
from slow import Bystander, p99

BODIES = 16
# More than can be moved meanwhile.
SIZE = 1 << 40
# Requests a second that whoever is measured can serve beside the bodies: who cannot would fall ever further behind.
RATE = 100
# A promise, however busy the machine: milliseconds.
MOST = 1000


def measure(machine, pairs, seconds):
    upload = machine.processes.scratch / "upload"
    upload.touch()
    os.truncate(upload, SIZE)
    kinds = {
        "downloads, HTTP/1": (f"bytes/{SIZE}",),
        "uploads, HTTP/1": ("sink", "--upload-file", str(upload)),
        "downloads, HTTP/2": (f"bytes/{SIZE}", "--http2-prior-knowledge"),
        "uploads, HTTP/2": ("sink", "--http2-prior-knowledge", "--upload-file", str(upload)),
    }
    haproxy = machine.start_haproxy()
    with machine.start_moorline() as moorline:
        figures = [beside(machine, haproxy, moorline, kind, curl, pairs, seconds) for kind, curl in kinds.items()]
    machine.processes.end(haproxy.process)
    return figures


def beside(machine, haproxy, moorline, kind, curl, pairs, seconds):
    """In the order ABBA, so that slow drift cancels; each with them and without."""
    seen = {haproxy: [], moorline: []}
    for number in range(pairs):
        for proxy in (haproxy, moorline) if number % 2 == 0 else (moorline, haproxy):
            note(f"{BODIES} {kind}, {proxy.name.partition('-')[0]}")
            quiet = p99(Bystander(machine, proxy.plain, RATE).wait(seconds)) / 1000
            seen[proxy].append((*crowded(machine, proxy, curl, seconds), quiet))
    (ours, cores, quiet), (theirs, their_cores, their_quiet) = (map(statistics.median, zip(*seen[each])) for each in (moorline, haproxy))
    measured = f"p99 {ours:.2f} ms, without them {quiet:.2f} ms, {cores:.2f} cores"
    measured += f"; {haproxy.name}: {theirs:.2f}, {their_quiet:.2f}, {their_cores:.2f}"
    return Figure(f"{BODIES} {kind}: bystander", measured, "", Verdict.NONE if ours < MOST else Verdict.BROKEN)


def crowded(machine, proxy, curl, seconds):
    """The bystander's p99 in milliseconds, and the cores that the proxy used."""
    path, *options = curl
    command = ["nice", "-n", "19", "curl", "-sS", "-o", "/dev/null", "-H", "expect:", *options, f"http://{proxy.plain}/{path}"]
    crowd = [machine.processes.start(f"curl-{number}", command, machine.load_core) for number in range(BODIES)]
    try:
        time.sleep(0.5)
        before, began = CpuTime.of(proxy.pid), time.monotonic()
        during = Bystander(machine, proxy.plain, RATE).wait(seconds)
        cores = (CpuTime.of(proxy.pid) - before).total / (time.monotonic() - began)
        if gone := [each for each in crowd if each.poll() is not None]:
            raise Failed(f"{len(gone)} of {BODIES} bodies came to an end: {gone[0].log.read_text(errors='replace').strip()}")
    finally:
        for each in crowd:
            machine.processes.end(each)
    return p99(during) / 1000, cores
