"""Run one statement of somebody who reads the database by SQL. Called by event_store.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from eventstore.store.database.statements.statement_rows import StatementRows


def run_statement(
    engine: Engine, statement: str, parameters: Mapping[str, Any], limit: int, seconds: float
) -> StatementRows:
    """Run a statement that reads, and return its rows.

    Args:
        engine: The engine of the database.
        statement: One statement, with `:name` for each parameter.
        parameters: The values of the parameters, by name.
        limit: The most rows to return.
        seconds: How long the statement may take.

    Raises:
        InvalidInputError: The database refuses the statement.
        TimeLimitError: It takes longer than it may.
        DatabaseUnavailableError: The database cannot be reached.
    """
    if engine.dialect.name == "sqlite":
        from eventstore.store.database.statements.sqlite_statement import run_on_sqlite

        return run_on_sqlite(engine, statement, parameters, limit, seconds)
    from eventstore.store.database.statements.postgresql_statement import run_on_postgresql

    return run_on_postgresql(engine, statement, parameters, limit, seconds)
