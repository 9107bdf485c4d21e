"""A page of responses by metadata against one lookup by primary key, on the same database."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from benchmarks.databases import SQLITE, Databases
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.query_fill import Filled
from benchmarks.report import Report
from benchmarks.rounds import in_turns, median, progress, ratio
from eventstore import EventStore
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging, checked_filter
from eventstore.store.queries.query_responses import responses_sql

TARGET = 5.0
PAGE = 20
EACH_ROUND = 50
LOOKUP = "SELECT resource FROM responses WHERE session_id = ? AND response_id = ?"

#: Other filters, as information: what is asked, as the keywords of `EventStore.responses`.
OTHERS: dict[str, dict[str, Any]] = {
    "all, newest first": {},
    "status=cancelled": {"status": "cancelled"},
    "model": {"model": "gpt-realtime-mini"},
    "env=prod, on all": {"metadata": {"env": "prod"}},
    "env=prod and customer": {"metadata": {"env": "prod", "customer": "customer-00001"}},
    "customer and status=failed": {
        "metadata": {"customer": "customer-00001"},
        "status": "failed",
    },
    "customer and turn": {"metadata": {"customer": "customer-00001", "turn": "3"}},
    "has escalated": {"metadata": ["escalated"]},
    "has env": {"metadata": ["env"]},
    "customer^=customer-0000": {"metadata": ["customer^=customer-0000"]},
    "env!=prod": {"metadata": ["env!=prod"]},
    "min_tokens=1995": {"min_tokens": 1995},
}


def run(databases: Databases, options: Options) -> Report:
    """Measure both sizes on each database."""
    report = Report("query", "query: a page of 20 by metadata, in lookups by primary key")
    for count in (10_000, 1_000_000):
        size = max(2000, options.events(count))
        for store, _, what, filled in filled_stores(databases, options, report, size):
            _measure(store, options, report, what, filled)
    return report


def _measure(
    store: EventStore, options: Options, report: Report, what: str, filled: Filled
) -> None:
    chance = random.Random(11)
    rounds = options.rounds(21)

    def one_key() -> tuple[str, str]:
        return chance.choice(filled.keys)

    def page() -> None:
        found = store.responses(metadata={"customer": chance.choice(filled.customers)}, limit=PAGE)
        if len(found.data) != PAGE:
            raise RuntimeError(f"{len(found.data)} responses on a page")

    def lookup() -> None:
        session, response = one_key()
        store.response(response, session)

    progress(f"query: {what}, through the API")
    seconds = in_turns({"page": _often(page), "lookup": _often(lookup)}, rounds, warm_up=3)
    report.add(
        f"by customer, {what}: EventStore.responses",
        ratio(seconds["page"], seconds["lookup"]),
        TARGET,
        at_most=True,
        **_micros(seconds),
    )
    progress(f"query: {what}, bare statements")
    _measure_sql(store, report, what, filled, rounds, chance)
    _measure_others(store, options, report, what, filled)


def _measure_sql(
    store: EventStore,
    report: Report,
    what: str,
    filled: Filled,
    rounds: int,
    chance: random.Random,
) -> None:
    """The statements alone, in one transaction."""
    paging = ResponsePaging(limit=PAGE)
    with read(store.engine) as tx:
        statements = {
            customer: responses_sql(
                tx, checked_filter(ResponseFilter, {"metadata": {"customer": customer}}), paging
            )
            for customer in filled.customers
        }
        work = {
            "page": _often(lambda: tx.rows(*statements[chance.choice(filled.customers)])),
            "lookup": _often(lambda: tx.row(LOOKUP, chance.choice(filled.keys))),
        }
        seconds = in_turns(work, rounds, warm_up=3)
        report.add(
            f"by customer, {what}: the statement",
            ratio(seconds["page"], seconds["lookup"]),
            TARGET,
            at_most=True,
            **_micros(seconds),
        )
        plans = report.notes.setdefault("plans", {}).setdefault(what, {})
        plans["customer"] = plan(tx, *statements[filled.customers[0]])
        plans["lookup"] = plan(tx, LOOKUP, list(filled.keys[0]))


def _measure_others(
    store: EventStore, options: Options, report: Report, what: str, filled: Filled
) -> None:
    """Other filters, as information, each in turns with the lookup."""
    chance = random.Random(13)
    rare, common = _words(store)
    asked = dict(OTHERS)
    if len(filled.customers) < 2:
        asked = {name: f for name, f in asked.items() if "customer-00001" not in str(f)}
    asked["text, a rare word"] = {"text": rare}
    asked["text, a common word"] = {"text": common}
    day = {"since": (filled.start + 3_600_000_000) / 1e6}
    asked["customer, since an hour in"] = {"metadata": {"customer": "customer-00000"}, **day}

    def lookup() -> None:
        session, response = chance.choice(filled.keys)
        store.response(response, session)

    def measure(name: str, work: Callable[[], object], often: int) -> None:
        progress(f"query: {what}, {name}")
        works = {"page": _often(work, often), "lookup": _often(lookup, often)}
        seconds = in_turns(works, max(2, options.rounds(5)))
        in_lookups = ratio(seconds["page"], seconds["lookup"]).value
        taken = median([1000 * each / often for each in seconds["page"]])
        report.add(f"{what}, in ms: {name}", taken, unit=" ms", **{"in lookups": in_lookups})

    plans = report.notes["plans"][what]
    for name, filters in asked.items():
        measure(name, lambda filters=filters: store.responses(limit=PAGE, **filters), 3)
        with read(store.engine) as tx:
            statement = responses_sql(
                tx, checked_filter(ResponseFilter, filters), ResponsePaging(limit=PAGE)
            )
            plans[name] = plan(tx, *statement)
    measure("usage by model, all", lambda: store.usage(by="model"), 1)
    one = {"metadata": {"customer": filled.customers[0]}}
    measure("usage by model, a customer", lambda: store.usage(by="model", **one), 1)


def _words(store: EventStore) -> tuple[str, str]:
    """A rare word and a common one of what was said last."""
    with read(store.engine) as tx:
        row = tx.row("SELECT said FROM items ORDER BY session_id, item_id LIMIT 1")
    words = row[0].split() if row is not None else ["", ""]
    return words[-1], words[0]


def _often(work: Callable[[], object], times: int = EACH_ROUND) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            work()

    return run


def _micros(seconds: dict[str, list[float]], times: int = EACH_ROUND) -> dict[str, float]:
    return {
        f"{name} µs": sorted(values)[len(values) // 2] / times * 1e6
        for name, values in seconds.items()
    }


def plan(tx: Transaction, sql: str, parameters: Any) -> list[str]:
    """How the database answers a statement."""
    if tx.dialect == SQLITE:
        return [row[3] for row in tx.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    return [row[0] for row in tx.rows(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", parameters)]
