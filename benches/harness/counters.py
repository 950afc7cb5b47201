"""What the kernel counts: CPU time of a process from the scheduler, and of a core."""

import contextlib
import dataclasses
import os
import pathlib

from processes import Failed

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class CpuTime:
    """CPU seconds of a process, all its threads together.

    The total comes from the scheduler, in nanoseconds. The split comes from `stat`, which the kernel samples once a
    tick, so user and system are good to a per cent or two over a window of some seconds.
    """

    total: float
    user: float
    system: float

    @classmethod
    def of(cls, pid):
        nanoseconds = 0
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(nanoseconds / 1e9, int(fields[11]) * TICK, int(fields[12]) * TICK)

    def __sub__(self, earlier):
        total = self.total - earlier.total
        user, system = self.user - earlier.user, self.system - earlier.system
        share = user / (user + system) if user + system else 0
        return CpuTime(total, total * share, total * (1 - share))


@dataclasses.dataclass(frozen=True)
class CoreTime:
    """Seconds that a core was busy with anything, and that the hypervisor gave to others."""

    busy: float
    stolen: float

    @classmethod
    def of(cls, core):
        for line in pathlib.Path("/proc/stat").read_text().splitlines():
            if line.startswith(f"cpu{core} "):
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) * TICK for field in line.split()[1:9])
                return cls(user + nice + system + irq + softirq, steal)
        raise Failed(f"/proc/stat does not know core {core}")

    def __sub__(self, earlier):
        return CoreTime(self.busy - earlier.busy, self.stolen - earlier.stolen)
