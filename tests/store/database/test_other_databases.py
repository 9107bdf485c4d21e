"""Integration: databases that speak PostgreSQL's protocol and are another one."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from eventstore import EventStore, InvalidInputError
from eventstore.store.database.connections.driver_errors import connecting
from eventstore.store.database.engine import create
from eventstore.store.database.schema import upgrade
from eventstore.store.database.tables.day_tables import day_of
from eventstore.store.database.transaction import read
from eventstore.times import DAY_US, MAX_AT, MIN_AT

OTHER = "CockroachDB CCL v25.2.0 (x86_64-pc-linux-gnu, built 2025/05/09)"


@pytest.fixture
def other_url(empty_postgres_url: str) -> str:
    """A database of PostgreSQL that says of itself that it is another one."""
    dsn = make_url(empty_postgres_url).set(drivername="postgresql")
    with psycopg.connect(dsn.render_as_string(hide_password=False)) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE"
            f" AS $$SELECT '{OTHER}'$$"
        )
    return empty_postgres_url


def test_another_database_is_refused_by_its_name(other_url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"no support for .*CockroachDB.* use PostgreSQL"):
        upgrade(create(other_url))
    with (
        pytest.raises(InvalidInputError, match=r"no support for .*CockroachDB.* use PostgreSQL"),
        EventStore(other_url) as store,
    ):
        store.sessions()


def test_an_error_of_our_own_is_not_taken_for_it() -> None:
    with pytest.raises(AssertionError, match="of our own"), connecting():
        raise AssertionError("of our own")


BESIDE = (day * DAY_US + by for day in (-2, -1, 0, 1) for by in (-1, 0, 1))
EDGES = sorted({MIN_AT, MAX_AT, *BESIDE})


def test_times_have_the_day_in_which_they_are(engine: Engine) -> None:
    with read(engine) as tx:
        found = [tx.rows(f"SELECT {day_of(f'({at})')}")[0][0] for at in EDGES]
    assert found == [at // DAY_US for at in EDGES]
    assert {type(day) for day in found} == {int}


def test_days_are_whole_where_a_division_of_integers_gives_a_fraction() -> None:
    """As on CockroachDB: its `/` of integers is SQLite's and PostgreSQL's `/` of a decimal."""
    sql = day_of("at").removeprefix("CAST(").removesuffix(" AS BIGINT)")
    sql = sql.replace(f"/ {DAY_US}", f"/ {DAY_US}.0")
    connection = sqlite3.connect(":memory:")
    for at in EDGES:
        assert connection.execute(f"SELECT {sql} FROM (SELECT {at} AS at)").fetchone() == (
            at // DAY_US,
        )
    connection.close()
