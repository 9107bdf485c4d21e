"""Create and upgrade the database schema with the migrations, and check that it fits this code.

Called when a store is opened (event_store.py), by the recorder, and by the command `init`.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from eventstore.errors import SchemaError
from eventstore.store.database.connections.distribution import HAS_CITUS, refusal_of_worker
from eventstore.store.database.connections.driver_errors import connecting, translated
from eventstore.store.database.connections.pool import pooled

#: How long a migration waits for the lock of a table in use, as a setting of PostgreSQL. All later
#: users of the table wait behind it.
LOCK_WAIT = "10s"
#: The revision of the migration that this code needs.
HEAD_REVISION = "0021"


def migrations_folder() -> Path:
    """Return the folder of the migrations, which is in the installed package or beside it."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def schema_revision(engine: Engine) -> str | None:
    """Return the migration that the database is at, or None if it has no schema of this package."""
    with translated(), connecting(), pooled(engine), engine.connect() as connection:
        return revision(connection)


def revision(connection: Connection) -> str | None:
    """Return the migration that a connection's database is at, or None if it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ensure(engine: Engine) -> None:
    """Check that the schema fits this code. An SQLite database is created or upgraded if needed.

    Raises:
        SchemaError: PostgreSQL has no schema or an older one, or the schema is newer than this
            code.
    """
    found = schema_revision(engine)
    if found == HEAD_REVISION:
        return
    if engine.dialect.name == "sqlite":
        upgrade(engine)
        return
    _refuse_newer(found)
    state = "has no eventstore schema" if found is None else f"is at schema {found}"
    raise SchemaError(f"the database {state}; run: eventstore init")


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to the migration that this code needs.

    Several processes may call it at once, and again.

    Returns:
        The migration before, and the one after.

    Raises:
        SchemaError: The schema is newer than this code; or the database is a worker of a cluster.
        InvalidInputError: The server is not PostgreSQL.
        DatabaseUnavailableError: Another process holds a table for longer than `LOCK_WAIT`. Nothing
            was changed.
    """
    from alembic import command  # Alembic is slow to import, and seldom needed.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with translated(), connecting(), pooled(engine), engine.connect() as connection:
        _refuse_worker(connection)
        _lock(connection)
        before = revision(connection)
        _refuse_newer(before)
        if before != HEAD_REVISION:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD_REVISION)
        connection.commit()
    return before, HEAD_REVISION


def _lock(connection: Connection) -> None:
    """Let one process upgrade at a time; a second one waits, and then finds nothing to do."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # This lock only avoids an error in a race; the migration's own transaction keeps it
        # correct.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305119)")
        # After it, because the upgrade of another process may take long.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")


def _refuse_worker(connection: Connection) -> None:
    """Citus: only the coordinator changes the schema, and does so on all nodes."""
    if connection.dialect.name == "sqlite":
        return
    if not connection.exec_driver_sql(HAS_CITUS).scalar():
        return
    refusal = refusal_of_worker(lambda sql: connection.exec_driver_sql(sql).first())
    if refusal is not None:
        raise SchemaError(refusal)


def _refuse_newer(found: str | None) -> None:
    if found is not None and found > HEAD_REVISION:
        raise SchemaError(
            f"the database is at schema {found}, newer than this code knows ({HEAD_REVISION});"
            " upgrade the package: pip install -U realtime-eventstore"
        )
