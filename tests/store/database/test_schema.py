"""The schema: migrations make what is declared, and every key begins with the session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text
from support.calls import SAMPLE_STREAMS, voice_call
from support.events import SESSION
from support.rows import read_model_rows

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, SchemaError
from eventstore.realtime.frames import Frame
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.tables import day_tables
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.views.create_views import TIME_INDEXES
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging
from eventstore.store.log import insert_events as append_to_stream
from eventstore.store.log import read_events as read_stream
from eventstore.store.queries.query_responses import query_responses
from eventstore.store.readmodels import upsert as put_rows
from eventstore.store.readmodels import write_read_models as read_models
from eventstore.store.readmodels.states import load_state
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.readmodels.words import search_index
from eventstore.store.sessions import append as appender
from eventstore.store.sessions import project_session
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project import catch_up

#: What one database alone has: SQLite's full-text tables, PostgreSQL's column of words, its index;
#: and indexes by expressions that each database writes in its own way.
UNDECLARED = re.compile("|".join((r"said(_.*)?|items_said", *TIME_INDEXES)))
#: Tables that are no session's: the name of the store's keys, and sums, which no append writes.
OF_THE_STORE = {
    "consumers",
    "key_stores",
    "store_ids",
    *(table.name for table in day_tables.OF_THE_STORE),
}
HOT = (append_to_stream, appender, read_stream, load_state, put_rows, read_models, search_index)

#: A stand-in for a cluster has other tables than the migrations make.
as_migrated = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    """An engine on a database without a schema."""
    made = engines.create(empty_database_url)
    yield made
    close_all(made)


def is_declared(_: Any, name: str | None, *rest: Any) -> bool:
    return not UNDECLARED.fullmatch(name or "")


def differences(connection: Connection) -> list[Any]:
    """How a database's schema differs from the declared tables."""
    options = {
        "include_object": is_declared,
        "compare_type": True,
        "compare_server_default": True,
    }
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, tables.metadata))


def our_tables(engine: Engine) -> list[str]:
    names = inspect(engine).get_table_names()
    return [n for n in names if n != "alembic_version" and not UNDECLARED.fullmatch(n)]


# Migrations


@as_migrated
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_the_migrated_schema_is_the_declared_one(engine: Engine) -> None:
    with engine.connect() as connection:
        assert differences(connection) == []
    assert set(our_tables(engine)) == set(tables.metadata.tables)


