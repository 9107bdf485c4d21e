"""Hostile inputs: the time and the peak memory of each, and how both grow when the input doubles.

Linear is 2; a refusal takes the same whatever comes. Set BEFORE to a folder with another version of
the project, and its `.venv`, to measure that beside this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.databases import Databases
from benchmarks.memory import LAUNCHER
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import progress

MB = 1_000_000
#: At most so much longer, and so much more memory, for twice the input.
TARGET = 2.6
TARGET_MB = 700
_HERE = Path(__file__).resolve().parent.parent


class Case(NamedTuple):
    """A hostile input.

    Attributes:
        megabytes: its size; half of it is measured, too.
        write: makes the lines of a recording of so many bytes; None for no file but `path`.
        python: what to run after the import, with `store`; None for the import alone.
    """

    name: str
    megabytes: float
    write: Callable[[int], Iterator[bytes]] | None
    python: str | None = None
    path: str = ""


def run(databases: Databases, options: Options) -> Report:
    """Measure every case with this version, and with the one before where that is named."""
    report = Report("bounds", "bounds: hostile inputs, their time and memory")
    before = os.environ.get("BEFORE")
    versions = {"now": _HERE} | ({"before": Path(before)} if before else {})
    for case in CASES:
        sizes = (case.megabytes / 2, case.megabytes)
        scale = 0.1 if options.quick else 1.0
        for version, folder in versions.items():
            progress(f"bounds: {case.name}, {version}")
            (s1, m1, _), (s2, m2, said) = (
                _measure(databases, case, round(size * scale * MB), folder) for size in sizes
            )
            now = version == "now"
            details = {"half_seconds": s1, "half_peak_mb": m1, "answer": said[:60]}
            target = TARGET if now else None
            size_ = f"{case.megabytes * scale:g} MB"
            report.add(f"{case.name}: time, {version}", s2, unit=" s", size=size_, **details)
            most = TARGET_MB if now else None
            what = f"{case.name}: peak, {version}"
            report.add(what, m2, most, at_most=True, unit=" MB", size=size_)
            what = f"{case.name}: for twice the input, {version}"
            report.add(what, s2 / s1, target, at_most=True, size=size_)
    return report


def _measure(databases: Databases, case: Case, size: int, folder: Path) -> tuple[float, float, str]:
    """The seconds, the peak in MB and the answer of one case, in a process of its own."""
    recording = databases.path(".jsonl")
    path = case.path or str(recording)
    if case.write is not None:
        with recording.open("wb") as file:
            file.writelines(case.write(size))
    database = databases.path(".db")
    count = max(1, round(size / MB))
    then = (case.python or "pass").replace("COUNT", str(count))
    program = _PROGRAM.format(path=path, database=database, then=then)
    python = folder / ".venv" / "bin" / "python"
    command = [str(python if python.exists() else sys.executable), "-c", program]
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", LAUNCHER, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begin
    for made in (recording, *database.parent.glob(f"{database.name}*")):
        made.unlink(missing_ok=True)
    return seconds, int(done.stderr.rpartition("\n")[2]) / 1024, done.stdout.strip()


# What takes more memory than this ends in an error, and not with the machine.
_PROGRAM = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from eventstore import EventStore, InvalidInputError, Frame
with EventStore("sqlite:///{database}") as store:
    try:
        if {path!r} != "-":
            store.import_file({path!r})
        {then}
        print("done")
    except (InvalidInputError, MemoryError) as error:
        print(str(error) or type(error).__name__)
"""


def _line(event: str, **envelope: str) -> bytes:
    around = "".join(f'"{key}":{value},' for key, value in envelope.items())
    return f'{{"direction":"server",{around}"event":{event}}}\n'.encode()


def _nested_events(size: int) -> Iterator[bytes]:
    pad = "x" * (size // 950)
    yield _line('{"type":"ping"}', x=f'{{"pad":"{pad}","event":' * 950 + "{}" + "}" * 950)


def _one_line(size: int) -> Iterator[bytes]:
    yield b'{"type":"response.done","x":"'
    yield from (b"x" * MB for _ in range(size // MB))
    yield b'"}\n'


def _unknown_types(size: int) -> Iterator[bytes]:
    return (b'{"type":"odd.%d"}\n' % number for number in range(size // 22))


def _open_brackets(size: int) -> Iterator[bytes]:
    yield b'[{"type":"ping"},' + b"[" * size


def _items(size: int) -> Iterator[bytes]:
    for number in range(size // 160):
        item = {"id": f"item_{number}", "type": "message", "role": "user", "content": []}
        yield json.dumps({"type": "conversation.item.added", "item": item}).encode() + b"\n"


#: Sessions with instructions of 14 MB, appended to and left open; then listed.
_HUGE = """
        text = '{"type":"session.updated","session":{"instructions":"' + "x" * 14_000_000 + '"}}'
        for number in range(COUNT):
            store.append(f"sess_{number}", [Frame("server", text)])
"""
_APPENDED = _HUGE.strip()
_LISTED = _APPENDED + "\n        len(store.sessions(limit=20).data)"
_SHOWN = "len(store.sessions(limit=100).data)"

CASES = (
    Case("a line with 950 events in one another", 4, _nested_events),
    Case("a line of 200 MB", 200, _one_line),
    Case("50,000 unknown types, listed", 1.1, _unknown_types, _SHOWN),
    Case("an array that never closes", 20, _open_brackets),
    Case("100,000 items", 16, _items),
    Case("a device without end", 1, None, path="/dev/zero"),
    Case("60 open sessions of 14 MB each, appended", 60, None, _APPENDED, "-"),
    Case("20 open sessions of 14 MB each, listed", 20, None, _LISTED, "-"),
)
