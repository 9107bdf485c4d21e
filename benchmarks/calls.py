"""Live voice calls by one recorder on PostgreSQL: what it holds, and where it breaks."""

from __future__ import annotations

from benchmarks.databases import POSTGRESQL, Databases, settings_of
from benchmarks.live_calls import RATE
from benchmarks.options import Options
from benchmarks.processes import answer
from benchmarks.report import Report
from benchmarks.rounds import progress
from eventstore import EventStore

#: What the recorder may hold in memory: its default, and what 1,000 calls bring in two seconds.
MEMORY_MB = (64, 256)
CALLS = (50, 100, 200, 400, 700, 1_000)
MANY_CALLS = (400, 700, 1_000)
_SECONDS = 10.0
#: A number of calls is held if nothing goes to the spool, and of a hundred frames 99 are committed
#: this many seconds later at most.
_P99 = 1.0


def run(databases: Databases, options: Options) -> Report:
    """Measure each number of calls, on a database of its own."""
    report = Report("calls", f"calls: live calls of {RATE} frames a second, by one recorder")
    seconds = _SECONDS / 2 if options.quick else _SECONDS
    report.size = f"{seconds:g} s of live calls"
    for memory in MEMORY_MB if POSTGRESQL in databases.backends(options.backends) else ():
        held = 0
        for calls in options.calls or (CALLS if memory == MEMORY_MB[0] else MANY_CALLS):
            progress(f"calls: {calls} calls, {memory} MB")
            if _measure(databases, report, calls, seconds, memory, options.minutes):
                held = calls
        report.add(f"calls that are held with {memory} MB", float(held), unit="")
    return report


def _measure(
    databases: Databases, report: Report, calls: int, seconds: float, memory: int, minutes: int
) -> bool:
    """Add the figures of a number of calls, and return True if they are held."""
    with databases.fresh(POSTGRESQL) as url:
        with EventStore(url) as store:
            report.notes[POSTGRESQL] = settings_of(store.engine)
        numbers = (str(calls), str(seconds), str(memory), str(minutes))
        spool = str(databases.path(".spool"))
        found = answer("-m", "benchmarks.live_calls", url, spool, *numbers)
    what = f"{calls} calls{f' of {minutes} minutes' if minutes else ''}, {memory} MB"
    report.notes[f"curve of {what}"] = found.pop("curve")
    is_held = not found["spooled"] and not found["missed"] and found["behind_p99"] <= _P99
    committed, threads = found.pop("committed"), found.pop("threads_cores")
    report.add(
        f"{what}: frames committed a second",
        committed,
        unit="",
        **{name.replace("_", " "): value for name, value in found.items()},
        **{f"{name} cores": value for name, value in threads.items()},
        held=is_held,
    )
    return is_held
