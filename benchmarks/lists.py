"""Lists that are chosen and sorted by figures, beside the plain list, over a million responses."""

from __future__ import annotations

import random
import sqlite3
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.databases import Databases, driver_connection
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import percentile, progress, ratio
from eventstore import EventStore
from eventstore.projection.figures import step_us

TARGET_MS = 50.0
ASKED = 40
PAGE = 20
#: How many pages a walk goes on for.
WALK = 10

#: The list that all others are compared with.
PLAIN = "newest first"
#: What is asked, as the keywords of `EventStore.sessions`.
SESSIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    **{
        f"by {sort}": {"sort": sort}
        for sort in ("duration", "cost", "latency", "turns", "interruptions")
    },
    "tool, often": {"tool": "lookup_order"},
    "tool, seldom": {"tool": "transfer"},
    "language, often": {"language": "de"},
    "language, seldom": {"language": "is"},
    "min_cost, most": {"min_cost": 0.01},
    "min_cost, none": {"min_cost": 100},
    "min_latency, few": {"min_latency": 5},
    "min_duration, half": {"min_duration": 100},
    "min_duration, few": {"min_duration": 1500},
    "max_duration, few": {"max_duration": 8},
    "min_turns, few": {"min_turns": 40},
    "tool, by cost": {"tool": "cancel_order", "sort": "cost"},
    "tool, seldom, by cost": {"tool": "transfer", "sort": "cost"},
    "customer, by cost": {"metadata": {"customer": "customer-00001"}, "sort": "cost"},
    "language and min_turns, by latency": {"language": "pt", "min_turns": 10, "sort": "latency"},
    "model and tool, by duration": {
        "model": "gpt-4o-realtime-preview", "tool": "cancel_order", "sort": "duration"
    },
}  # fmt: skip
#: Those that look at how long a session is, where all sessions go on.
OF_OPEN = {
    name: filters for name, filters in SESSIONS.items() if name == PLAIN or "duration" in name
}
CLOSED = "SELECT session_id, duration_us FROM session_figures WHERE duration_us IS NOT NULL"
OPEN_ALL = (
    "UPDATE streams SET closed_at = NULL, last_at = (SELECT f.counts_from + f.duration_us"
    " FROM session_figures f WHERE f.session_id = streams.session_id AND f.duration_us IS NOT NULL)"
    " WHERE closed_at IS NOT NULL",
    "UPDATE sessions SET closed = 0 WHERE closed = 1",
    "UPDATE session_figures SET duration_us = NULL WHERE duration_us IS NOT NULL",
)
#: As the keywords of `EventStore.responses`.
RESPONSES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    **{f"by {sort}": {"sort": sort} for sort in ("duration", "latency", "tokens")},
    "tool, often": {"tool": "lookup_order"},
    "tool, seldom": {"tool": "transfer"},
    "min_latency, many": {"min_latency": 0.8},
    "min_latency, few": {"min_latency": 6},
    "min_tokens, few": {"min_tokens": 1999},
    "failed, by latency": {"status": "failed", "sort": "latency"},
    "customer, by latency": {"metadata": {"customer": "customer-00001"}, "sort": "latency"},
    "tool, by duration": {"tool": "cancel_order", "sort": "duration"},
}


def run(databases: Databases, options: Options) -> Report:
    """Measure on each database."""
    report = Report("lists", "lists: pages of 20 by figures, and as many times the plain list")
    size = options.size(1_000_000)
    for store, url, what, _ in filled_stores(databases, options, report, size):
        _price(store, report, what)
        asked = options.rounds(ASKED)
        _measure(report, f"{what}: sessions", store.sessions, SESSIONS, asked)
        _measure(report, f"{what}: responses", store.responses, RESPONSES, asked)
        if options.stores:
            continue  # they are kept, so that their sessions stay closed
        with driver_connection(url) as connection:
            open_all(connection)
        _measure(report, f"{what}: sessions, all open", store.sessions, OF_OPEN, asked)
    return report


def open_all(connection: Any) -> None:
    """Make all sessions open ones, as long as they are, and analyse."""
    sqlite = isinstance(connection, sqlite3.Connection)
    if sqlite:
        connection.execute("BEGIN IMMEDIATE")
    rows = connection.execute(CLOSED).fetchall()
    cursor, mark = connection.cursor(), "?" if sqlite else "%s"
    reached = f"UPDATE session_figures SET reached_us = {mark} WHERE session_id = {mark}"
    cursor.executemany(reached, [(step_us(length), id_) for id_, length in rows])
    for statement in OPEN_ALL:
        cursor.execute(statement)
    connection.commit()
    if not sqlite:
        connection.autocommit = True
    connection.execute("ANALYZE" if sqlite else "VACUUM ANALYZE session_figures, streams, sessions")


def _price(store: EventStore, report: Report, what: str) -> None:
    progress(f"lists: {what}, pricing")
    started = time.perf_counter()
    number = len(store.price_sessions().done)
    took = time.perf_counter() - started
    report.add(f"{what}: pricing", took, unit=" s", sessions=number)


def _measure(
    report: Report,
    what: str,
    ask: Callable[..., Any],
    lists: dict[str, dict[str, Any]],
    asked: int,
) -> None:
    chance = random.Random(3)
    taken: dict[str, list[float]] = {name: [] for name in lists}
    for filters in lists.values():
        ask(limit=PAGE, **filters)
    for _ in range(asked):
        # In turns, so that what else the machine does is everybody's.
        for name, filters in lists.items():
            order = chance.choice(("asc", "desc"))
            started = time.perf_counter()
            ask(limit=PAGE, order=order, **filters)
            taken[name].append(time.perf_counter() - started)
    for name, filters in lists.items():
        values = [1000 * seconds for seconds in taken[name]]
        page, started = None, time.perf_counter()
        for _ in range(WALK):
            after = page.last_id if page is not None else None
            page = ask(limit=PAGE, after=after, **filters)
            if not page.has_more:
                break
        report.add(
            f"{what}, {name}",
            percentile(values, 95),
            TARGET_MS,
            at_most=True,
            unit=" ms",
            **{"median ms": statistics.median(values)},
            **{"walk ms": (time.perf_counter() - started) * 1000},
        )
        if name != PLAIN:
            report.add(f"{what}, {name}: in plain lists", ratio(taken[name], taken[PLAIN]))
