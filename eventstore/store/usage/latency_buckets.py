"""Count how long answers took, in buckets whose width grows with the time.

A bucket is a sixteenth of an octave. Its middle differs by at most 2.2 % from any time in it, which
no user notices, and the times of one model fall into some hundred buckets a day. Sums by day and
rows use the same buckets, so that both give the same quantiles. Called by query_latency.py and
daily/compute.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil, log2
from typing import Any

from eventstore.realtime.session_clock import DISORDER_US
from eventstore.store.database.transaction import Transaction
from eventstore.store.usage import answer_lines
from eventstore.store.usage.usage_sources import UsageSource

_IN_OCTAVE = 16
#: The bucket of times below a millisecond.
_LEAST = -1

#: SQL: the time that response `r` took in microseconds, or NULL. It counts from the end of the
#: user's speech to the first sound. Without speech, it counts from the response's creation to the
#: first sound or text.
_TOOK_US = (
    "COALESCE(r.first_audio_at - r.speech_ended_at,"
    " COALESCE(r.first_audio_at, r.first_text_at) - r.created_at)"
)
# The same rule as in projection/latency.py, except that a row does not say whether the clock jumped
# before the first sound or text. If the clock was set back in between, the time is unknown.
ANSWER_US = (
    f"CASE WHEN {_TOOK_US} < {-DISORDER_US} THEN NULL WHEN {_TOOK_US} < 0 THEN 0"
    f" ELSE {_TOOK_US} END"
)

#: How many answers are in each bucket, by group and model.
BucketCounts = dict[tuple[Any, str | None], Counter[int]]


def count_answers(
    tx: Transaction, source: UsageSource, group: str, values: list[Any]
) -> BucketCounts:
    """Return how many answers of a source are in each bucket, by group and model.

    Args:
        source: Usage `u` of responses `r`.
        group, values: The SQL expression to group by, and its parameters.

    Raises:
        InvalidInputError: There are too many different times.
    """
    rows = tx.rows(
        "SELECT d.grouped, d.model, d.ms, COUNT(*) FROM"
        f" (SELECT {group} AS grouped, u.model, {ANSWER_US} / 1000 AS ms"
        f" FROM {source.sql}{source.where.sql()}) d"
        " WHERE d.ms IS NOT NULL GROUP BY d.grouped, d.model, d.ms"
        f" LIMIT {answer_lines.MAX_TIMES + 1}",
        [*values, *source.where.parameters],
    )
    answer_lines.check_lines(rows, answer_lines.MAX_TIMES)
    counts: BucketCounts = {}
    for key, model, ms, number in rows:
        counts.setdefault((key, model), Counter())[bucket(int(ms))] += number
    return counts


def bucket(ms: int) -> int:
    """Return the bucket of a time in milliseconds."""
    return round(_IN_OCTAVE * log2(ms)) if ms >= 1 else _LEAST


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the time in milliseconds within which a share of all answers came, by nearest rank.

    Args:
        counts: How many answers are in each bucket.
        share: From 0 to 1.

    Returns:
        The time; None if there are no answers.
    """
    left = ceil(sum(counts.values()) * share)
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            return 0.0 if number == _LEAST else round(2 ** (number / _IN_OCTAVE), 1)
    return None
