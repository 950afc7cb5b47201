"""Where a run took place, and its tables, as Markdown that also reads well in a terminal."""

import datetime
import os
import pathlib
import platform
import sys

from processes import NAME, first_line

HERE = pathlib.Path(__file__).resolve().parent


def machine():
    return f"- Machine: {cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}"


def date():
    return f"- Date: {datetime.date.today().isoformat()}"


def command():
    return " ".join([f"benches/{NAME}/run", *sys.argv[1:]])


def commit():
    return first_line(["git", "-C", str(HERE), "describe", "--always", "--dirty"]) or "none"


def markdown(rows):
    # A rule of less than three is none to some who read it.
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return [lines[0], f"| {' | '.join(rule)} |", *lines[1:]]


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
