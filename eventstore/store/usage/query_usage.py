"""Sum up usage by session, model, day or metadata key: tokens by modality, and money.

Days with sums are answered from these, and the others from rows of usage: docs/adr/0015. Called by
verbs/analytics.py, session_costs.py and session_summaries.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.pricing.prices import Prices
from eventstore.projection.views.usage import Tokens
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.filters.sql_conditions import Where
from eventstore.store.usage import answer_lines
from eventstore.store.usage.daily.coverage import (
    find_coverage,
    is_summable,
    row_parts,
    sums_of_days,
)
from eventstore.store.usage.usage_entries import PricedUsage, name_group, sorted_names, usage_entry
from eventstore.store.usage.usage_sources import (
    DAY_AND_MODEL,
    IN_SECONDS,
    UsageSource,
    group_of,
    key_of_grouping,
    sources_of,
)
from eventstore.times import DAY_US

_SUMS = ", ".join(f"SUM(u.{name})" for name in Tokens._fields)
_ROW = (
    f"u.model, u.kind, u.reported, u.at AS since, u.at, {IN_SECONDS} AS unit, 1 AS number, "
    + ", ".join(f"u.{name}" for name in Tokens._fields)
)
_DAYS_SUM = (
    f"s.model, s.kind, s.reported, s.day * {DAY_US} AS since, s.max_at AS at,"
    " s.in_seconds AS unit, s.number AS number, "
    + ", ".join(f"s.{name}" for name in Tokens._fields)
)
SPANS_OF_DAYS = (
    f"SELECT model, MIN(day) * {DAY_US}, MAX(max_at) FROM usage_days WHERE day >= ? AND day <= ?"
    " GROUP BY model"
)
VALUE_DAYS = "SELECT day, names, numbers FROM value_days WHERE key = ? AND day >= ? AND day <= ?"


# How many columns identify a sum: group, model, kind, reported, period of prices and unit.
_NAMES = 6


class UsageSelect(NamedTuple):
    """The statement that selects one part of the rows of an answer.

    Attributes:
        sql: The statement.
        parameters: Its parameters.
    """

    sql: str
    parameters: list[Any]


class PackedSumsSelect(NamedTuple):
    """The packed sums of a range of days, by the values of a metadata key.

    Attributes:
        key: The key.
        days: The first and the last day.
        model: Only sums of this model; None for all.
    """

    key: str
    days: tuple[int, int]
    model: str | None


def query_usage(engine: Engine, by: str | None, filters: ResponseFilter) -> dict[str, Any]:
    """Return usage in groups, and in total.

    Args:
        by: `session`, `model`, `day` (UTC), `day,model` or `metadata:KEY`; None for the total
            alone.
        filters: The filter on responses; transcriptions and sessions count if they pass it.

    Raises:
        InvalidInputError: `by` is not valid, or the answer would be too long.
    """
    group_of(by)
    prices = prices_of(engine)
    with read(engine) as tx:
        rows = _sums(tx, prices, *_parts(tx, by, filters))
    groups: dict[tuple[str | None, ...], list[PricedUsage]] = {}
    for row in rows:
        name = (row.key, row.model) if by == DAY_AND_MODEL else (row.key,)
        groups.setdefault(name, []).append(row)
    data = (
        []
        if by is None
        else [name_group(usage_entry(groups[name]), name, by) for name in sorted_names(groups)]
    )
    return {"object": "list", "by": by, "data": data, "total": usage_entry(rows)}


def usage_of_sessions(
    tx: Transaction, session_ids: Sequence[str], prices: Prices
) -> dict[str, dict[str, Any]]:
    """Return the usage of each session as one entry, by its id."""
    where = Where([], [])
    where.add(f"u.session_id IN ({', '.join('?' * len(session_ids))})", *session_ids)
    groups: dict[str | None, list[PricedUsage]] = {id_: [] for id_ in session_ids}
    for row in _sums(tx, prices, [_of_rows(UsageSource("usage u", where), "session")]):
        groups[row.key].append(row)
    return {id_: usage_entry(groups[id_]) for id_ in session_ids}


def _parts(
    tx: Transaction, by: str | None, wanted: ResponseFilter
) -> tuple[list[UsageSelect], list[PackedSumsSelect]]:
    """Return the statements of the rows of an answer, and its packed sums."""
    if not is_summable(wanted) or by == "session":
        return [_of_rows(source, by) for source in sources_of(tx, wanted)], []
    key = key_of_grouping(by)
    found = find_coverage(tx, wanted.since, wanted.until, key)
    parts = [
        _of_rows(source, by)
        for live in row_parts(wanted, found)
        for source in sources_of(tx, live.filters, live.day)
    ]
    parts += [_of_sums(days, by, key, wanted.model) for days in found.days]
    by_value = (
        [] if key is None else [PackedSumsSelect(key, days, wanted.model) for days in found.days]
    )
    return parts, by_value


def _of_rows(source: UsageSource, by: str | None) -> UsageSelect:
    group, values = group_of(by)
    found = f"{source.sql}{source.where.sql()}"
    return UsageSelect(
        f"SELECT {group} AS grouped, {_ROW} FROM {found}", [*values, *source.where.parameters]
    )


def _of_sums(
    days: tuple[int, int], by: str | None, key: str | None, model: str | None
) -> UsageSelect:
    """Return the sums of days. By a metadata key, only of days without any value of the key."""
    found, parameters = sums_of_days("usage_days", days, model)
    group = {None: "NULL", "model": "s.model"}.get(by, "s.day")
    if key is None:
        return UsageSelect(f"SELECT {group} AS grouped, {_DAYS_SUM} FROM {found}", parameters)
    without = (
        f"SELECT NULL AS grouped, {_DAYS_SUM} FROM {found} AND NOT EXISTS"
        " (SELECT 1 FROM value_days k WHERE k.key = ? AND k.day = s.day)"
    )
    return UsageSelect(without, [*parameters, key])


def _sums(
    tx: Transaction,
    prices: Prices,
    parts: list[UsageSelect],
    by_value: Sequence[PackedSumsSelect] = (),
) -> list[PricedUsage]:
    if not parts:
        return []
    # Prices seldom change while a model is used. The sums themselves show whether they did.
    rows = _grouped(tx, parts, [])
    spans = [(row[1], *row[_NAMES : _NAMES + 2]) for row in rows]
    for batch in by_value:
        spans += tx.rows(SPANS_OF_DAYS, batch.days)
    boundaries = _boundaries(prices, spans)
    if boundaries:
        rows = _grouped(tx, parts, boundaries)
    merged: dict[Row, list[int]] = {}
    for row in rows:
        _merge(merged, row[:_NAMES], list(map(int, row[_NAMES + 1 :])))
    for batch in by_value:
        for row in _of_values(tx, batch, boundaries):
            _merge(merged, row[:_NAMES], list(row[_NAMES:]))
    return [_billed(prices, name, *sums) for name, sums in merged.items()]


def _grouped(tx: Transaction, parts: list[UsageSelect], boundaries: list[int]) -> list[Row]:
    """Return sums by group, model, kind, reported, period of prices and unit.

    Each part is grouped on its own, because the database would first write down a union of all
    rows.

    Args:
        parts: The statements.
        boundaries: When prices change, in microseconds. With any boundary PostgreSQL sorts all rows
            instead of hashing them, because it cannot tell how few periods there are.

    Returns:
        The columns that identify a sum, its first and last time, the number, and the tokens.

    Raises:
        InvalidInputError: There are too many rows.
    """
    period, found = _period(len(boundaries)), []
    for part in parts:
        rows = tx.rows(
            f"SELECT u.grouped, u.model, u.kind, u.reported, {period}, u.unit, MIN(u.since),"
            f" MAX(u.at), SUM(u.number), {_SUMS} FROM ({part.sql}) u GROUP BY 1, 2, 3, 4, 5, 6"
            f" LIMIT {answer_lines.MAX_LINES + 1}",
            [*boundaries, *part.parameters],
        )
        answer_lines.check_lines(rows, answer_lines.MAX_LINES)
        found += rows
    return found


def _boundaries(prices: Prices, spans: Iterable[Row]) -> list[int]:
    """Return when prices of models change within the time in which the models were used.

    Args:
        spans: Models, each with the first and the last time of its usage.
    """
    used: dict[str, tuple[int, int]] = {}
    for model, since, at in spans:
        if model is not None:
            first, last = used.get(model, (since, at))
            used[model] = min(first, since), max(last, at)
    changes = {
        moment
        for model, (first, last) in used.items()
        for moment in prices.boundaries([model])
        if first < moment <= last
    }
    return sorted(changes)


def _period(boundaries: int) -> str:
    """Return SQL for the number of the period of prices in which usage lies.

    The SQL has one parameter for each boundary. Its terms are added in groups, because SQLite's
    expressions have at most 1,000 levels.
    """
    terms = ["CASE WHEN u.at >= ? THEN 1 ELSE 0 END"] * boundaries
    groups = [" + ".join(terms[n : n + 50]) for n in range(0, boundaries, 50)]
    return " + ".join(f"({group})" for group in groups) or "0"


def _of_values(tx: Transaction, sums: PackedSumsSelect, boundaries: list[int]) -> list[Row]:
    from eventstore.store.usage.daily.packed import PackedDay, PackedSums, add_up  # slow to import

    # Prices change at midnight, so that a day lies in one period.
    days = (
        PackedDay(bisect_right(boundaries, day * DAY_US), PackedSums(names, numbers))
        for day, names, numbers in tx.rows_with_bytes(VALUE_DAYS, (sums.key, *sums.days))
    )
    return add_up(days, sums.model)


def _merge(merged: dict[Row, list[int]], name: Row, sums: list[int]) -> None:
    known = merged.get(name)
    if known is not None:
        sums = [max(known[0], sums[0]), *map(add, known[1:], sums[1:])]
    merged[name] = sums


def _billed(prices: Prices, name: Row, at: int, number: int, *sums: int) -> PricedUsage:
    key, model, kind, reported, *_ = name
    tokens = Tokens(*sums)
    return PricedUsage(
        key, model, kind, reported, number, tokens, prices.cost(model, tokens, reported, at)
    )
