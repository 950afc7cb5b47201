"""A bystander beside bodies that move as fast as they can, while the proxy's core is busy with nothing else: whoever needs little is
not to wait for whoever needs much. HAProxy beside it.
"""

import os
import statistics
import time

from counters import CpuTime
from figure import Figure
from processes import note
from slow import Bystander, p99

BODIES = 16
# More than can be moved meanwhile.
SIZE = 1 << 40


def measure(machine, pairs, seconds):
    """One proxy after the other, each with and without them."""
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
    times = {}
    for _ in range(pairs):
        for proxy in (haproxy, moorline):
            note(f"{BODIES} {kind}, {proxy.name.partition('-')[0]}")
            quiet = p99(Bystander(machine, proxy.plain).wait(seconds))
            times.setdefault(proxy, []).append((crowded(machine, proxy, curl, seconds), quiet))
    (ours, quiet), (theirs, _) = ([statistics.median(each) / 1000 for each in zip(*times[proxy])] for proxy in (moorline, haproxy))
    measured = f"p99 {ours:.2f} ms, without them {quiet:.2f} ms; {haproxy.name}: {theirs:.2f} ms"
    return Figure(f"{BODIES} {kind}: bystander", measured)


def crowded(machine, proxy, curl, seconds):
    path, *options = curl
    command = ["nice", "-n", "19", "curl", "-sS", "-o", "/dev/null", "-H", "expect:", *options, f"http://{proxy.plain}/{path}"]
    crowd = [machine.processes.start(f"curl-{number}", command, machine.load_core) for number in range(BODIES)]
    try:
        time.sleep(0.5)
        before = CpuTime.of(proxy.pid)
        during = Bystander(machine, proxy.plain).wait(seconds)
        note(f"{(CpuTime.of(proxy.pid) - before).total / seconds:.2f} cores")
    finally:
        for each in crowd:
            machine.processes.end(each)
    return p99(during)
