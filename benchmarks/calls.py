"""Live voice calls by one recorder on PostgreSQL: what it holds, and where it breaks."""

from __future__ import annotations

from benchmarks.databases import POSTGRESQL, Databases, settings_of
from benchmarks.live_calls import RATE
from benchmarks.options import Options
from benchmarks.processes import answer
from benchmarks.report import Report
from benchmarks.rounds import progress
from eventstore import EventStore

CALLS = (50, 100, 200, 400, 700, 1_000)
_SECONDS = 10.0
#: A number of calls is held if nothing goes to the spool, and of a hundred frames 99 are committed
#: this many seconds later at most.
_P99 = 1.0


def run(databases: Databases, options: Options) -> Report:
    """Measure each number of calls, on a database of its own."""
    report = Report("calls", f"calls: live calls of {RATE} frames a second, by one recorder")
    held = 0
    has_postgresql = POSTGRESQL in databases.backends(options.backends)
    for calls in (options.calls or CALLS) if has_postgresql else ():
        with databases.fresh(POSTGRESQL) as url:
            with EventStore(url) as store:
                report.notes[POSTGRESQL] = settings_of(store.engine)
            progress(f"calls: {calls} calls")
            seconds = _SECONDS / 2 if options.quick else _SECONDS
            numbers = (str(calls), str(seconds))
            spool = str(databases.path(".spool"))
            found = answer("-m", "benchmarks.live_calls", url, spool, *numbers)
        report.notes[f"curve of {calls} calls"] = found.pop("curve")
        is_held = not found["spooled"] and not found["missed"] and found["behind_p99"] <= _P99
        held = calls if is_held else held
        committed = found.pop("committed")
        threads = found.pop("threads_cores")
        report.add(
            f"{calls} calls: frames committed a second",
            committed,
            unit="",
            **{name.replace("_", " "): value for name, value in found.items()},
            **{f"{name} cores": value for name, value in threads.items()},
            held=is_held,
        )
    report.add("calls that are held", float(held), unit="")
    return report
