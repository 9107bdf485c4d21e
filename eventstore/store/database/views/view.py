"""What a view is: its name, its columns with descriptions, and its SQL on both databases. Pure.

The SQL of a column is written once where both databases know it, and twice where they differ. The
functions below make the columns that come often.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from eventstore.encryption.encrypt_read_models import ENCRYPTED_SIGN

#: The kinds of columns; docs/sql.md says what each is on both databases.
ColumnKind = Literal["text", "integer", "number", "boolean", "time", "date", "JSON"]

#: What numbers are cast to on SQLite, which then compares them with a number that comes as text.
_SQLITE_NUMBERS = {"integer": "INTEGER", "number": "REAL"}
_OF_TABLE = re.compile(r"\w+\.\w+")
_SIGN = ord(ENCRYPTED_SIGN)
_SECOND_US = 1_000_000


class Sql(NamedTuple):
    """An SQL expression, as each database writes it."""

    sqlite: str
    postgresql: str


class ViewColumn(NamedTuple):
    """A column of a view.

    Attributes:
        name: Its name, with the unit at its end.
        kind: What its values are.
        sql: The expression of its values.
        about: A sentence for readers of the view.
    """

    name: str
    kind: ColumnKind
    sql: Sql
    about: str

    def select(self, dialect: str) -> str:
        """Return the column as a SELECT lists it.

        Without a cast, SQLite compares a number of an expression with `'20'` as a number with a
        text, and each number is less. Columns of tables have a type, and need none.
        """
        sql: str = getattr(self.sql, dialect)
        cast = _SQLITE_NUMBERS.get(self.kind) if dialect == "sqlite" else None
        if cast is not None and _OF_TABLE.fullmatch(sql) is None:
            sql = f"CAST({sql} AS {cast})"
        return f"{sql} AS {self.name}"


class View(NamedTuple):
    """A view.

    Attributes:
        name: Its name, which begins with `v_`.
        about: A sentence that says what a row of it is.
        source: The SQL behind `FROM`.
        columns: Its columns. New ones come at the end.
    """

    name: str
    about: str
    source: Sql
    columns: tuple[ViewColumn, ...]

    def select(self, dialect: str) -> str:
        """Return the statement behind the view.

        Args:
            dialect: `sqlite` or `postgresql`.
        """
        columns = ", ".join(one.select(dialect) for one in self.columns)
        return f"SELECT {columns} FROM {getattr(self.source, dialect)}"


def both(sql: str) -> Sql:
    """Return an expression that both databases write alike."""
    return Sql(sql, sql)


def column(name: str, kind: ColumnKind, sql: str | Sql, about: str) -> ViewColumn:
    """Return a column. A text is an expression that both databases write alike."""
    return ViewColumn(name, kind, sql if isinstance(sql, Sql) else both(sql), about)


def time_of(at: str) -> Sql:
    """Return the expression for a time that tools know as a time, of one in microseconds.

    On PostgreSQL it is a `timestamptz`, on SQLite ISO 8601 text in UTC with six decimals. An index
    of the tables has the same expression, so that a list by time is a range of the index.
    """
    micros = f"(({at} % {_SECOND_US}) + {_SECOND_US}) % {_SECOND_US}"
    second = f"({at} - {micros}) / {_SECOND_US}"
    text = f"strftime('%Y-%m-%dT%H:%M:%S', {second}, 'unixepoch') || printf('.%06dZ', {micros})"
    return Sql(
        f"CAST({text} AS TEXT)", f"to_timestamp(CAST({at} AS DOUBLE PRECISION) / {_SECOND_US})"
    )


def day_of_time(at: str) -> Sql:
    """Return the expression for the day of a time, in UTC."""
    second = f"({at} - (({at} % {_SECOND_US}) + {_SECOND_US}) % {_SECOND_US}) / {_SECOND_US}"
    return Sql(
        f"CAST(strftime('%Y-%m-%d', {second}, 'unixepoch') AS TEXT)",
        f"CAST({time_of(at).postgresql} AT TIME ZONE 'UTC' AS DATE)",
    )


def times(name: str, at: str, about: str) -> tuple[ViewColumn, ViewColumn]:
    """Return two columns for a time: as a time, and in microseconds since 1970 (`…_us`)."""
    return (
        column(name, "time", time_of(at), about),
        column(f"{name}_us", "integer", at, f"The same in microseconds since 1970 UTC: {name}."),
    )


def boolean(condition: str) -> Sql:
    """Return the expression for a condition: true or false on PostgreSQL, 1 or 0 on SQLite."""
    truth = f"({condition})"
    return Sql(f"CAST({truth} AS INTEGER)", truth)


def milliseconds(us: str) -> Sql:
    """Return the expression for milliseconds of a number of microseconds."""
    return both(f"CAST({us} AS DOUBLE PRECISION) / 1000")


def known(number: str) -> str:
    """Return SQL for a figure of which -1 says that it is unknown, which becomes NULL."""
    return f"CASE WHEN {number} >= 0 THEN {number} END"


def reported(number: str, row: str = "u") -> str:
    """Return SQL for a number of a row of usage, NULL if the server told none."""
    return f"CASE WHEN {row}.reported = 0 THEN NULLIF({row}.{number}, 0) ELSE {row}.{number} END"


def elapsed(start: str, end: str) -> str:
    """Return SQL for the microseconds between two times, at least 0.

    Events that arrive together may be noted in another order. NULL if a time is unknown, or if the
    end is more than a second before the start.
    """
    took = f"({end} - {start})"
    return f"CASE WHEN {took} < -1000000 THEN NULL WHEN {took} < 0 THEN 0 ELSE {took} END"


def readable(text: str) -> Sql:
    """Return the expression for a text, which is NULL if it is empty or encrypted."""
    return Sql(
        f"CASE WHEN SUBSTR({text}, 1, 1) = char({_SIGN}) THEN NULL ELSE NULLIF({text}, '') END",
        f"CASE WHEN SUBSTR({text}, 1, 1) = chr({_SIGN}) THEN NULL ELSE NULLIF({text}, '') END",
    )


def encrypted(text: str) -> Sql:
    """Return the condition that the last text column of a row says that it is encrypted."""
    return Sql(
        f"SUBSTR({text}, 1, 1) = char({_SIGN})",
        f"SUBSTR({text}, 1, 1) = chr({_SIGN})",
    )


def summed_up(name: str, columns: str, table: str, *keys: tuple[str, str]) -> str:
    """Return SQL that joins what the rows of another table add up to, on PostgreSQL.

    It is a join and no subquery in the list of columns, because Citus then sends a statement about
    one session to the node of that session. PostgreSQL leaves it out if no column of it is read.

    Args:
        name: The name of the joined row.
        columns: What it has, as SQL of the table `d`.
        table: The table.
        keys: The columns by which the rows belong together, and those that they are equal to.
    """
    inner = " AND ".join(f"d.{key} = {other}" for key, other in keys)
    outer = " AND ".join(f"{name}.{key} = {other}" for key, other in keys)
    group = ", ".join(f"d.{key}" for key, _ in keys)
    return (
        f" LEFT JOIN LATERAL (SELECT {group}, {columns} FROM {table} d WHERE {inner}"
        f" GROUP BY {group}) {name} ON {outer}"
    )


def or_empty(value: str, empty: str) -> str:
    """Return SQL for a value of PostgreSQL's `jsonb`, or an empty one where it is NULL."""
    return f"COALESCE({value}, CAST('{empty}' AS jsonb))"
