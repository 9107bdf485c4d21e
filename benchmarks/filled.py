"""A store of many responses on each database, for what is asked of such a store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.engine import make_url

from benchmarks.databases import Databases, settings_of
from benchmarks.options import Options
from benchmarks.query_fill import EACH_CUSTOMER, Filled, fill
from benchmarks.report import Report
from benchmarks.rounds import settle
from eventstore import EventStore
from eventstore.store.database.transaction import read

_KEY = "SELECT session_id, response_id FROM responses WHERE at >= ? ORDER BY at LIMIT 1"
_KEYS = 2000


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
    until: int | None = None,
) -> Iterator[FilledStore]:
    """Yield a store of so many responses on each database that is asked for, one after the other.

    Where the options name stores that were filled before, these are what is yielded.

    Args:
        report: gets each database's settings, and the size.
        is_mixed, is_scored, until: as for `fill`.
    """
    for url in options.stores:
        with EventStore(url) as store:
            filled = filled_before(store)
            yield _named(report, store, url, filled)
    for backend in () if options.stores else databases.backends(options.backends):
        with databases.fresh(backend) as url:
            filled = fill(databases, backend, url, size, until, is_mixed, is_scored)
            settle()
            with EventStore(url) as store:
                yield _named(report, store, url, filled)


def _named(report: Report, store: EventStore, url: str, filled: Filled) -> FilledStore:
    backend = make_url(url).get_backend_name()
    report.notes[backend] = settings_of(store.engine)
    report.size = f"{filled.responses:,} responses"
    return FilledStore(store, url, f"{filled.responses:,}, {backend}", filled)


def filled_before(store: EventStore) -> Filled:
    """Return what is in a store that `fill` filled, with the ids of some of its responses."""
    chance = random.Random(5)
    with read(store.engine) as tx:
        ((count, start, end),) = tx.rows("SELECT COUNT(*), MIN(at), MAX(at) FROM responses")
        times = [chance.randrange(start, end) for _ in range(_KEYS)]
        keys = [(str(row[0]), str(row[1])) for at in times for row in tx.rows(_KEY, (at,))]
    customers = [f"customer-{n:05d}" for n in range(max(1, count // EACH_CUSTOMER))]
    return Filled(int(count), customers, keys, int(start))
