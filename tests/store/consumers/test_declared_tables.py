"""Integration: the tables that projections declare, when others declare, change or drop them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    Unicode,
    UnicodeText,
    UniqueConstraint,
)
from support.calls import voice_call
from support.events import SESSION
from support.own_projections import BAD, CountTypes, Misbehaving, rows_of, table

from eventstore import EventStore, InvalidInputError
from eventstore.store.consumers.projections.projection import check_projection
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames


def named(name: str, *tables: Table, version: int = 1) -> Misbehaving:
    own = Misbehaving(lambda: None)
    own.name, own.version, own.tables = name, version, tables or (BAD,)  # type: ignore[misc]
    return own


def test_of_two_that_declare_one_table_at_once_one_has_it(database_url: str) -> None:
    begin = Barrier(2, timeout=30)

    def add(own: Misbehaving) -> str:
        with EventStore(database_url) as store:
            begin.wait()
            try:
                store._add([own])
            except InvalidInputError as error:
                return str(error)
            return ""

    for number in range(8):
        shared = table(f"own_shared_{number}", Column("number", Integer, primary_key=True))
        pair = [named(f"first_{number}", shared), named(f"second_{number}", shared)]
        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(add, pair))
        assert said[0] == "" and f"{shared.name} belongs to the projection" in said[1]


def test_versions_that_are_added_at_once_leave_no_table_unknown(database_url: str) -> None:
    begin = Barrier(3, timeout=30)
    tables = [table(f"own_v{n}", Column("number", Integer, primary_key=True)) for n in range(1, 4)]

    def add(version: int) -> None:
        with EventStore(database_url) as store:
            begin.wait()
            store._add([named("own_bad", tables[version - 1], version=version)])

    for _ in range(4):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(add, (1, 2, 3)))
        with EventStore(database_url) as store:
            (status,) = store.projections()
            assert (status["version"], status["tables"]) == (3, ["own_v3"])
            known = {*status["tables"], *status["older_tables"]}
            with read(store.engine) as tx:
                there = {one.name for one in tables if _exists(tx, one.name)}
            assert there == known
            store.drop_projection("own_bad")


def _exists(tx: Any, name: str) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
    if tx.postgresql:
        sql = "SELECT 1 FROM pg_class WHERE relname = ?"
    return tx.row(sql, (name,)) is not None


@pytest.mark.parametrize(
    "changed",
    [
        lambda: Column("number", Text, primary_key=True),
        lambda: Column("other", Integer, primary_key=True),
        lambda: Column("number", Integer, nullable=False),
        lambda: Column("number", BigInteger, primary_key=True),
    ],
    ids=["type", "name", "key", "size"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_table_with_other_columns_is_told_at_once(
    database_url: str, changed: Callable[[], Column[Any]], version: int
) -> None:
    first = table("own_changed", Column("number", Integer, primary_key=True))
    with EventStore(database_url, projections=[named("own_bad", first)]) as store:
        store.append(SESSION, FRAMES[:3])
    own = named("own_bad", table("own_changed", changed()), version=version)
    with pytest.raises(InvalidInputError, match="own_changed is there with other columns"):
        EventStore(database_url, projections=[own])
    with EventStore(database_url, projections=[named("own_bad", first)]) as store:
        store.append(SESSION, FRAMES[3:5])
        assert len(list(store.projected("own_bad"))) == 5
        store.drop_projection("own_bad")


def test_a_table_that_somebody_dropped_is_made_and_filled_anew(database_url: str) -> None:
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        store.append(SESSION, FRAMES)
        store.project().raise_for_errors()
        before = rows_of(store, CountTypes())
        with write(store.engine) as tx:
            tx.run("DROP TABLE own_said")
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        assert store.projections()[0]["behind"] == 1
        store.project().raise_for_errors()
        assert rows_of(store, CountTypes()) == before


def test_added_while_it_is_dropped(database_url: str) -> None:
    """Whoever adds it again finds its tables, whatever the one that dropped it still does."""
    begin = Barrier(2, timeout=30)

    def drop() -> None:
        with EventStore(database_url) as store:
            begin.wait()
            store.drop_projection("own_counts")

    def add() -> None:
        with EventStore(database_url) as store:
            begin.wait()
            for _ in range(3):
                store._add([CountTypes(inline=True)])

    for number in range(8):
        with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
            store.append(f"s{number}", FRAMES)
        with ThreadPoolExecutor(2) as pool:
            for one in [pool.submit(drop), pool.submit(add)]:
                one.result()
        with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
            store.project().raise_for_errors()
            assert len(rows_of(store, CountTypes(), f"s{number}")["own_types"]) > 3
            assert store.projections()[0]["behind"] == 0


def test_dropped_while_a_worker_passes_over_sessions(database_url: str) -> None:
    with EventStore(database_url) as store:
        for number in range(5):
            store.append(f"s{number}", FRAMES[:3])

    def drop() -> None:
        with EventStore(database_url) as other:
            other.drop_projection("own_bad")

    own = Misbehaving(drop, inline=False)
    with EventStore(database_url, projections=[own]) as store:
        assert len(store.project().failed) <= 1  # the session in whose middle it was dropped
        with read(store.engine) as tx:
            assert tx.rows("SELECT * FROM checkpoints") == []
        assert store.projections() == [] and store.project().failed == []


def test_what_an_append_leaves_of_a_dropped_projection_is_no_progress(database_url: str) -> None:
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as recorder:
        recorder.append("before", FRAMES)
        with EventStore(database_url) as other:
            other.drop_projection("own_counts")
        recorder.append("before", FRAMES[:1])
        recorder.append("after", FRAMES)
        assert len(list(recorder.events("after"))) == len(FRAMES)
        with EventStore(database_url, projections=[CountTypes(inline=True)]) as again:
            status = again.projections()[0]
            assert (status["behind"], status["failed"]) == (2, 0)
            again.project().raise_for_errors()
        recorder.append("after", FRAMES[:1])
        recorder.project().raise_for_errors()
        for session_id in ("before", "after"):
            assert len(rows_of(recorder, CountTypes(), session_id)["own_types"]) > 3


# What no projection can declare


@pytest.mark.parametrize(
    "tables",
    [
        table("said_data", Column("number", Integer)),
        table("said_config", Column("number", Integer)),
        table("sqlite_own", Column("number", Integer)),
        table("pg_class", Column("number", Integer)),
        table("checkpoints_unfinished", Column("number", Integer)),
        table("own_enum", Column("kind", Enum("a", "b", name="own_kind"))),
        table("own_padded", Column("kind", CHAR(8))),
        table("own_system_column", Column("xmin", Integer)),
        table("own_unique", Column("number", Integer, unique=True)),
        Table(
            "own_uniques",
            MetaData(),
            Column("session_id", String(128), primary_key=True),
            Column("a", Integer),
            UniqueConstraint("session_id", "a"),
        ),
    ],
    ids=lambda one: one.name,
)
def test_a_table_that_no_projection_can_have(tables: Table) -> None:
    with pytest.raises(InvalidInputError):
        check_projection(named("own_bad", tables))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (CountTypes(), "has to be a list"),
        ("projections", "has to be a list"),
        (5, "has to be a list"),
        ([CountTypes], r"CountTypes is a class: give an object, CountTypes\(\)"),
        (["words"], "is no projection"),
        ([CountTypes(), CountTypes()], "two of the projections have the name own_counts"),
    ],
    ids=["one", "text", "number", "class", "no projection", "twice"],
)
def test_what_are_no_projections_is_told(given: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        EventStore("sqlite://", projections=given)


def test_tables_are_a_list() -> None:
    own = named("own_bad")
    own.tables = BAD  # type: ignore[assignment,misc]
    with pytest.raises(InvalidInputError, match="a list of one table or more"):
        check_projection(own)


def test_an_older_version_is_not_run_and_says_so(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with EventStore(database_url, projections=[CountTypes(version=3)]):
        pass
    with EventStore(database_url, projections=[CountTypes(inline=True, version=2)]) as store:
        store.append(SESSION, FRAMES)
        assert store.project().done == [] and rows_of(store, CountTypes())["own_types"] == []
    assert "its version here is 2, and the store has version 3" in caplog.text


def test_a_store_from_before_columns_were_noted_is_opened(database_url: str) -> None:
    """Tables that are there are recognised, whatever types of SQLAlchemy declare them."""
    kinds = table(
        "own_kinds",
        Column("key", String(40), primary_key=True),
        Column("small", SmallInteger),
        Column("big", BigInteger, nullable=False),
        Column("number", BigInteger().with_variant(Integer, "sqlite")),
        Column("yes", Boolean),
        Column("share", Float(24)),
        Column("exact", Double),
        Column("grade", REAL),
        Column("text", String),
        Column("short", Unicode(9)),
        Column("long", UnicodeText, index=True),
        Column("data", LargeBinary),
        Column("counted", Integer, server_default="5", nullable=False),
    )
    own = named("own_bad", kinds)
    with EventStore(database_url, projections=[own]) as store:
        with read(store.engine) as tx:
            ((definition, passed),) = tx.rows("SELECT definition, passed FROM consumers")
        old = {name: value for name, value in json.loads(definition).items() if name != "columns"}
        with write(store.engine) as tx:
            tx.run("UPDATE consumers SET definition = ?", (json.dumps(old),))
    with EventStore(database_url, projections=[own]) as store:
        with read(store.engine) as tx:
            assert tx.rows("SELECT definition, passed FROM consumers") == [(definition, passed)]
        store.drop_projection("own_bad")
