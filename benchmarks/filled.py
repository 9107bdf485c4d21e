"""A store of many responses on each database, for what is asked of such a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.databases import Databases, settings_of
from benchmarks.options import Options
from benchmarks.query_fill import Filled, fill
from benchmarks.report import Report
from benchmarks.rounds import settle
from eventstore import EventStore


class FilledStore(NamedTuple):
    """A store, its URL, what it is called in a report, and what is in it."""

    store: EventStore
    url: str
    name: str
    filled: Filled


def filled_stores(
    databases: Databases,
    options: Options,
    report: Report,
    size: int,
    is_mixed: bool = False,
    is_scored: bool = False,
) -> Iterator[FilledStore]:
    """Yield a store of so many responses on each database that is asked for, one after the other.

    Args:
        report: gets each database's settings, and the size.
        is_mixed, is_scored: as for `fill`.
    """
    report.size = f"{size:,} responses"
    for backend in databases.backends(options.backends):
        with databases.fresh(backend) as url:
            filled = fill(databases, backend, url, size, None, is_mixed, is_scored)
            settle()
            with EventStore(url) as store:
                report.notes[backend] = settings_of(store.engine)
                yield FilledStore(store, url, f"{size:,}, {backend}", filled)
