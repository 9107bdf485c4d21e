"""Check a statement, its parameters and its limits, before it runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from eventstore.brief import brief
from eventstore.common.arguments import check_seconds, check_text, check_whole
from eventstore.errors import InvalidInputError

#: The longest statement, in characters.
LONGEST = 1_000_000
#: The longest time for a statement, in seconds.
LONGEST_TIME = 86_400.0
#: The least and the greatest integer that a database keeps.
_LEAST, _GREATEST = -(2**63), 2**63 - 1
#: What the value of a parameter may be.
ParameterValue = str | int | float | bool | bytes | None


def check_statement(statement: object, limit: object, time_limit: object) -> None:
    """Check a statement and its limits.

    Raises:
        InvalidInputError: One of them cannot be right.
    """
    check_text("statement", statement)
    if len(str(statement)) > LONGEST or not _is_storable(str(statement)):
        raise InvalidInputError(
            f"the statement is longer than {LONGEST:,} characters, or has a NUL character or half a"
            " character"
        )
    check_whole("limit", limit, 1)
    check_seconds("time_limit", time_limit)
    if isinstance(limit, int) and limit > _GREATEST:
        raise InvalidInputError("limit is too large a number")
    if isinstance(time_limit, int | float) and time_limit > LONGEST_TIME:
        raise InvalidInputError(f"time_limit is too large; use {LONGEST_TIME:g} seconds at most")


def checked_parameters(parameters: object) -> dict[str, ParameterValue]:
    """Return the parameters of a statement by name; None stands for none of them.

    Raises:
        InvalidInputError: They are not.
    """
    if parameters is None:
        return {}
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
