"""What is measured, and how: instructions from perf or valgrind, the rest from wrk."""

import dataclasses
import pathlib
import shutil
import subprocess
import tempfile

from counters import CoreTime, CpuTime
from processes import Failed, note
from proxies import HEADERS

HERE = pathlib.Path(__file__).resolve().parent

CONNECTIONS = 64
WARM_UP_SECONDS = 1


def measure(machine, proxy):
    """One window: warm up, read the counters, load, read them again."""
    machine.load(proxy.address, proxy.headers, WARM_UP_SECONDS)
    cores = machine.proxy_core, machine.load_core
    before, cores_before = CpuTime.of(proxy.pid), [CoreTime.of(core) for core in cores]
    load = machine.load(proxy.address, proxy.headers, machine.seconds, count_instructions_of=proxy.pid)
    used = CpuTime.of(proxy.pid) - before
    return Window(load, used, *(CoreTime.of(core) - earlier for core, earlier in zip(cores, cores_before)))


def measure_direct(machine, origin, address):
    """The origin with no proxy in front of it, sharing its core with wrk as it always does."""
    machine.load(address, HEADERS, WARM_UP_SECONDS)
    before = CpuTime.of(origin.pid)
    load = machine.load(address, HEADERS, seconds=3)
    return Direct(load.rate, (CpuTime.of(origin.pid) - before).total * 1e6 / load.requests)


def count_under_valgrind(machine, start):
    """User instructions per request of a proxy that runs under callgrind; its times would mean nothing."""
    counts = machine.processes.scratch / "callgrind"
    try:
        proxy = start(["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"])
        machine.load(proxy.address, proxy.headers, WARM_UP_SECONDS)
        control_callgrind("--zero", proxy.pid)
        load = machine.load(proxy.address, proxy.headers, seconds=4)
        control_callgrind("--dump", proxy.pid)
        machine.processes.end(proxy.process)
        return read_callgrind(counts) / load.requests
    except Failed as failure:
        note(f"not countable under valgrind: {failure}")
        return None


class Machine:
    """The two cores and the load generator on one of them."""

    def __init__(self, load_core, proxy_core, processes, counts_instructions, seconds):
        self.load_core, self.proxy_core = load_core, proxy_core
        self.processes, self.counts_instructions, self.seconds = processes, counts_instructions, seconds

    def load(self, address, headers, seconds, count_instructions_of=None):
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", str(HERE / "report.lua")]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        command.append(f"http://{address}/post")
        counts = self.processes.scratch / "perf"
        if count_instructions_of and self.counts_instructions:
            command = ["perf", "stat", "-x,", "-o", str(counts), "-e", "instructions:u", "-p", str(count_instructions_of), "--", *command]
        wrk = self.processes.start("wrk", command, self.load_core)
        if wrk.wait() != 0:
            raise Failed(f"wrk failed: {self.processes.output('wrk')}")
        seen = {line.split()[1]: int(line.split()[2]) for line in self.processes.output("wrk").splitlines() if line.startswith("peers ")}
        if seen["errors"] or not seen["requests"]:
            raise Failed(f"{address} answered {seen['requests']} requests with {seen['errors']} errors")
        instructions = read_perf(counts) if count_instructions_of and self.counts_instructions else None
        return Load(seen["requests"], seen["duration"] / 1e6, seen["p50"], seen["p99"], instructions)


class Window:
    """One proxy under load for some seconds: everything per request, times in microseconds."""

    def __init__(self, load, used, core, load_core):
        self.cpu, self.user, self.system = (seconds * 1e6 / load.requests for seconds in (used.total, used.user, used.system))
        self.rate, self.p50, self.p99 = load.rate, load.p50, load.p99
        self.instructions = load.instructions and load.instructions / load.requests
        self.busy = 100 * used.total / load.seconds
        self.foreign = max(0, 100 * (core.busy - used.total) / load.seconds)
        self.stolen = 100 * core.stolen / load.seconds
        self.load_core_busy = 100 * load_core.busy / load.seconds


@dataclasses.dataclass(frozen=True)
class Load:
    """What wrk saw, and the user instructions that the proxy spent if they can be counted."""

    requests: int
    seconds: float
    p50: float
    p99: float
    instructions: float | None

    @property
    def rate(self):
        return self.requests / self.seconds


@dataclasses.dataclass(frozen=True)
class Direct:
    """What wrk and the origin reach without a proxy, and what a request costs the origin in microseconds."""

    rate: float
    cpu: float


def has_instruction_counter():
    if not shutil.which("perf"):
        return False
    with tempfile.NamedTemporaryFile() as counts:
        command = ["perf", "stat", "-x,", "-o", counts.name, "-e", "instructions:u", "true"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0 and read_perf(pathlib.Path(counts.name)) is not None


def read_perf(path):
    for line in path.read_text().splitlines():
        if ",instructions" in line:
            count = line.partition(",")[0]
            return int(count) if count.isdigit() else None
    return None


def control_callgrind(order, pid):
    done = subprocess.run(["callgrind_control", order, str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"callgrind_control {order} failed")


def read_callgrind(counts):
    """The total of the part that was dumped, which callgrind numbers."""
    for dump in counts.parent.glob(f"{counts.name}.*"):
        totals = [line for line in dump.read_text().splitlines() if line.startswith("totals:")]
        dump.unlink()
        return int(totals[0].split()[1])
    raise Failed("callgrind wrote no counts")
