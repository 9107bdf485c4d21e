"""Integration: a table of a projection that is locked or gone holds up no append for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import psycopg
import pytest
from sqlalchemy.engine import make_url
from support.calls import voice_call
from support.events import SESSION
from support.own_projections import CountTypes, expected_rows, rows_of

from eventstore import EventStore, Frame
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Lock a table of the projection against writes, as `CREATE INDEX` does."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite locks the whole database")
    dsn = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE own_types IN SHARE MODE")
        yield
        connection.rollback()


def append_soon(store: EventStore, frames: list[Frame]) -> None:
    """Append to a session, which must not wait until the table is free."""
    appending = Thread(target=lambda: store.append(SESSION, frames), daemon=True)
    appending.start()
    appending.join(10)
    assert not appending.is_alive()


def check_rows(store: EventStore, own: CountTypes) -> None:
    """Have workers do what appends left, and check the rows."""
    store.project().raise_for_errors()
    wanted = expected_rows(own, SESSION, store.events(SESSION))["own_types"]
    found = rows_of(store, own, SESSION)["own_types"]
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_an_append_leaves_a_locked_table_to_a_worker(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, FRAMES[:2])
        with locked(database_url):
            append_soon(store, FRAMES[2:4])
            (failed,) = store.projections()[0]["failures"]
            assert failed["error"] == "LockNotAvailable"
        with read(store.engine) as tx:  # no later statement of a connection is limited
            assert tx.rows("SHOW lock_timeout") == [("0",)]
        store.append(SESSION, FRAMES[4:6])
        check_rows(store, own)


def test_an_append_does_not_wait_for_a_worker_that_waits(database_url: str) -> None:
    own = CountTypes()
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, FRAMES[:2])
        with locked(database_url):
            working = Thread(target=store.project, daemon=True)
            working.start()
            time.sleep(0.5)
            append_soon(store, FRAMES[2:4])
            working.join(10)
            assert not working.is_alive()
        check_rows(store, own)


def test_a_table_that_somebody_dropped_stops_no_append(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, FRAMES[:2])
        with EventStore(database_url, projections=[own]) as other:
            other.append(SESSION, FRAMES[2:4])
            with write(other.engine) as tx:
                tx.run("DROP TABLE own_types")
            other.append(SESSION, FRAMES[4:5])
        store.append("other", FRAMES[:2])
        store.append(SESSION, FRAMES[5:6])
        assert store.projections()[0]["failed"] == 2
    with EventStore(database_url, projections=[own]) as store:
        check_rows(store, own)


def test_a_table_that_is_gone_when_the_session_is_taken_up(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append("other", FRAMES[:1])
        with EventStore(database_url, projections=[own]) as other:
            other.append(SESSION, FRAMES[:2])
            with write(other.engine) as tx:
                tx.run("DROP TABLE own_types")
        store.append(SESSION, FRAMES[2:4])  # its rows are read first: it has no state of it
        assert store.projections()[0]["failed"] == 1
        assert len(list(store.events(SESSION))) == 4
    with EventStore(database_url, projections=[own]) as store:
        check_rows(store, own)
