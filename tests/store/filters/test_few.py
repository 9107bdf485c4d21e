"""Integration: how many rows are few for a page, by the size of the store; how they are read."""

from __future__ import annotations

import pytest
from support.calls import voice_call
from support.events import Call

from eventstore import EventStore
from eventstore.store.database.transaction import autocommit, read, write
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging, checked_filter
from eventstore.store.filters.search import parse_terms
from eventstore.store.filters.sql_conditions import MOST_COUNTED, few_that_say, most_few
from eventstore.store.queries.query_responses import responses_sql

NOTED = "UPDATE pg_class SET reltuples = ? WHERE oid = to_regclass('responses')"


@pytest.mark.parametrize(
    ("rows", "few"),
    [
        (-1, MOST_COUNTED),
        (0, MOST_COUNTED),
        (400_000, MOST_COUNTED),
        (1_000_000, 1581),
        (10_000_000, 5000),
        (10**12, 16_000),
    ],
)
def test_what_is_few_grows_with_the_store(postgres_url: str, rows: int, few: int) -> None:
    with EventStore(postgres_url) as store:
        with write(store.engine) as tx:
            tx.run(NOTED, (rows,))
        with read(store.engine) as tx:
            assert most_few(tx) == few


def test_words_that_no_statistics_know_are_rare(postgres_url: str) -> None:
    """In a large store, the planner expects more items of any such word than are few."""
    call, often = Call(), " ".join(f"often{number}" for number in range(12))
    for number in range(3 * MOST_COUNTED):
        call.typed(f"item_{number}", f"{often} {'seldom' if number % 2 else ''}")
    with EventStore(postgres_url) as store:
        store.append("sess", call.frames)
        with autocommit(store.engine) as tx:
            tx.run("ALTER TABLE items ALTER COLUMN said_words SET STATISTICS 1")
            tx.run("ANALYZE items")
        with write(store.engine) as tx:
            tx.run(NOTED, (10_000_000,))
            tx.run(NOTED.replace("responses", "items"), (10_000_000,))
        with read(store.engine) as tx:
            found = few_that_say(tx, parse_terms("seldom"), ("session_id", "item_id"))
            assert found is not None and len(found[1]) == 3 * MOST_COUNTED
            assert few_that_say(tx, parse_terms("often1"), ("session_id", "item_id")) is None


def test_on_sqlite_it_does_not_grow(store: EventStore) -> None:
    with read(store.engine) as tx:
        if tx.postgresql:
            pytest.skip("PostgreSQL is tried above")
        assert most_few(tx) == MOST_COUNTED


def test_a_time_is_looked_up_once(postgres_url: str) -> None:
    with EventStore(postgres_url) as store:
        store.append("sess", voice_call().frames)
        with read(store.engine) as tx:
            (said,) = tx.rows("SELECT said FROM items WHERE role = 'assistant' AND said <> ''")[0]
            wanted = checked_filter(ResponseFilter, {"text": said.split()[0]})
            sql, parameters = responses_sql(tx, wanted, ResponsePaging())
            plan = "\n".join(row[0] for row in tx.rows(f"EXPLAIN {sql}", parameters))
    assert plan.count("on response_metadata") == 1, plan
