"""The finished run as Markdown that also reads well in a terminal."""

import statistics
import subprocess

import text
from measure import CONNECTIONS
from processes import resident_megabytes


class Report:
    """The finished run as Markdown that also reads well in a terminal."""

    def __init__(self, machine, rounds, haproxy, moorline, again, direct):
        self.machine, self.rounds, self.direct = machine, rounds, direct
        self.haproxy, self.moorline, self.again = haproxy, moorline, again
        self.under_valgrind = None, None

    def text(self):
        return "\n".join(["# moorline beside HAProxy", "", *self.setting(), "", *self.table(), "", *self.findings()])

    def setting(self):
        return [
            text.machine(),
            text.date(),
            f"- Versions: {self.moorline.version} (commit {text.commit()}), {self.haproxy.version}, "
            f"{' '.join(first_version('wrk').split()[:2])}",
            f"- Command: `{text.command()}`: {len(self.rounds)} pairs of {self.machine.seconds} s, {CONNECTIONS} connections, "
            f"proxies on core {self.machine.proxy_core}, wrk and origin on core {self.machine.load_core}",
        ]

    def table(self):
        rows = [("", "HAProxy", "moorline", "ratio")]
        rows += [
            self.row("CPU time per request, µs", "cpu", 2),
            self.row("– user", "user", 2),
            self.row("– system", "system", 2),
            self.instructions(),
            self.row("requests per second", "rate", 0),
            self.row("share of its core that the proxy used, %", "busy", 0),
            self.row("share of the other core in use, %", "load_core_busy", 0),
            self.row("p50, µs", "p50", 0),
            self.row("p99, µs", "p99", 0),
            self.sizes("resident at start, MB", lambda proxy: proxy.resident_at_start, 1),
            self.sizes("resident after the load, MB", lambda proxy: resident_megabytes(proxy.pid), 1),
            self.sizes("request head sent upstream, bytes", lambda proxy: proxy.head_bytes, 0),
        ]
        return text.markdown(rows)

    def row(self, title, field, digits):
        """Medians of the windows, and the median of the pairs' ratios."""
        ours, theirs = self.values(self.moorline, field), self.values(self.haproxy, field)
        ratio = f"{statistics.median(self.ratios(self.moorline, field)):.3f}" if all(theirs) else ""
        return (title, f"{statistics.median(theirs):.{digits}f}", f"{statistics.median(ours):.{digits}f}", ratio)

    def instructions(self):
        title = "user instructions per request"
        if self.machine.counts_instructions:
            return self.row(title, "instructions", 0)
        theirs, ours = self.under_valgrind
        if not theirs or not ours:
            return (title, "not countable", "not countable", "")
        return (f"{title} (valgrind)", f"{theirs:.0f}", f"{ours:.0f}", f"{ours / theirs:.3f}")

    def sizes(self, title, size, digits):
        ours, theirs = size(self.moorline), size(self.haproxy)
        return (title, f"{theirs:.{digits}f}", f"{ours:.{digits}f}", f"{ours / theirs:.2f}")

    def values(self, proxy, field):
        return [getattr(windows[proxy], field) for windows in self.rounds]

    def ratios(self, proxy, field):
        return [ours / theirs for ours, theirs in zip(self.values(proxy, field), self.values(self.haproxy, field))]

    def findings(self):
        pairs, same = self.ratios(self.moorline, "cpu"), self.ratios(self.again, "cpu")
        fastest = max(*self.values(self.haproxy, "rate"), *self.values(self.moorline, "rate"))
        headroom = self.direct.rate / fastest
        lines = [
            f"- CPU time per request, moorline to HAProxy: **{statistics.median(pairs):.3f}**, the median of the pairs "
            f"{listed(pairs)}",
            f"- Noise floor, HAProxy to a second HAProxy: {statistics.median(same):.3f}, the median of {listed(same)}; "
            f"at most {100 * max(abs(ratio - 1) for ratio in same):.1f} % off",
            f"- Without a proxy: {self.direct.rate:.0f} requests per second for wrk and the origin on their one core, "
            f"{headroom:.1f} times the fastest window of a proxy (2 times is wanted{'' if headroom >= 2 else ': NOT REACHED, see the caveats'})",
            f"- A request costs the origin {self.direct.cpu:.1f} µs",
        ]
        return lines + self.warnings()

    def warnings(self):
        windows = [window for windows in self.rounds for window in windows.values()]
        foreign, stolen = max(window.foreign for window in windows), max(window.stolen for window in windows)
        lines = []
        if foreign > 5:
            lines.append(f"- WARNING: other processes took up to {foreign:.0f} % of the proxies' core; repeat on a quiet machine")
        if stolen > 1:
            lines.append(f"- WARNING: the hypervisor took up to {stolen:.1f} % of the proxies' core")
        return lines


def listed(ratios):
    return ", ".join(f"{ratio:.3f}" for ratio in ratios)


def first_version(program):
    """wrk prints its version and ends with 1."""
    done = subprocess.run([program, "-v"], capture_output=True, text=True)
    return done.stdout or done.stderr
