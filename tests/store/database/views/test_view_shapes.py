"""Integration: the views' names, columns and types stay, upgrades keep them, and indexes serve."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import make_url
from support.calls import voice_call

from eventstore import EventStore, InvalidInputError, SchemaError
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.transaction import read
from eventstore.store.database.views.all_views import VIEWS
from eventstore.store.database.views.create_views import create_views, view_statements
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append

#: What each kind of column is on PostgreSQL.
TYPES = {
    "text": {"character varying", "text"},
    "integer": {"bigint", "integer"},
    "number": {"double precision"},
    "boolean": {"boolean"},
    "time": {"timestamp with time zone"},
    "date": {"date"},
    "JSON": {"jsonb"},
}
#: The columns that people rely on, in order. New ones come at the end, and none goes.
COLUMNS = {
    "v_sessions": "session_id started_at started_at_us day last_event_at last_event_at_us length_s"
    " status model protocol events sealed_events responses turns interruptions errors"
    " slowest_answer_ms input_tokens output_tokens total_tokens input_text_tokens"
    " input_audio_tokens input_image_tokens cached_tokens output_text_tokens output_audio_tokens"
    " known_cost_usd cost_prices metadata tools encrypted",
    "v_responses": "session_id response_id created_at created_at_us day done_at done_at_us seq"
    " status status_reason model voice modalities conversation_id kind interrupted answer_ms"
    " first_audio_ms first_text_ms duration_ms input_tokens output_tokens total_tokens"
    " input_text_tokens input_audio_tokens input_image_tokens cached_tokens cached_text_tokens"
    " cached_audio_tokens cached_image_tokens output_text_tokens output_audio_tokens metadata"
    " tools",
    "v_items": "session_id item_id at at_us conversation_id order_number type role status"
    " response_id seq deleted said",
    "v_usage": "session_id usage_id kind response_id item_id at at_us day model reported"
    " input_tokens output_tokens total_tokens input_text_tokens input_audio_tokens"
    " input_image_tokens cached_tokens cached_text_tokens cached_audio_tokens cached_image_tokens"
    " output_text_tokens output_audio_tokens audio_s",
    "v_events": "session_id seq at at_us direction type frame audio_bytes",
    "v_scores": "session_id target response_id item_id name given_by kind number label at at_us"
    " seq",
    "v_session_metadata": "session_id key value started_at_us",
    "v_response_metadata": "session_id response_id key value of_session created_at_us",
}
#: The statements that make the views, and the schema that they came with.
DIGEST = ("0021", "7fcfb885f2470575")

as_migrated = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    """An engine on a database without a schema."""
    made = engines.create(empty_database_url)
    yield made
    close_all(made)


def test_names_and_columns_stay(store: EventStore) -> None:
    for view, columns in COLUMNS.items():
        found = store.sql(f"SELECT * FROM {view} LIMIT 0").columns
        assert found[: len(columns.split())] == columns.split(), view
    assert {view.name for view in VIEWS} == COLUMNS.keys()


def test_each_kind_of_column_has_its_type(store: EventStore) -> None:
    kinds = {(view.name, one.name): one.kind for view in VIEWS for one in view.columns}
    if store.engine.dialect.name == "postgresql":
        sql = (
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_name LIKE 'v!_%' ESCAPE '!'"
        )
        with read(store.engine) as tx:
            found = {(view, name): type_ for view, name, type_ in tx.rows(sql)}
        assert found.keys() == kinds.keys()
        assert [key for key, kind in kinds.items() if found[key] not in TYPES[kind]] == []
        return
    store.append("sess_1", voice_call().frames, close=True)
    store.score("sess_1", "helpful", 0.5)
    plain = {"text": str, "JSON": str, "time": str, "date": str, "number": float}
    for view in VIEWS:
        for row in store.sql(f"SELECT * FROM {view.name}").data:
            for name, value in row.items():
                wanted = plain.get(kinds[view.name, name], int)
                assert value is None or isinstance(value, wanted | int), (view.name, name)
                if value is None or kinds[view.name, name] == "JSON":
                    continue
                # As `eventstore sql --param` gives it.
                found = f"SELECT 1 FROM {view.name} WHERE {name} = :value"
                assert store.sql(found, {"value": str(value)}).data, (view.name, name)


def test_a_changed_view_comes_with_a_migration() -> None:
    """If this fails, add a migration, which may be empty: stores get their views by upgrades."""
    made = [statement for one in ("sqlite", "postgresql") for statement in view_statements(one)]
    digest = hashlib.sha256("\n".join(made).encode()).hexdigest()[:16]
    assert (schema.HEAD_REVISION, digest) == DIGEST


@as_migrated
def test_the_newest_and_a_day_are_read_by_an_index(store: EventStore) -> None:
    with read(store.engine) as tx:
        if tx.distributed:
            pytest.skip("the nodes of a cluster plan, and test_views_on_nodes.py looks at that")
    store.append("sess_1", voice_call().frames, close=True)
    day = "BETWEEN '2026-05-04T00:00:00Z' AND '2026-05-05T00:00:00Z'"
    pair = "m.key = 'customer' AND m.value = '42'"
    statements = {
        "SELECT * FROM v_responses ORDER BY created_at DESC LIMIT 20": "responses_time",
        f"SELECT SUM(total_tokens) FROM v_responses WHERE created_at {day}": "responses_time",
        "SELECT * FROM v_responses ORDER BY created_at_us DESC LIMIT 20": "responses_at",
        "SELECT * FROM v_sessions ORDER BY started_at DESC LIMIT 20": "sessions_time",
        f"SELECT COUNT(*) FROM v_sessions WHERE started_at {day}": "sessions_time",
        f"SELECT day, SUM(input_tokens) FROM v_usage WHERE at {day} GROUP BY day": "usage_time",
        f"SELECT * FROM v_response_metadata m JOIN v_responses r USING (session_id, response_id)"
        f" WHERE {pair} ORDER BY m.created_at_us DESC LIMIT 20": "response_metadata_value",
        f"SELECT * FROM v_session_metadata m JOIN v_sessions s USING (session_id) WHERE {pair}"
        " ORDER BY m.started_at_us DESC LIMIT 20": "session_metadata_value",
        "SELECT * FROM v_responses WHERE model = 'm' ORDER BY created_at_us DESC": (
            "responses_model"
        ),
    }
    for statement, index in statements.items():
        plan = _plan(store, statement)
        assert index in plan, f"{statement}\n{plan}"
        if "GROUP BY" in statement:
            continue
        # On PostgreSQL, what is joined to a row is in order by a sort of its few rows.
        above = plan.partition(index)[0] if store.engine.dialect.name == "postgresql" else plan
        assert "Sort" not in above and "TEMP B-TREE FOR ORDER" not in above, f"{statement}\n{plan}"


def _plan(store: EventStore, statement: str) -> str:
    with read(store.engine) as tx:
        if not tx.postgresql:
            return "\n".join(str(row[3]) for row in tx.rows(f"EXPLAIN QUERY PLAN {statement}"))
        # A table of a few rows is read as a whole, unless that is said to be expensive.
        tx.run("SET LOCAL enable_seqscan = off")
        tx.run("SET LOCAL enable_bitmapscan = off")
        return "\n".join(str(row[0]) for row in tx.rows(f"EXPLAIN (COSTS OFF) {statement}"))


@as_migrated
def test_an_upgrade_replaces_views_and_keeps_what_was_granted(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no grants")
    granted = text(
        "SELECT COUNT(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC'"
        " AND table_name = 'v_sessions'"
    )
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON v_sessions TO PUBLIC"))
        create_views(connection)
        assert connection.execute(granted).scalar() == 1


@as_migrated
def test_a_store_of_the_schema_before_gets_its_views(engine: Engine) -> None:
    append(engine, StateCache(), "sess_1", voice_call().frames)
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0016")
    assert not [name for name in inspect(engine).get_view_names() if name.startswith("v_")]
    schema.upgrade(engine)
    assert {view.name for view in VIEWS} <= set(inspect(engine).get_view_names())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT responses FROM v_sessions")).scalar() == 2


def test_a_view_of_somebody_else_is_left_alone(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE VIEW v_items AS SELECT 1 AS mine"))
    with pytest.raises(SchemaError, match=r"a table or a view v_items, .*; rename it, and run"):
        schema.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT mine FROM v_items")).scalar() == 1
        connection.execute(text("DROP VIEW v_items"))
    schema.upgrade(empty)
    assert {view.name for view in VIEWS} == set(inspect(empty).get_view_names())


def test_python_alone_reads_the_views_of_a_file(tmp_path: Path) -> None:
    """As Datasette and others do, without our code."""
    path = tmp_path / "calls.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("sess_1", voice_call().frames, close=True)
        store.set_metadata("sess_1", {"customer": "42"})
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for view in VIEWS:
        connection.execute(f"SELECT * FROM {view.name}").fetchall()
    found = connection.execute("SELECT status, metadata ->> 'customer' FROM v_sessions").fetchall()
    assert found == [("ended", "42")]
    connection.close()


def test_duckdb_reads_the_views_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("sess_1", voice_call().frames, close=True)
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        connection.execute("LOAD sqlite")
    except duckdb.Error:
        pytest.skip("DuckDB's extension for SQLite is not installed, and would be downloaded")
    connection.execute(f"ATTACH '{path}' AS calls (TYPE sqlite, READ_ONLY)")
    sql = "SELECT year(CAST(created_at AS TIMESTAMPTZ)), total_tokens FROM calls.v_responses"
    assert connection.execute(f"{sql} ORDER BY response_id").fetchone() == (2023, 120)
    connection.close()


def test_a_role_that_may_read_some_views_reads_nothing_else(postgres_url: str) -> None:
    """As docs/sql.md grants it."""
    role = f"reporting_{uuid4().hex[:8]}"
    with EventStore(postgres_url) as owner, psycopg.connect(postgres_url, autocommit=True) as admin:
        owner.append("sess_1", voice_call().frames, close=True)
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
        granted = "v_sessions, v_responses, v_usage, alembic_version"
        admin.execute(f"GRANT SELECT ON {granted} TO {role}".encode())
        try:
            url = make_url(postgres_url).set(username=role, password="x")
            with EventStore(url.render_as_string(hide_password=False)) as store:
                assert store.sql("SELECT responses FROM v_sessions").data == [{"responses": 2}]
                for source in ("v_items", "v_events", "events", "items"):
                    with pytest.raises(InvalidInputError, match="permission denied for"):
                        store.sql(f"SELECT * FROM {source}")
        finally:
            admin.execute(f"DROP OWNED BY {role}".encode())
            admin.execute(f"DROP ROLE {role}".encode())
