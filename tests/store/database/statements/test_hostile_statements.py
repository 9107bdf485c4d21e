"""Integration: no statement changes a store, reads files, or takes more than it may."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.calls import voice_call
from support.rows import read_model_rows

from eventstore import EventStore, InvalidInputError, TimeLimitError
from eventstore.store.database.statements import statement_rows
from eventstore.store.database.transaction import read

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
WRITES = (
    "DELETE FROM events",
    "UPDATE streams SET head_seq = 0",
    "INSERT INTO store_ids VALUES ('x') RETURNING id",
    "WITH gone AS (DELETE FROM events RETURNING seq) SELECT * FROM gone",
    "CREATE TABLE mine (x INTEGER)",
    "CREATE TEMP TABLE mine (x INTEGER)",
    "CREATE VIEW mine AS SELECT 1",
    "DROP TABLE events",
    "DROP VIEW v_sessions",
    "ALTER TABLE events RENAME TO gone",
    "CREATE INDEX mine ON events (at)",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "SELECT 1; DELETE FROM events",
    "SELECT 1; SELECT 2",
    "COMMIT; DELETE FROM events",
    "SELECT 1) x; DELETE FROM events; --",
)
OF_SQLITE = (
    "ATTACH 'other.db' AS other",
    "VACUUM INTO 'copy.db'",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA user_version = 7",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "UPDATE sqlite_master SET sql = ''",
    "SELECT load_extension('x')",
    "SELECT writefile('x', 'y')",
    "INSERT INTO said (said) VALUES ('delete-all')",
    "SELECT randomblob(1000000000)",
)
OF_POSTGRESQL = (
    "COPY (SELECT 1) TO '/tmp/eventstore_copied'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "DO $$ BEGIN DELETE FROM events; END $$",
    "CALL x()",
    "SET default_transaction_read_only = off",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT query_to_xml('DELETE FROM events', true, true, '')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_export(1, '/tmp/eventstore_exported')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM streams FOR UPDATE",
    "SELECT 1 INTO mine",
    "LISTEN x",
    "LOCK TABLE streams",
    "EXECUTE x",
    "PREPARE x AS SELECT 1",
)


def everything(store: EventStore) -> Any:
    with read(store.engine) as tx:
        catalogue = "pg_class WHERE relnamespace = 'public'::regnamespace"
        names = (
            f"SELECT relname FROM {catalogue}" if tx.postgresql else "SELECT sql FROM sqlite_master"
        )
        made = sorted(map(str, tx.rows(names)))
    return made, read_model_rows(store.engine, "sess_1"), list(store.export("sess_1"))


@pytest.fixture
def filled(store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EventStore:
    """A store with a call, and an empty folder to work in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store.append("sess_1", voice_call().frames)
    return store


def test_no_statement_changes_anything(filled: EventStore) -> None:
    before = everything(filled)
    own = OF_SQLITE if filled.engine.dialect.name == "sqlite" else OF_POSTGRESQL
    with read(filled.engine) as tx:
        is_spread = tx.distributed  # where a superuser stays one
    for statement in (*WRITES, *own):
        if is_spread and statement.startswith(("SELECT pg_", "SELECT lo_export")):
            continue
        with pytest.raises(InvalidInputError, match="refuses the statement: ") as refused:
            filled.sql(statement)
        assert "\n" not in str(refused.value), statement
    assert everything(filled) == before
    assert list(Path().iterdir()) == []
    filled.append("sess_1", [])
    filled.append("sess_2", voice_call().frames)


def test_a_store_in_memory_is_kept_as_well() -> None:
    with EventStore("sqlite://") as store:
        store.append("sess_1", voice_call().frames)
        before = everything(store)
        for statement in (*WRITES, *OF_SQLITE):
            if statement.startswith("SELECT"):
                continue  # The limits of sizes are those of the connection to a file.
            with pytest.raises(InvalidInputError, match="refuses the statement: "):
                store.sql(statement)
        assert everything(store) == before
        store.append("sess_2", voice_call().frames)
        with pytest.raises(TimeLimitError):
            store.sql(f"{ENDLESS} SELECT COUNT(*) FROM c", time_limit=0.2)
        assert store.sql("SELECT COUNT(*) AS n FROM v_sessions").data == [{"n": 2}]


@pytest.mark.parametrize(
    "statement",
    [
        f"{ENDLESS} SELECT COUNT(*) FROM c",
        f"{ENDLESS} SELECT x FROM c ORDER BY x DESC",
        f"{ENDLESS} SELECT x FROM c WHERE x < 0",
        # Steps that are slow, in place of many: SQLite copies a large value, PostgreSQL sleeps
        # between rows, and a statement may end its own limit for what comes later.
        "WITH RECURSIVE c(x) AS (SELECT zeroblob(60000000) UNION ALL SELECT x FROM c)"
        " SELECT COUNT(*) FROM c",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(0.02)"
        " FROM generate_series(1, 1000)",
    ],
)
def test_an_endless_statement_ends_by_its_time(filled: EventStore, statement: str) -> None:
    own = {"zeroblob": "sqlite", "pg_sleep": "postgresql"}
    if any(name in statement and filled.engine.dialect.name != own[name] for name in own):
        pytest.skip("the other database has no such function")
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"takes longer than 0.3 seconds; narrow it"):
        filled.sql(statement, time_limit=0.3)
    assert time.monotonic() - began < 10
    assert filled.sql("SELECT 1 AS one").data == [{"one": 1}]


