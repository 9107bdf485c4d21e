"""Check the arguments of verbs, for callers that do not use a type checker.

Called by the verbs for Python, and by what they call, before any work is done. A wrong argument
raises the documented error, and no work is left half done.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from eventstore.brief import brief
from eventstore.errors import InvalidInputError


def check_text(name: str, value: object) -> None:
    """Raise InvalidInputError if an argument is no text."""
    if not isinstance(value, str):
        _refuse(name, value, "text")


def check_whole(name: str, value: object, least: int | None = None) -> None:
    """Raise InvalidInputError if an argument is no whole number, or less than the least one."""
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(name, value, "a whole number")
    if least is not None and value < least:
        _refuse(name, value, f"a whole number, {least} or more")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise InvalidInputError if an argument is none of some texts."""
    if not isinstance(value, str) or value not in choices:
        _refuse(name, value, " or ".join(choices))


def check_url(name: str, value: object) -> None:
    """Raise InvalidInputError if an argument cannot be a URL. Its parts are not checked."""
    if not isinstance(value, str) or not value.isprintable():
        _refuse(name, value, "a URL")


def check_seconds(name: str, value: object) -> None:
    """Raise InvalidInputError if an argument is no number of seconds above 0."""
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        _refuse(name, value, "seconds, more than 0")


def checked_path(name: str, value: object) -> Path:
    """Return an argument as a path.

    Raises:
        InvalidInputError: No file can have such a path.
    """
    if not isinstance(value, str | Path) or "\0" in str(value):
        _refuse(name, value, "a path")
    try:
        str(value).encode()
    except UnicodeEncodeError:
        _refuse(name, value, "a path")
    return Path(value)


def path_or_stream(name: str, value: Any, method: str) -> Any:
    """Return an argument that is a stream with a certain method, or else as a path.

    Args:
        name: The argument's name, for the error.
        value: The argument.
        method: The method that a stream must have: `read` or `write`.

    Raises:
        InvalidInputError: The argument is neither, or a path that no file can have.
    """
    if isinstance(value, str | Path):
        return checked_path(name, value)
    if not hasattr(value, method) or isinstance(value, type):
        _refuse(name, value, "a path or a binary stream")
    return value


def _refuse(name: str, value: object, wanted: str) -> NoReturn:
    raise InvalidInputError(f"{name} is {brief(value)}; use {wanted}")
