"""The processes of one run, and what the system says about them. Nothing here knows what is measured."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile


# What this run is called: the folder of its `run`.
NAME = pathlib.Path(sys.argv[0]).resolve().parent.name
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


class Failed(Exception):
    """The run cannot go on, for the reason given."""


class CannotRun(Failed):
    """This machine lacks something."""


def note(text):
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)


class Processes:
    """Every process that this run starts, ended by pid however the run ends."""

    def __enter__(self):
        self.started = []
        self.directory = tempfile.TemporaryDirectory(prefix=f"moorline-{NAME}-")
        self.scratch = pathlib.Path(self.directory.name)
        return self

    def start(self, name, command, core, environment=None):
        if not shutil.which(command[0]):
            raise Failed(f"cannot start {name}: {command[0]} is no program")
        log = self.scratch / name
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
                start_new_session=True,  # so that Ctrl-C reaches this script alone, which then ends them in order
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        process.log = log
        self.started.append(process)
        return process

    def output(self, name):
        return (self.scratch / name).read_text(errors="replace")

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
        for process in reversed(self.started):
            self.end(process)
        self.directory.cleanup()

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def require_machine(*programs):
    """The two cores: one for everything else, one for the proxy."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise CannotRun(f"{' and '.join(missing)} not found; try: apt-get install {' '.join(missing)}")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CannotRun("two cores are needed: one for the proxy, one for everything else")
    return cores[:2]


def build(name, selection, always=False):
    """The release build of this program."""
    path = RELEASE / name
    if always or not path.exists():
        note(f"building {name}")
        if subprocess.run(["cargo", "build", "--release", "--quiet", *selection], cwd=ROOT).returncode != 0:
            raise Failed(f"cannot build {name}")
    return path


def free_addresses(count):
    """Addresses nobody listens on, not even with SO_REUSEPORT: a plain bind is refused where somebody does."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def target_of(link):
    """Where a descriptor leads; nowhere, if it has been closed meanwhile."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def require_own_listener(name, pid, address):
    """Nobody else listens on the address: a stale process in a SO_REUSEPORT group would silently take load."""
    port = int(address.rpartition(":")[2])
    rows = [line.split() for table in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    owned = {target[8:-1] for target in map(target_of, pathlib.Path(f"/proc/{pid}/fd").iterdir()) if target.startswith("socket:[")}
    if not inodes or not inodes <= owned:
        raise Failed(f"{address} is not listened on by {name} alone")


def resident_megabytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Failed(f"process {pid} has ended")


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""
