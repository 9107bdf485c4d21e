"""The verb for those who read the database by SQL. It masks nothing, and no scope limits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from eventstore.brief import brief
from eventstore.common.arguments import check_seconds, check_text, check_whole
from eventstore.errors import InvalidInputError
from eventstore.verbs.queries import Queries

if TYPE_CHECKING:
    from eventstore.store.database.statements.statement_rows import StatementRows

#: The longest statement, in characters.
_LONGEST = 1_000_000
#: The least and the greatest integer that a database keeps.
_LEAST, _GREATEST = -(2**63), 2**63 - 1
#: The longest time for a statement, in seconds.
LONGEST_TIME = 86_400.0
#: What the value of a parameter may be.
ParameterValue = str | int | float | bool | bytes | None


class SqlVerb(Queries):
    """The verb `sql`, of `EventStore` alone: what `scoped` returns sees a part of the store."""

    def sql(
        self,
        statement: str,
        parameters: Mapping[str, ParameterValue] | None = None,
        *,
        limit: int = 1000,
        time_limit: float = 60.0,
    ) -> StatementRows:
        """Run one SQL statement that reads, and return its rows (docs/sql.md).

        The views `v_sessions`, `v_responses`, `v_items`, `v_usage`, `v_events` and so on stay as
        they are when the tables change. The database refuses everything but reading. Nothing is
        masked: what is in the views is what was recorded.

        Args:
            statement: A SELECT, in the database's own dialect, with `:name` for each parameter.
            parameters: The values of the parameters, by name.
            limit: The most rows to return.
            time_limit: How many seconds it may take.

        Returns:
            `columns`, `data` with a dict for each row, and `has_more` if there are more rows, or
            the rows have more than 64 MB.

        Raises:
            InvalidInputError: The database refuses the statement, such as one that writes, or
                several; or an argument is wrong.
            TimeLimitError: It takes longer than it may.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.database.statements.run_statement import run_statement

        check_text("statement", statement)
        if len(statement) > _LONGEST or not _is_storable(statement):
            raise InvalidInputError(
                f"the statement is longer than {_LONGEST:,} characters, or has a NUL character or"
                " half a character"
            )
        check_whole("limit", limit, 1)
        check_seconds("time_limit", time_limit)
        if limit > _GREATEST or time_limit > LONGEST_TIME:
            raise InvalidInputError(f"limit or time_limit is too large; use {LONGEST_TIME:g} s")
        given = _checked(parameters if parameters is not None else {})
        return run_statement(self._reads, statement, given, limit, time_limit)


def _checked(parameters: object) -> dict[str, ParameterValue]:
    """Return parameters whose names and values are such as a statement can have.

    Raises:
        InvalidInputError: They are not.
    """
    if not isinstance(parameters, Mapping):
        raise InvalidInputError(f"parameters is {brief(parameters)}; use a dict of them by name")
    for name, value in parameters.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise InvalidInputError(f"{brief(name)} is no name of a parameter")
        if not isinstance(value, str | int | float | bytes | None):
            raise InvalidInputError(f"the parameter {name} is {brief(value)}; use a text or number")
        if isinstance(value, int) and not _LEAST <= value <= _GREATEST:
            raise InvalidInputError(f"the parameter {name} is too large a number")
        if isinstance(value, str) and not _is_storable(value):
            raise InvalidInputError(
                f"the parameter {name} has a NUL character or half a character, which no database"
                " keeps"
            )
    return dict(parameters)


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
