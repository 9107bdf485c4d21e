"""How soon a command answers: whole processes, each beside the bare limit, in turns.

The limits are Python with the packages that nothing can do without: click for `--version` and for
the completion of a command, SQLAlchemy and click for what asks a small SQLite store. Processor
time of the processes is compared, user's and system's, since a machine with other work to do makes
wall times of a tenth of a second worthless; those are in the details.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import progress, ratio
from eventstore import EventStore
from eventstore.demo import call_lines

CLICK, SQLALCHEMY = "import click", "import sqlalchemy, click"
COMMAND = (sys.executable, "-c", "from eventstore.cli.main import main; main()")
SESSIONS = 20


class Start(NamedTuple):
    """A command, what it may take at most of its limit, and that limit."""

    arguments: tuple[str, ...]
    target: float | None
    limit: str
    variables: Mapping[str, str] = {}


def _completion(line: str) -> dict[str, str]:
    number = str(line.count(" "))
    return {"_EVENTSTORE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": number}


STARTS = {
    "--version": Start(("--version",), 1.5, CLICK),
    "--help": Start(("--help",), None, CLICK),
    "completion of a command": Start((), None, CLICK, _completion("eventstore sess")),
    "sessions": Start(("sessions",), 2.0, SQLALCHEMY),
    "sessions --json": Start(("sessions", "--json"), 2.0, SQLALCHEMY),
    "responses": Start(("responses",), None, SQLALCHEMY),
    "completion of a session": Start((), None, SQLALCHEMY, _completion("eventstore state sess_")),
}


def run(databases: Databases, options: Options) -> Report:
    """Start each command and its limit in turns."""
    report = Report("start", "How soon a command answers, by the bare limit", "a process")
    rounds = options.rounds(25)
    with TemporaryDirectory(dir=options.folder) as folder:
        _fill(Path(folder))
        for name, start in STARTS.items():
            above, below = _in_turns(start, Path(folder), rounds)
            found = ratio([one.cpu for one in above], [one.cpu for one in below])
            report.add(
                f"{name} / python -c '{start.limit}'",
                found,
                start.target,
                at_most=True,
                cpu_ms=_median(above, "cpu"),
                limit_cpu_ms=_median(below, "cpu"),
                wall_ms=_median(above, "wall"),
                limit_wall_ms=_median(below, "wall"),
            )
    return report


class Taken(NamedTuple):
    """Seconds of a process."""

    cpu: float
    wall: float


def _in_turns(start: Start, folder: Path, rounds: int) -> tuple[list[Taken], list[Taken]]:
    limit = (sys.executable, "-c", start.limit)
    above, below = [], []
    for round_ in range(rounds + 1):
        one = _taken((*COMMAND, *start.arguments), folder, start.variables)
        other = _taken(limit, folder, {})
        if round_:  # the first fills caches
            above.append(one)
            below.append(other)
    progress("start:", *start.arguments, f"{rounds} rounds")
    return above, below


def _taken(command: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> Taken:
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {process.communicate()[1].decode()}")
    process.communicate()
    return Taken(used.ru_utime + used.ru_stime, wall)


def _fill(folder: Path) -> None:
    recording = folder / "call.jsonl"
    recording.write_text("".join(f"{line}\n" for line in call_lines()))
    with EventStore(f"sqlite:///{folder / 'eventstore.db'}") as store:
        for number in range(SESSIONS):
            store.import_file(recording, f"sess_{number:02}", {"customer": str(number)})


def _median(taken: list[Taken], name: str) -> float:
    return 1000 * statistics.median(getattr(one, name) for one in taken)
