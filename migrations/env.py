"""Alembic's entry: runs migrations on the connection that `eventstore init` opened."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from eventstore.store.database.tables import day_tables  # noqa: F401  (declares tables)
from eventstore.store.database.tables.declared import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as opened:
        run(opened)
