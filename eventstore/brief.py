"""Show a value from outside in an error message, in one line of limited length.

Called by whatever reports an input that cannot be used: times, recordings, filters, policies.
"""

from __future__ import annotations

_LONGEST = 60


def brief(value: object) -> str:
    """Return the `repr` of a value, cut after 60 characters.

    Example:
        >>> brief("x" * 1000)
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    if isinstance(value, str | bytes | list | tuple):
        value = value[: _LONGEST + 1]
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        shown = f"<{type(value).__name__}>"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
