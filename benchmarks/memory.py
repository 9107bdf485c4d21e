"""The most memory that a command takes with a session of 1 GB, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import orjson

from benchmarks import sessions
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import progress

TARGET_MB = 150
SIZE = 1_000_000_000
SESSION = "sess_large"


def run(databases: Databases, options: Options) -> Report:
    """Import, export, replay and rebuild, through the command line."""
    report = Report("memory", "memory: peak of each command with a session of 1 GB")
    report.size = f"{options.events(SIZE) / 1e9:g} GB"
    recording = databases.path(".jsonl")
    exported = databases.path(".jsonl")
    events = _write(recording, options.events(SIZE))
    commands = {
        "import": ("import", recording, "--session-id", SESSION),
        "export": ("export", SESSION, "-o", exported),
        "replay": ("replay", SESSION, "--instant"),
        "rebuild": ("rebuild", SESSION),
    }
    for backend in databases.backends(options.backends):
        with databases.fresh(backend) as url:
            for name, arguments in commands.items():
                progress(f"memory: {backend}, {name}")
                megabytes, seconds = peak(url, *map(str, arguments))
                report.add(
                    f"{backend}: {name}",
                    megabytes,
                    TARGET_MB,
                    at_most=True,
                    unit=" MB",
                    seconds=seconds,
                    events=events,
                    recording_mb=recording.stat().st_size / 1e6,
                )
        exported.unlink(missing_ok=True)
    recording.unlink()
    megabytes, _ = _run([sys.executable, "-c", "import eventstore.cli.main"], "sqlite://")
    report.notes["an interpreter with the package imported, MB"] = megabytes
    return report


def _write(path: Path, size: int) -> int:
    """Write a voice session of about this size; how many events it has."""
    written = 0
    progress(f"memory: writing a session of {size / 1e6:,.0f} MB")
    with path.open("wb") as file:
        for count, (direction, text, at) in enumerate(sessions.endless_voice(), 1):
            line = {"at": (at or 0) / 1e6, "direction": direction, "frame": text}
            written += file.write(orjson.dumps(line) + b"\n")
            if written >= size:
                return count
    raise RuntimeError("the session ended")


def peak(url: str, *arguments: str, output: IO[str] | None = None) -> tuple[float, float]:
    """Run a command; its peak resident memory in MB and the seconds it took.

    Args:
        url: The database.
        arguments: What the command gets.
        output: Where its output goes; None for nowhere.

    Raises:
        RuntimeError: it failed.
    """
    return _run([sys.executable, "-m", "eventstore.cli.main", *arguments], url, output)


# A child's peak counts from that of the process that starts it; so a small one does that.
LAUNCHER = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
sys.stderr.write(f"\\n{used.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _run(command: list[str], url: str, output: IO[str] | None = None) -> tuple[float, float]:
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", LAUNCHER, *command],
        env=os.environ | {"EVENTSTORE_URL": url},
        cwd=Path(__file__).resolve().parent.parent,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    errors, _, kilobytes = done.stderr.rpartition("\n")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {errors[-2000:]}")
    return int(kilobytes) / 1024, time.perf_counter() - begin
