"""The relay under connections that mean no good: its memory, and what a neighbour's call waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.databases import SQLITE, Databases
from benchmarks.hostile import AT_ONCE, ATTACKS
from benchmarks.options import Options
from benchmarks.processes import answer, listening
from benchmarks.report import Report
from benchmarks.rounds import median, progress

#: How often each attack is made.
TIMES = {"unfinished": 19, "inflating": 5, "tiny": 3, "silent": 3}
#: Megabytes of relay and recorder together; milliseconds that an answer may take beyond the usual.
MEMORY_MB, DELAY_MS = 700, 250


def run(databases: Databases, options: Options) -> Report:
    """Each attack beside a call; the relay and its recorder are new for each."""
    report = Report("relay_bounds", "relay: connections that mean no good, beside a usual call")
    for name in (None, *ATTACKS):
        with (
            databases.fresh(SQLITE) as url,
            listening("-m", "benchmarks.hostile", "upstream") as upstream,
        ):
            spool = str(databases.path(".spool"))
            ours = ("-m", "eventstore.cli.main", "record", "--listen", "0", "--db", url)
            with listening(*ours, "--upstream", upstream, "--spool", spool) as relay:
                _measure(report, options, relay, name)
    return report


def _measure(report: Report, options: Options, relay: str, name: str | None) -> None:
    neighbour = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.hostile", "neighbour", relay],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if neighbour.stderr is None:
        raise RuntimeError("no standard error")
    neighbour.stderr.readline()
    start = time.perf_counter()
    times = 0
    if name is None:
        progress("relay_bounds: no attack")
        time.sleep(5)
    else:
        times = min(TIMES[name], 3) if options.quick else TIMES[name]
        progress(f"relay_bounds: {name}, {times} times")
        answer("-m", "benchmarks.hostile", name, relay, str(times))
    seconds = time.perf_counter() - start
    took = json.loads(neighbour.communicate("", timeout=120)[0])
    most, now = _memory()
    what = {"unfinished": f"{AT_ONCE} unfinished messages of 59 MB"}.get(name or "", name)
    facts = {"median ms": took[len(took) // 2], "p99 ms": took[int(len(took) * 0.99)]}
    target = None if name is None else DELAY_MS
    report.size = f"{times} attacks" if times else ""
    report.add(
        f"{what or 'no attack'}: longest answer of the neighbour's",
        median(took)._replace(value=max(took), statistic="longest"),
        target,
        at_most=True,
        unit=" ms",
        **facts,
        answers=len(took),
        seconds=seconds,
    )
    target = None if name is None else MEMORY_MB
    report.add(f"{what or 'no attack'}: peak memory", most, target, True, " MB", afterwards=now)


def _memory() -> tuple[float, float]:
    """Megabytes of the relay and its recorder together: the peaks, and now."""
    most = now = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            status = (process / "status").read_text()
        except OSError:
            continue
        if b"record" in command or b"eventstore.capture.recorder.process.recorder_child" in command:
            lines = dict(line.split(":", 1) for line in status.splitlines())
            if not _is_ours(process):
                continue
            most += int(lines["VmHWM"].split()[0]) / 1024
            now += int(lines["VmRSS"].split()[0]) / 1024
    return most, now


def _is_ours(process: Path) -> bool:
    """Whether this process, or one that it started, has started it."""
    me = os.getpid()
    while process.name not in ("0", "1"):
        if int(process.name) == me:
            return True
        try:
            stat = (process / "stat").read_text()
        except OSError:
            return False
        process = process.parent / stat.rpartition(")")[2].split()[1]
    return False
