"""Fill empty databases and keep them, for other benchmarks to measure on with `--store`.

`python -m benchmarks fill --responses 10000000 --store postgresql://…` creates the schema, too.
"""

from __future__ import annotations

import time

from sqlalchemy.engine import make_url

from benchmarks.databases import Databases, set_up
from benchmarks.options import Options
from benchmarks.query_fill import fill
from benchmarks.report import Report
from eventstore import EventStore
from eventstore.times import DAY_US, now


def run(databases: Databases, options: Options) -> Report:
    """Fill each database that `--store` names, sum its days up and price its sessions."""
    report = Report("fill", "fill: seconds to fill a store with rows of responses")
    size = options.size(1_000_000)
    for url in options.stores:
        backend = make_url(url).get_backend_name()
        set_up(url)
        begin = time.perf_counter()
        filled = fill(databases, backend, url, size, (now() // DAY_US + 1) * DAY_US, True, True)
        report.size = f"{filled.responses:,} responses"
        report.add(f"{filled.responses:,}, {backend}: rows", time.perf_counter() - begin, unit=" s")
        with EventStore(url) as store:
            for name, verb in (("sums of days", store.sum_days), ("costs", store.price_sessions)):
                begin = time.perf_counter()
                done = len(verb().done)
                took = time.perf_counter() - begin
                report.add(f"{filled.responses:,}, {backend}: {name}", took, unit=" s", done=done)
    return report
