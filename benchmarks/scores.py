"""Sums of scores and lists by them, over a million responses with 220,000 scores.

Each sum is also told beside the least that a database can do: one bare GROUP BY over the table.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.databases import Databases, warm
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.query import plan
from benchmarks.query_fill import EVERY_US, Filled
from benchmarks.report import Report
from benchmarks.rounds import percentile, progress, timed
from benchmarks.score_fill import RARE_OF_RESPONSES, RARE_OF_SESSIONS, TOPICS
from eventstore import EventStore, InvalidInputError
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import (
    ResponseFilter,
    ResponsePaging,
    ScoreFilter,
    SessionFilter,
    SessionPaging,
    checked_filter,
)
from eventstore.store.queries.query_responses import responses_sql
from eventstore.store.queries.session_pages import sessions_sql
from eventstore.store.usage.scores.sums_of_rows import sums_sql

TARGET_MS = 300.0
TIMES = 40
PAGE = 20
BARE = "SELECT name, COUNT(*), AVG(number) FROM scores GROUP BY name ORDER BY name"
DAYS_7 = 7 * 86_400_000_000

Filters = dict[str, Any]

#: What is summed, as the keywords of `EventStore.score_sums`.
SUMS: dict[str, Filters] = {
    **{f"by {by}": {"by": by} for by in ("name", "day", "model", "giver", "metadata:customer")},
    **{
        f"helpful, by {by}": {"by": by, "name": "helpful"}
        for by in ("name", "day", "model", "giver", "metadata:customer")
    },
    "of a customer, by name": {"by": "name", "metadata": {"customer": "customer-00000"}},
    "of a pair of all, by name": {"by": "name", "metadata": {"env": "prod"}},
    "of a model, by day": {"by": "day", "model": "gpt-realtime-mini"},
}
#: Lists, as the keywords of `EventStore.responses`.
RESPONSES: dict[str, Filters] = {
    "newest first": {},
    "helpful<0.5": {"score": "helpful<0.5"},
    "helpful<0.01": {"score": "helpful<0.01"},
    "label, rare": {"label": RARE_OF_RESPONSES},
    "by score": {"score": "helpful", "sort": "score"},
    "helpful<0.5, by score": {"score": "helpful<0.5", "sort": "score"},
    "helpful<0.5, of a customer": {
        "score": "helpful<0.5", "metadata": {"customer": "customer-00000"}
    },
}  # fmt: skip
#: As the keywords of `EventStore.sessions`.
SESSIONS: dict[str, Filters] = {
    "newest first": {},
    "label, rare": {"label": RARE_OF_SESSIONS},
    "label, common": {"label": TOPICS[0]},
    "topic=, common": {"score": f"topic={TOPICS[1]}"},
    "solved=false": {"score": "solved=false"},
    "by score": {"score": "helpful", "sort": "score"},
    "solved=false, by score": {"score": ["helpful", "solved=false"], "sort": "score"},
}


def run(databases: Databases, options: Options) -> Report:
    """Measure on each database."""
    report = Report(
        "scores", "scores: p95 of sums of scores and of pages of 20 by them, in process"
    )
    size = options.size(1_000_000)
    for store, url, what, filled in filled_stores(databases, options, report, size, is_scored=True):
        if not options.stores:
            warm(url)
        measure(store, report, what, filled, options.rounds(TIMES))
    return report


def measure(store: EventStore, report: Report, what: str, filled: Filled, times: int) -> None:
    """Measure all sums and all lists of a store, and note their plans."""
    plans = report.notes.setdefault("plans", {}).setdefault(what, {})
    with read(store.engine) as tx:
        ((scores,),) = tx.rows("SELECT COUNT(*) FROM scores")
        plans["bare"] = plan(tx, BARE, ())
    report.add(f"{what}: scores in it", float(scores), unit="")
    _add(report, f"{what}: bare GROUP BY name", lambda turn: _bare(store), times)
    newest = filled.start + filled.responses * EVERY_US
    sums = dict(SUMS)
    for by in ("day", "model"):
        sums[f"of 7 days, by {by}"] = {"by": by, "since": (newest - DAYS_7) / 1e6}
    for name, filters in sums.items():
        progress(f"scores: {what}, sums {name}")
        summed = partial(_sum, store, filters)
        try:
            _add(report, f"{what}: sums {name}", summed, times, TARGET_MS)
        except InvalidInputError as error:  # a store of many customers
            report.notes[f"refused, {what}: sums {name}"] = {"why": str(error)}
            continue
        with read(store.engine) as tx:
            plans[f"sums {name}"] = _sum_plans(tx, **filters)
    for kind, lists in (("responses", RESPONSES), ("sessions", SESSIONS)):
        for name, filters in lists.items():
            progress(f"scores: {what}, {kind} {name}")
            page = partial(_page, getattr(store, kind), filters)
            _add(report, f"{what}: {kind} {name}", page, times, TARGET_MS)
            with read(store.engine) as tx:
                plans[f"{kind} {name}"] = _list_plan(tx, kind, **filters)


def _bare(store: EventStore) -> None:
    with read(store.engine) as tx:
        tx.rows(BARE)


def _sum(store: EventStore, filters: Filters, turn: int) -> None:
    if not store.score_sums(**filters)["data"]:
        raise RuntimeError(f"no scores: {filters}")


def _page(ask: Callable[..., Any], filters: Filters, turn: int) -> None:
    """Ask for a page, in turn from the end and from the top."""
    ask(limit=PAGE, order=("asc", "desc")[turn % 2], **filters)


def _sum_plans(tx: Transaction, by: str, **filters: Any) -> list[list[str]]:
    checked = checked_filter(ScoreFilter, filters)
    return [plan(tx, *statement) for statement in sums_sql(tx, by, checked)]


def _list_plan(tx: Transaction, kind: str, sort: str = "", **filters: Any) -> list[str]:
    if kind == "responses":
        responses = ResponsePaging(limit=PAGE, **({"sort": sort} if sort else {}))
        return plan(tx, *responses_sql(tx, checked_filter(ResponseFilter, filters), responses))
    sessions = SessionPaging(limit=PAGE, **({"sort": sort} if sort else {}))
    return plan(tx, *sessions_sql(tx, checked_filter(SessionFilter, filters), sessions))


def _add(
    report: Report, what: str, work: Callable[[int], None], times: int, target: float | None = None
) -> None:
    work(0)
    taken = [1000 * timed(partial(work, turn)) for turn in range(times)]
    details = {"median ms": statistics.median(taken)}
    report.add(what, percentile(taken, 95), target, at_most=True, unit=" ms", **details)
