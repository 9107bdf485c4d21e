"""What a page of usage asks of a million responses: by sums of days, and by rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.databases import Databases, driver_connection
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import percentile, progress
from eventstore import EventStore

TARGET_MS = 300.0
TIMES = 40

DROP_LAST = "UPDATE summed_days SET left_out = NULL WHERE day = (SELECT MAX(day) FROM summed_days)"

Work = Callable[[EventStore], Any]

ASKED: dict[str, Work] = {
    "usage": lambda store: store.usage(),
    "usage by day": lambda store: store.usage(by="day"),
    "usage by day,model": lambda store: store.usage(by="day,model"),
    "usage by metadata:customer": lambda store: store.usage(by="metadata:customer"),
    "latency by day": lambda store: store.latency(by="day"),
    "context": lambda store: store.context(),
}


def run(databases: Databases, options: Options) -> Report:
    """Measure on each database: from rows, then from sums, then with the last day's from rows."""
    report = Report("usage", "usage: p95 of what a page of usage asks, in process")
    size = options.size(1_000_000)
    for store, url, what, _ in filled_stores(databases, options, report, size):
        if options.stores:
            _measure_summed(store, report, what, options.rounds(TIMES))
        else:
            _measure(store, url, report, what)
    return report


def _measure_summed(store: EventStore, report: Report, what: str, times: int) -> None:
    """Measure on a store that is kept, whose days are summed up already."""
    for name, work in ASKED.items():
        progress(f"usage: {what}, {name}")
        work(store)
        _add(report, f"{what}: {name}", store, work, times, TARGET_MS)


def _measure(store: EventStore, url: str, report: Report, what: str) -> None:
    by_rows: dict[str, Any] = {}
    for name, work in ASKED.items():
        progress(f"usage: {what}, {name}, from rows")
        began = time.perf_counter()
        by_rows[name] = work(store)
        report.add(f"{what}: {name}, from rows", (time.perf_counter() - began) * 1000, unit=" ms")
    began = time.perf_counter()
    days = store.sum_days().done
    took = time.perf_counter() - began
    report.add(f"{what}: sum_days, {len(days)} days", took, unit=" s")
    for name, work in ASKED.items():
        if work(store) != by_rows[name]:
            raise RuntimeError(f"{what}: {name} by sums is not what it is by rows")
        _add(report, f"{what}: {name}", store, work, TIMES, TARGET_MS)
    with driver_connection(url) as connection:
        connection.execute(DROP_LAST)
        connection.commit()
    for name, work in ASKED.items():
        if work(store) != by_rows[name]:
            raise RuntimeError(f"{what}: {name} with a day of rows is not what it is by rows")
        _add(report, f"{what}: {name}, the last day from rows", store, work, TIMES)


def _add(
    report: Report,
    what: str,
    store: EventStore,
    work: Work,
    times: int,
    target: float | None = None,
) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work(store)
        took.append((time.perf_counter() - began) * 1000)
    found = percentile(took, 95)
    details = {"median ms": statistics.median(took)}
    report.add(what, found, target, at_most=True, unit=" ms", **details)
