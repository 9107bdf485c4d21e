"""How many lines sums by groups may have: an answer by session is as long as there are sessions."""

from __future__ import annotations

from collections.abc import Sized

from eventstore.errors import InvalidInputError

#: Lines of usage, by groups, models and kinds; and times of answers, by groups and models.
MOST, MOST_TIMES = 100_000, 1_000_000


def check(rows: Sized, most: int) -> None:
    """Look whether an answer, of which one row more than may be was asked for, is short enough.

    Raises:
        InvalidInputError: it has more rows.
    """
    if len(rows) > most:
        raise InvalidInputError(
            f"it would have more than {most:,} lines; narrow it by time, model or metadata"
        )
