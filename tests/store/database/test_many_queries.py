"""Several queries that are sent at once give what each gives alone, and fail as one does."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from eventstore import EventStore, Frame
from eventstore.errors import EventStoreError, TimeLimitError
from eventstore.store.database.many_queries import Query, rows_of_each
from eventstore.store.database.transaction import read

CREATED = Frame("server", '{"type": "session.created"}', None)
QUERIES: list[Query] = [
    ("SELECT session_id, head_seq FROM streams ORDER BY session_id LIMIT ?", (2,)),
    ("SELECT session_id FROM streams WHERE session_id = ?", ("no such",)),
    ("SELECT '100%', CAST(? AS TEXT)", ("a ? and a %",)),
]


def test_each_query_has_its_own_rows(database_url: str) -> None:
    with EventStore(database_url) as store:
        for name in ("sess_1", "sess_2", "sess_3"):
            store.append(name, [CREATED])
        for _ in range(7):  # PostgreSQL's driver prepares a statement after some executions.
            with read(store.engine) as tx:
                found = [list(map(tuple, rows)) for rows in rows_of_each(tx, QUERIES)]
                alone = [list(map(tuple, tx.rows(*query))) for query in QUERIES]
            assert found == alone == [[("sess_1", 1), ("sess_2", 1)], [], [("100%", "a ? and a %")]]


def test_no_query_is_nothing(engine: Engine) -> None:
    with read(engine) as tx:
        assert rows_of_each(tx, []) == []


@pytest.mark.parametrize("place", range(3))
def test_one_that_fails_is_told_and_leaves_the_connection_whole(engine: Engine, place: int) -> None:
    wrong: Query = ("SELECT no_such_column FROM streams", ())
    queries = [*QUERIES[:place], wrong, *QUERIES[place:]]
    with pytest.raises(EventStoreError, match="no_such_column"), read(engine) as tx:
        rows_of_each(tx, queries)
    with read(engine) as tx:
        assert len(rows_of_each(tx, QUERIES)) == len(QUERIES)


def test_the_time_limit_is_that_of_each_query(postgres_url: str) -> None:
    with EventStore(postgres_url, time_limit=0.4) as store:
        with read(store.engine) as tx:
            begun = time.monotonic()
            rows_of_each(tx, [("SELECT pg_sleep(0.2)", ())] * 3)
            assert time.monotonic() - begun > 0.4
        with pytest.raises(TimeLimitError), read(store.engine) as tx:
            rows_of_each(tx, [("SELECT 1", ()), ("SELECT pg_sleep(20)", ()), ("SELECT 1", ())])
        with read(store.engine) as tx:
            assert tx.row("SELECT 1") == (1,)