def test_rows_are_bounded_by_number_and_bytes(
    filled: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = filled.sql(f"{ENDLESS} SELECT x FROM c", limit=2500)
    assert [row["x"] for row in found.data] == list(range(1, 2501)) and found.has_more
    assert not filled.sql("SELECT 1 AS x UNION ALL SELECT 2", limit=2).has_more
    monkeypatch.setattr(statement_rows, "MOST_BYTES", 10_000)
    wide = "replace(CAST(x AS TEXT), CAST(x AS TEXT), '" + "y" * 1000 + "')"
    found = filled.sql(f"{ENDLESS} SELECT {wide} AS y FROM c")
    assert 5 < len(found.data) < 12 and found.has_more
    if filled.engine.dialect.name == "postgresql":
        assert filled.sql("SELECT FROM generate_series(1, 1000)", limit=900).has_more


def test_a_value_that_is_too_large_never_comes(filled: EventStore) -> None:
    is_sqlite = filled.engine.dialect.name == "sqlite"
    value = "hex(zeroblob(40000000))" if is_sqlite else "repeat('x', 80000000)"
    with pytest.raises(InvalidInputError, match=r"too big|80,000,001 bytes, and may have 67,108"):
        filled.sql(f"SELECT 1 AS a, {value} AS b")


def test_rows_behind_a_limit_are_not_computed(
    filled: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if filled.engine.dialect.name == "sqlite":
        pytest.skip("SQLite computes a row when it is read")
    monkeypatch.setattr(statement_rows, "MOST_BYTES", 1_000_000)
    slow = "pg_sleep(CASE WHEN x > 100 THEN 1 ELSE 0 END), repeat('y', 50000) AS y"
    found = filled.sql(f"SELECT x, {slow} FROM generate_series(1, 900) x", time_limit=20)
    assert 10 < len(found.data) < 25 and found.has_more


def test_appends_go_on_beside_a_long_statement(filled: EventStore) -> None:
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            filled.sql(f"{ENDLESS} SELECT COUNT(*) FROM c, v_sessions", time_limit=1.5)
        except TimeLimitError:
            pass
        except BaseException as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    filled.append("sess_2", voice_call().frames)
    assert time.monotonic() - began < 1.4
    asking.join()
    assert failures == []


def test_a_lock_that_a_statement_took_is_let_go(filled: EventStore) -> None:
    if filled.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no such locks")
    filled.sql("SELECT pg_advisory_lock(7305119)")
    for _ in range(3):
        held = filled.sql("SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory'")
        assert held.data == [{"n": 0}]


def test_values_are_plain(filled: EventStore) -> None:
    cases = "CAST(7 AS BIGINT) AS a, CAST(0.5 AS DOUBLE PRECISION) AS b, NULL AS c, 'é' AS d"
    (row,) = filled.sql(f"SELECT {cases}, SUM(2) AS e").data
    assert row == {"a": 7, "b": 0.5, "c": None, "d": "é", "e": 2}
    value = "'\\x00ff'::bytea" if filled.engine.dialect.name != "sqlite" else "x'00ff'"
    assert filled.sql(f"SELECT {value} AS v").data == [{"v": b"\0\xff"}]
    given = {"a": "x'; DROP TABLE events; --", "b": 3, "c": None}
    ending = " ; -- ; of :a\n/* ; */"
    found = filled.sql(
        f"SELECT :a AS a, CAST(:b AS BIGINT) AS b, :c AS c, ':a %s' AS d{ending}", given
    )
    assert found.data == [{**given, "d": ":a %s"}]


@pytest.mark.parametrize(
    "arguments",
    [
        {"statement": "SELECT 1", "limit": 0},
        {"statement": "SELECT 1", "limit": 2**70},
        {"statement": "SELECT 1", "time_limit": 0},
        {"statement": "SELECT 1", "time_limit": 1e9},
        {"statement": "SELECT '\0'"},
        {"statement": "SELECT '\ud83d'"},
        {"statement": "SELECT 1" + " " * 1_000_000},
        {"statement": "SELECT :a", "parameters": {"a": [1]}},
        {"statement": "SELECT :a", "parameters": {"a": 2**70}},
        {"statement": "SELECT :a", "parameters": {"a": "\0"}},
        {"statement": "SELECT :a", "parameters": {"a) s": 1}},
        {"statement": "SELECT :missing", "parameters": {"a": 1}},
        {"statement": ""},
        {"statement": "SELEC 1"},
        {"statement": "SELECT * FROM nothing"},
    ],
)
def test_wrong_input_is_told(store: EventStore, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        store.sql(**arguments)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def test_a_part_of_a_store_has_no_sql(store: EventStore) -> None:
    assert not hasattr(store.scoped("customer", "42"), "sql")
    assert not hasattr(store.scoped("customer", "42").reader, "sql")
