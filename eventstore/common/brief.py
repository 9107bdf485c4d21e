"""Values from outside as error messages show them: one line, and never long."""

from __future__ import annotations

_LONGEST = 60


def brief(value: object) -> str:
    """The value as Python writes it, cut where it is long.

    Example:
        >>> brief("x" * 1000)
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    if isinstance(value, str | bytes | list | tuple):
        value = value[: _LONGEST + 1]
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a deep nesting
        shown = f"<{type(value).__name__}>"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
