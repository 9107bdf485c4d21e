"""Integration: what a feed's handler runs in the transaction that moves the checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
from support.calls import voice_call
from support.events import SESSION

from eventstore import EventStore, InvalidInputError
from eventstore.feed.delivery import Delivery
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames


def run_one(url: str, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    """Have the handler of the first event run a statement; its rows, or the error."""
    found: list[Any] = []

    def handle(delivery: Delivery, execute: Any) -> None:
        try:
            found.extend(execute(sql, parameters))
        except Exception as error:
            found.append(error)
            raise

    with EventStore(url) as store:
        store.append(SESSION, FRAMES[:1])
        with store.subscribe("mine", from_="start", once=True) as feed:
            feed.run_in_transaction(handle)
    return found


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "commit;",
        " ; END",
        "-- it's over\nROLLBACK",
        "/* now */ BEGIN",
        "ROLLBACK TRANSACTION",
        "PREPARE TRANSACTION 'a'",
    ],
)
def test_a_statement_that_ends_the_transaction_is_refused(database_url: str, sql: str) -> None:
    with EventStore(database_url) as store:
        with write(store.engine) as tx:
            tx.run("CREATE TABLE noted (n BIGINT)")

        def handle(delivery: Delivery, execute: Any) -> None:
            execute("INSERT INTO noted VALUES (1)")
            execute(sql)

        store.append(SESSION, FRAMES[:1])
        with store.subscribe("mine", from_="start", once=True) as feed:
            feed.run_in_transaction(handle)
        (found,) = store.subscriptions()
        assert [one["error"] for one in found["failures"]] == [InvalidInputError.__name__]
        with read(store.engine) as tx:
            assert tx.rows("SELECT n FROM noted") == []
        with write(store.engine) as tx:
            tx.run("DROP TABLE noted")


def test_savepoints_are_the_handlers_own(database_url: str) -> None:
    with EventStore(database_url) as store:
        with write(store.engine) as tx:
            tx.run("CREATE TABLE noted (n BIGINT)")

        def handle(delivery: Delivery, execute: Any) -> None:
            execute("INSERT INTO noted VALUES (?)", [1])
            execute("SAVEPOINT mine")
            execute("INSERT INTO noted VALUES (?)", [2])
            execute("ROLLBACK TO SAVEPOINT mine")
            execute("ROLLBACK TRANSACTION TO mine")
            execute("RELEASE SAVEPOINT mine")

        store.append(SESSION, FRAMES[:1])
        with store.subscribe("mine", from_="start", once=True) as feed:
            feed.run_in_transaction(handle)
        assert store.subscriptions()[0]["failures"] == []
        with write(store.engine) as tx:
            assert tx.rows("SELECT n FROM noted") == [(1,)]
            tx.run("DROP TABLE noted")


@pytest.mark.parametrize(
    ("sql", "parameters", "row"),
    [
        ("SELECT 'is it?', ?", ("yes",), ("is it?", "yes")),
        ("SELECT '100 %', 'it''s ?' -- isn't it?\n, ?", ("a",), ("100 %", "it's ?", "a")),
        ('SELECT 1 AS "what?", ? /* a ? */', ("b",), (1, "b")),
    ],
)
def test_a_mark_in_quotes_or_a_comment_is_no_parameter(
    database_url: str, sql: str, parameters: tuple[Any, ...], row: tuple[Any, ...]
) -> None:
    cast = sql if database_url.startswith("sqlite") else sql.replace(", ?", ", CAST(? AS TEXT)")
    assert run_one(database_url, cast, parameters) == [row]
