"""Return how fast answers came, by session, model, day or metadata key.

Called by verbs/analytics.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Engine

from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.usage.daily.coverage import (
    find_coverage,
    is_summable,
    row_parts,
    sums_of_days,
)
from eventstore.store.usage.latency_buckets import BucketCounts, count_answers, quantile
from eventstore.store.usage.usage_entries import name_group, sorted_names
from eventstore.store.usage.usage_sources import (
    DAY_AND_MODEL,
    group_of,
    key_of_grouping,
    responses_of,
)

_SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}


def query_latency(engine: Engine, by: str | None, filters: ResponseFilter) -> dict[str, Any]:
    """Return quantiles of the times of answers, in groups and in total.

    Args:
        by: `session`, `model`, `day` (UTC), `day,model` or `metadata:KEY`; None for the total
            alone.
        filters: The filter on responses.

    Raises:
        InvalidInputError: `by` is not valid, or the answer would be too long.
    """
    group_of(by)
    groups: dict[tuple[Any, ...], Counter[int]] = {}
    total: Counter[int] = Counter()
    with read(engine) as tx:
        for found in _counts(tx, by, filters):
            for (key, model), counts in found.items():
                name = (key, model) if by == DAY_AND_MODEL else (key,)
                groups.setdefault(name, Counter()).update(counts)
                total.update(counts)
    data = (
        []
        if by is None
        else [name_group(_entry(groups[name]), name, by) for name in sorted_names(groups)]
    )
    return {"object": "list", "by": by, "data": data, "total": _entry(total)}


def _counts(tx: Transaction, by: str | None, filters: ResponseFilter) -> Iterable[BucketCounts]:
    group, values = group_of(by)
    if not is_summable(filters) or by == "session" or key_of_grouping(by) is not None:
        return [count_answers(tx, responses_of(tx, filters), group, values)]
    found = find_coverage(tx, filters.since, filters.until)
    counts = [
        count_answers(tx, responses_of(tx, live.filters, live.day), group, values)
        for live in row_parts(filters, found)
    ]
    return counts + [_summed(tx, days, by, filters.model) for days in found.days]


def _summed(
    tx: Transaction, days: tuple[int, int], by: str | None, model: str | None
) -> BucketCounts:
    found, parameters = sums_of_days("latency_days", days, model)
    group = {None: "0", "model": "s.model"}.get(by, "s.day")
    rows = tx.rows(
        f"SELECT {group}, s.model, s.bucket, SUM(s.number) FROM {found}"
        " GROUP BY 1, s.model, s.bucket",
        parameters,
    )
    counts: BucketCounts = {}
    for key, of_model, bucket, number in rows:
        counts.setdefault((None if by is None else key, of_model), Counter())[bucket] += int(number)
    return counts


def _entry(counts: Mapping[int, int]) -> dict[str, Any]:
    quantiles = {name: quantile(counts, share) for name, share in _SHARES.items()}
    return {"object": "realtime.latency", "answers": sum(counts.values()), **quantiles}