@as_migrated
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_a_difference_would_be_found(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions ADD COLUMN novelty INTEGER")
        connection.exec_driver_sql("DROP INDEX usage_at")
        found = differences(connection)
        connection.rollback()
    assert {entry[0] for entry in found} == {"remove_column", "add_index"}


def test_an_upgrade_is_safe_to_repeat(empty: Engine) -> None:
    assert schema.schema_revision(empty) is None
    assert schema.upgrade(empty) == (None, schema.HEAD_REVISION)
    assert schema.upgrade(empty) == (schema.HEAD_REVISION, schema.HEAD_REVISION)
    assert schema.schema_revision(empty) == schema.HEAD_REVISION
    schema.ensure(empty)


def test_an_older_schema_is_upgraded_with_what_it_holds(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, SAMPLE_STREAMS[0])
    before = read_model_rows(engine, SESSION)
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    assert schema.schema_revision(engine) == "0001"
    if engine.dialect.name == "postgresql":
        with pytest.raises(SchemaError, match="is at schema 0001; run: eventstore init"):
            schema.ensure(engine)
        assert schema.upgrade(engine) == ("0001", schema.HEAD_REVISION)
    schema.ensure(engine)
    assert schema.schema_revision(engine) == schema.HEAD_REVISION
    # What lists are sorted by came with a later schema, and is made of the log.
    assert [done.session_id for done in catch_up(engine)] == [SESSION]
    assert read_model_rows(engine, SESSION) == before


def test_open_sessions_get_the_steps_of_their_lengths(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames[:40])
    append(engine, StateCache(), "untimed", [Frame("server", '{"type": "session.created"}', None)])
    append(engine, StateCache(), "closed", voice_call().frames, close=True)
    ids = (SESSION, "untimed", "closed")
    before = [read_model_rows(engine, id_) for id_ in ids]
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0012")
        connection.exec_driver_sql(
            "UPDATE session_figures SET duration_us = NULL WHERE session_id = 'untimed'"
        )
    schema.upgrade(engine)
    assert [read_model_rows(engine, id_) for id_ in ids] == before


def test_scores_get_the_models_of_what_is_scored(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, voice_call().frames)
        store.append("no_model", [])
        [response, *_] = [one["id"] for one in store.responses()]
        store.score(SESSION, "helpful", 1, response=response)
        for id_ in (SESSION, "no_model"):
            store.score(id_, "topic", "weather")
        before = [read_model_rows(store.engine, id_) for id_ in (SESSION, "no_model")]
        config = Config()
        config.set_main_option("script_location", str(schema.migrations_folder()))
        with store.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0016")
        schema.upgrade(store.engine)
        assert [read_model_rows(store.engine, id_) for id_ in (SESSION, "no_model")] == before
        assert {one["key"] for one in store.score_sums("model")["data"]} == {"gpt-realtime", None}


def test_what_was_indexed_before_is_found_as_before(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
    schema.upgrade(engine)
    assert query_responses(engine, ResponseFilter(text='"sunny in oslo"'), ResponsePaging()).data


def test_an_upgrade_does_not_wait_for_ever_for_a_table(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All appends wait behind it."""
    if empty.dialect.name == "sqlite":
        pytest.skip("SQLite waits with a limit of its own")
    monkeypatch.setattr(schema, "LOCK_WAIT", "0.1s")
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
    with empty.connect() as reader:
        reader.execute(text("SELECT COUNT(*) FROM items"))
        with pytest.raises(DatabaseUnavailableError, match="lock timeout; another process or"):
            schema.upgrade(empty)
    assert schema.schema_revision(empty) == "0010"
    assert schema.upgrade(empty) == ("0010", schema.HEAD_REVISION)


def test_the_head_is_the_last_migration() -> None:
    files = sorted(path.name for path in (schema.migrations_folder() / "versions").glob("*.py"))
    assert files[-1].startswith(schema.HEAD_REVISION)


def test_a_schema_can_be_taken_back_and_made_again(empty: Engine) -> None:
    schema.upgrade(empty)
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert our_tables(empty) == []
    assert schema.upgrade(empty) == (None, schema.HEAD_REVISION)


@pytest.mark.parametrize("action", [schema.ensure, schema.upgrade])
def test_a_newer_schema_is_refused_and_left_alone(engine: Engine, action: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="is at schema 9999, newer than this code knows"):
        action(engine)
    assert schema.schema_revision(engine) == "9999"


def test_sqlite_gets_its_schema_on_first_use(tmp_path: Path) -> None:
    engine = engines.create(f"sqlite:///{tmp_path / 'new.db'}")
    schema.ensure(engine)
    assert schema.schema_revision(engine) == schema.HEAD_REVISION
    append(engine, StateCache(), SESSION, SAMPLE_STREAMS[0])
    assert read_model_rows(engine, SESSION)["sessions"]
    close_all(engine)


def test_postgresql_gets_its_schema_on_demand_only(empty_postgres_url: str) -> None:
    engine = engines.create(empty_postgres_url)
    with pytest.raises(SchemaError, match="has no eventstore schema; run: eventstore init"):
        schema.ensure(engine)
    assert schema.schema_revision(engine) is None
    close_all(engine)


# Keys


@as_migrated
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_every_key_begins_with_the_session(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in our_tables(engine):
        keys = {"primary key": inspector.get_pk_constraint(table)["constrained_columns"]}
        for constraint in inspector.get_unique_constraints(table):
            keys[str(constraint["name"])] = constraint["column_names"]
        for index in inspector.get_indexes(table):
            if index["unique"]:
                keys[str(index["name"])] = index["column_names"]
        for name, columns in keys.items():
            assert columns[:1] == ["session_id"] or table in OF_THE_STORE, f"{table}: {name}"
        assert inspector.get_foreign_keys(table) == []


def test_no_column_makes_its_own_value(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in our_tables(engine):
        for column in inspector.get_columns(table):
            where = f"{table}.{column['name']}"
            assert column.get("default") is None, where
            assert not column.get("identity"), where
            assert not column.get("computed"), where
            assert column.get("autoincrement") in (None, False, "auto"), where


# Statements

SQL = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|COPY)\b")
#: Full-text rows of SQLite are known by number; `said_rows` says whose they are.
BY_NUMBER = {"INSERT_SAID"}


def statements(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The SQL of a module, by name."""
    for name, value in vars(module).items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for key, sql in entries:
            if name.isupper() and isinstance(sql, str) and SQL.match(sql):
                yield f"{name} {key}".strip(), sql


@pytest.mark.parametrize("module", HOT, ids=lambda module: module.__name__.rpartition(".")[2])
def test_hot_statements_name_one_session(module: ModuleType) -> None:
    found = {name: sql for name, sql in statements(module) if name not in BY_NUMBER}
    assert found
    for name, sql in found.items():
        if sql.startswith(("INSERT", "COPY")):
            columns = sql[sql.index("(") + 1 :]
            assert columns.startswith("session_id,"), f"{module.__name__}.{name}"
            conflict = re.search(r"ON CONFLICT \((\w+)", sql)
            assert conflict is None or conflict.group(1) == "session_id", name
        else:
            where = sql.partition(" WHERE ")[2]
            assert re.search(r"\bsession_id = \?", where), f"{module.__name__}.{name}"


def test_rows_put_at_once_name_their_session() -> None:
    names = tuple(table.name for table in tables.READ_MODELS)
    clauses = put_rows.upsert_clauses(names)
    for name in names:
        assert f"put_{name} AS (INSERT INTO {name} (session_id, " in clauses
    conflicts = re.findall(r"ON CONFLICT \((\w+)", clauses)
    assert conflicts == ["session_id"] * len(names)


def test_projecting_one_session_names_it() -> None:
    assert "WHERE session_id = ?" in project_session.SET_PROJECTED


def test_the_statements_were_read() -> None:
    names = {name for module in HOT for name, _ in statements(module)}
    wanted = {
        "ADVANCE",
        "INSERT_EVENT",
        "COPY_EVENTS",
        "SET_HEAD",
        "PIECE_OF_EVENTS",
        "EVENTS_IN_ORDER",
    }
    assert wanted <= names
    assert {f"UPSERT {table.name}" for table in tables.READ_MODELS} <= names


def test_the_schema_that_the_code_needs_is_the_last_migration() -> None:
    """What opens a store compares two texts by it, and imports no Alembic."""
    files = (schema.migrations_folder() / "versions").glob("[0-9]*.py")
    assert max(file.name.partition("_")[0] for file in files) == schema.HEAD_REVISION
