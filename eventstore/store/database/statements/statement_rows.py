"""The rows of a statement, with limits of their number, size and time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from eventstore.errors import TimeLimitError

#: The most bytes of texts that the rows of one statement may have; then it has more.
MOST_BYTES = 64 * 1024 * 1024
#: The largest value that a statement may read; on PostgreSQL, also the largest row.
MOST_BYTES_OF_VALUE = 64 * 1024 * 1024
# What a row and each of its values take beside texts and bytes, about.
_OF_VALUE = 32


class StatementRows(NamedTuple):
    """The rows that a statement returned.

    Attributes:
        columns: The names of the columns, in order. If two have the same name, the second one is
            called `name_2`.
        data: The rows, each with its values by column. A time is ISO 8601 text in UTC, and JSON is
            text.
        has_more: True if there are more rows than the limit allows.
    """

    columns: list[str]
    data: list[dict[str, Any]]
    has_more: bool


class RowLimit:
    """Collects rows up to a limit of their number and of their bytes.

    Args:
        columns: The names of the columns as the database gives them.
        limit: The most rows.

    Attributes:
        bytes: How many bytes the rows have, about.
        has_more: True if a row was left out.
    """

    def __init__(self, columns: Iterable[str], limit: int) -> None:
        self._columns, self._limit = unique_names(columns), limit
        self._data: list[dict[str, Any]] = []
        self.bytes, self.has_more = 0, False

    def add(self, row: Sequence[Any]) -> bool:
        """Add a row, and return True if another one may come."""
        if len(self._data) >= self._limit or self.bytes >= MOST_BYTES:
            self.has_more = True
            return False
        self._data.append(dict(zip(self._columns, row, strict=True)))
        sizes = (len(value) for value in row if isinstance(value, str | bytes))
        self.bytes += sum(sizes) + _OF_VALUE * (1 + len(row))
        return True

    def rows(self) -> StatementRows:
        """Return the rows that were added."""
        return StatementRows(self._columns, self._data, self.has_more)


def unique_names(names: Iterable[str]) -> list[str]:
    """Return names of columns, in which each one that came before gets a number."""
    found: dict[str, None] = {}
    for name in names:
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        found[unique] = None
    return list(found)


def too_long(seconds: float) -> TimeLimitError:
    """Return the error of a statement whose time is over."""
    return TimeLimitError(
        f"the statement takes longer than {seconds:g} seconds; narrow it by session or time, or"
        " give it more time"
    )
