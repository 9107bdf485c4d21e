"""Make the tables that a projection of one's own declares, or check that they are as declared.

Called when a projection is added (projection_tables.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    inspect,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eventstore.errors import InvalidInputError

_KINDS = (
    (Boolean, "boolean"),
    (Float, "float"),
    (BigInteger, "bigint"),
    (SmallInteger, "smallint"),
    (Integer, "integer"),
    (LargeBinary, "bytes"),
)


def make_tables(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Make those tables that are not there yet, within the connection's transaction.

    Returns:
        The names of the tables that were made.

    Raises:
        InvalidInputError: A table is there with other columns, or cannot be made as declared.
    """
    found, made = inspect(connection), []
    for table in tables:
        if found.has_table(table.name):
            _check_columns(connection, table)
        else:
            _make(connection, table)
            made.append(table.name)
    return made


def _make(connection: Connection, table: Table) -> None:
    try:
        table.create(connection)
    except DBAPIError:
        raise  # It is the database's word, and may be one of all tables.
    except SQLAlchemyError as error:
        raise InvalidInputError(f"the table {table.name} cannot be made: {error}") from error


def declared_columns(table: Table, dialect: Dialect | None = None) -> list[str]:
    """Return the columns of a table as texts, such as `words text` or `session_id text(128) key 1`.

    Two tables with the same columns, in whatever order, have the same texts.

    Args:
        table: The table.
        dialect: That of the database, for which a type can have a variant; None for any.
    """
    keys = [column.name for column in table.primary_key.columns]
    columns = (
        (
            column.name,
            column.type if dialect is None else column.type.dialect_impl(dialect),
            bool(column.nullable),
        )
        for column in table.columns
    )
    return _described(columns, keys)


def _check_columns(connection: Connection, table: Table) -> None:
    """Check that a table that is there has the columns of its declaration."""
    found = inspect(connection)
    key = found.get_pk_constraint(table.name)["constrained_columns"]
    there = _described(
        ((one["name"], one["type"], one["nullable"]) for one in found.get_columns(table.name)), key
    )
    differ = sorted(set(there) ^ set(declared_columns(table, connection.dialect)))
    if differ:
        raise InvalidInputError(
            f"the table {table.name} is there with other columns ({', '.join(differ)}): give the"
            f" table another name, such as {table.name}_2, and raise the projection's version"
        )


def _described(columns: Iterable[tuple[str, Any, bool]], key: Sequence[str]) -> list[str]:
    return sorted(
        f"{name} {_kind(type_)}"
        + (f" key {key.index(name) + 1}" if name in key else "" if nullable else " not null")
        for name, type_, nullable in columns
    )


def _kind(type_: Any) -> str:
    for base, name in _KINDS:
        if isinstance(type_, base):
            return name
    length = getattr(type_, "length", None)
    return "text" if length is None else f"text({length})"
