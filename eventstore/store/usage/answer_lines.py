"""Limit the lines of an answer about usage: one by session has a line for each session.

Called by query_usage.py and latency_buckets.py.
"""

from __future__ import annotations

from collections.abc import Sized

from eventstore.errors import InvalidInputError

#: How many lines an answer has at most: of usage (by group, model and kind), and of latencies.
MAX_LINES, MAX_TIMES = 100_000, 1_000_000


class TooManyLinesError(InvalidInputError):
    """An answer would have too many lines."""


def check_lines(rows: Sized, limit: int) -> None:
    """Check that an answer is short enough; its query asks for one row more than is allowed.

    Raises:
        TooManyLinesError: The answer has more rows.
    """
    if len(rows) > limit:
        raise TooManyLinesError(
            f"it would have more than {limit:,} lines; narrow it by time, model or metadata"
        )
