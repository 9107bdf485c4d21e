"""Make the views of a database, and the indexes by which they are listed by time.

Called by migrations/env.py after each upgrade, so that all stores of one schema have the same
views. A change of a view therefore needs a migration, which may be empty.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from eventstore.errors import SchemaError
from eventstore.store.database.views.all_views import VIEWS
from eventstore.store.database.views.view import View, time_of

#: The indexes by the time as the views show it, and the table of each.
TIME_INDEXES = {
    "sessions_time": "sessions",
    "responses_time": "responses",
    "usage_time": "usage",
}


def create_views(connection: Connection) -> None:
    """Make all views, or replace them in place.

    On PostgreSQL a view that is replaced keeps what was granted on it.
    """
    for statement in view_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def drop_views(connection: Connection) -> None:
    """Drop the views that are there."""
    for view in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")


def view_statements(dialect: str) -> list[str]:
    """Return the statements that make the views.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    if dialect == "sqlite":
        return [f"CREATE VIEW {view.name} AS {view.select(dialect)}" for view in VIEWS]
    made = [f"CREATE OR REPLACE VIEW {view.name} AS {view.select(dialect)}" for view in VIEWS]
    return [*made, *(comment for view in VIEWS for comment in _comments(view))]


def create_time_indexes(connection: Connection) -> None:
    """Make the indexes by the time as the views show it."""
    for name, table in TIME_INDEXES.items():
        at = getattr(time_of("at"), connection.dialect.name)
        connection.exec_driver_sql(f"CREATE INDEX {name} ON {table} (({at}))")


def drop_time_indexes(connection: Connection) -> None:
    """Drop the indexes by the time as the views show it."""
    for name in TIME_INDEXES:
        connection.exec_driver_sql(f"DROP INDEX {name}")


def refuse_other_relations(connection: Connection) -> None:
    """Check that a database without our views has nothing else under their names.

    Raises:
        SchemaError: It has a table or a view of somebody else under such a name.
    """
    inspector = inspect(connection)
    there = {*inspector.get_table_names(), *inspector.get_view_names()}
    for view in VIEWS:
        if view.name in there:
            raise SchemaError(
                f"the database has a table or a view {view.name}, which is a name of the store's"
                " own views now; rename it, and run: eventstore init"
            )


def _comments(view: View) -> list[str]:
    found = [f"COMMENT ON VIEW {view.name} IS {_literal(view.about)}"]
    for one in view.columns:
        found.append(f"COMMENT ON COLUMN {view.name}.{one.name} IS {_literal(one.about)}")
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
