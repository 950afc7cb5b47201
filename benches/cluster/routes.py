"""What many routes cost: at the start, in memory, while nothing happens, and when they are gone."""

import datetime
import time

from counters import CpuTime
from figure import Figure
from processes import Failed, resident_megabytes
from site_in_cluster import INGRESSES, ingress

def measure(site, count):
    site.forget_routes()
    site.restart()
    before = settled(site)
    site.api.each([lambda number=number: site.api.ask("POST", INGRESSES, ingress(f"r{number}.figures.test")) for number in range(count)])
    site.until_answered(f"r{count - 1}.figures.test")
    lines = site.restart()
    listed, known = at(lines, "all lists are in"), at(lines, "the cluster is known; serving")
    full = settled(site)
    per_route = (full - before) * 1e6 / 1024 / count
    began, pid = time.monotonic(), site.pid()
    used = CpuTime.of(pid)
    time.sleep(30)
    cores = (CpuTime.of(pid) - used).total / (time.monotonic() - began)
    site.forget_routes()
    after = settled(site)
    ready = (known - listed).total_seconds()
    return [
        Figure.judged(f"{count} routes: lists are in → ready", f"{ready * 1000:.0f} ms", "≤ 2 s", ready <= 2),
        Figure.judged("– resident per route", f"{per_route:.1f} KiB", "≤ 6 KiB", per_route <= 6),
        Figure.judged("– while nothing happens", f"{cores:.4f} cores", "≤ 0.02", cores <= 0.02),
        Figure.judged("– resident before → with them → when they are gone", f"{before:.1f} → {full:.1f} → {after:.1f} MB", "within 10 %", after <= before * 1.1),
    ]


def settled(site):
    """Resident megabytes, once they have stopped to change."""
    pid, seen = site.pid(), []
    for _ in range(40):
        seen.append(resident_megabytes(pid))
        # The allocator takes ten seconds to give back what it holds.
        if len(seen) > 5 and max(seen[-6:]) - min(seen[-6:]) < 0.1:
            break
        time.sleep(3)
    return seen[-1]


def at(lines, message):
    for line in lines:
        if message in str(line.get("message") or line.get("fields", {}).get("message")):
            return datetime.datetime.fromisoformat(line.get("timestamp") or line["time"])
    raise Failed(f"the log does not say: {message}")
