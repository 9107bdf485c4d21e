"""Alembic's entry: runs migrations on the connection that `eventstore init` opened."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from eventstore.store.database import schema
from eventstore.store.database.tables import day_tables  # noqa: F401  (declares tables)
from eventstore.store.database.tables.declared import metadata
from eventstore.store.database.views.create_views import create_views, drop_views

#: The first migration whose database has the views.
VIEWS_SINCE = "0018"


def run(connection: Connection) -> None:
    """Run the migrations, and make the views anew: each schema has one set of them."""
    before = schema.revision(connection)
    # SQLite changes no table while a view of it is there. On PostgreSQL a view is replaced in
    # place, because it would lose what was granted on it; a migration that takes a column away from
    # one must drop it.
    if connection.dialect.name == "sqlite" and (before or "") >= VIEWS_SINCE:
        drop_views(connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()
        after = schema.revision(connection)
        if after == schema.HEAD_REVISION:
            create_views(connection)


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as opened:
        run(opened)
