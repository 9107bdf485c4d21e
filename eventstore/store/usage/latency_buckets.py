"""How long answers took, counted in buckets that grow with the time.

A bucket is a sixteenth of an octave: its middle is at most 2.2 % from any time in it, which nobody
hears, and what a model takes falls into some hundred buckets a day. Sums by day and rows go through
the same buckets, so that both give the same quantiles.
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
#: The bucket of what took less than a millisecond.
_LEAST = -1

#: Of a response `r`, in microseconds, null where it is not known: from the end of the user's speech
#: until sound; without speech, from the response's creation until sound or text.
_TOOK_US = (
    "COALESCE(r.first_audio_at - r.speech_ended_at,"
    " COALESCE(r.first_audio_at, r.first_text_at) - r.created_at)"
)
# As `projection.latency.elapsed_ms`; a row has no moment from which a jump of the clock parts
# the first sound or text. Where the clock was set back meanwhile, it is not known.
ANSWER_US = (
    f"CASE WHEN {_TOOK_US} < {-DISORDER_US} THEN NULL WHEN {_TOOK_US} < 0 THEN 0"
    f" ELSE {_TOOK_US} END"
)

#: How many answers of a group and a model are in each bucket.
BucketCounts = dict[tuple[Any, str | None], Counter[int]]


def count_answers(
    tx: Transaction, source: UsageSource, group: str, values: list[Any]
) -> BucketCounts:
    """Count the answers of a source.

    Args:
        source: usage `u` of responses `r`.
        group, values: an expression to group by, and its parameters.
    """
    rows = tx.rows(
        "SELECT d.grouped, d.model, d.ms, COUNT(*) FROM"
        f" (SELECT {group} AS grouped, u.model, {ANSWER_US} / 1000 AS ms"
        f" FROM {source.sql}{source.where.sql()}) d"
        " WHERE d.ms IS NOT NULL GROUP BY d.grouped, d.model, d.ms"
        f" LIMIT {answer_lines.MOST_TIMES + 1}",
        [*values, *source.where.parameters],
    )
    answer_lines.check(rows, answer_lines.MOST_TIMES)
    counts: BucketCounts = {}
    for key, model, ms, number in rows:
        counts.setdefault((key, model), Counter())[bucket(int(ms))] += number
    return counts


def bucket(ms: int) -> int:
    """The bucket of a time; where clocks went back, that of none."""
    return round(_IN_OCTAVE * log2(ms)) if ms >= 1 else _LEAST


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Within how many milliseconds so much of all was answered, by nearest rank.

    Args:
        counts: how many are in each bucket.
        share: from 0 to 1.
    """
    left = ceil(sum(counts.values()) * share)
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            return 0.0 if number == _LEAST else round(2 ** (number / _IN_OCTAVE), 1)
    return None
