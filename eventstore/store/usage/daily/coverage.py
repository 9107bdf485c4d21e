"""Divide a span of time into days that are answered by sums, and times that are read from rows.

Called by the queries of usage, latency and context, and by refresh.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from eventstore.realtime.values import loads
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters.filters import ResponseFilter
from eventstore.times import DAY_US

#: The first day that gets sums. Earlier times cannot be those of calls.
FIRST_DAY = 1
_END = 2**62

#: SQL: the days with rows of usage, found by one lookup in the index for each day.
DAYS_WITH_USAGE = (
    "WITH RECURSIVE d(at) AS (SELECT MAX(u.at) FROM usage u WHERE u.at >= ? AND u.at < ?"
    " UNION ALL SELECT (SELECT MAX(u.at) FROM usage u WHERE u.at >= ?"
    f" AND u.at < d.at / {DAY_US} * {DAY_US}) FROM d WHERE d.at IS NOT NULL)"
    f" SELECT at / {DAY_US} FROM d WHERE at IS NOT NULL"
)
#: SQL: the days with sums, whether these contain all sessions, and whether they are valid.
SUMMED = (
    "SELECT s.day, s.left_out, s.whole, s.left_out IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM day_marks m WHERE m.day = s.day AND (s.whole = 1 OR"
    " EXISTS (SELECT 1 FROM summed_sessions c WHERE c.session_id = m.session_id"
    " AND c.day = m.day)))"
    " FROM summed_days s WHERE s.day >= ? AND s.day <= ?"
)
# With more parts than this, a query of all rows is faster.
_MOST_SPANS = 100


class Coverage(NamedTuple):
    """A span of time, divided into parts.

    Attributes:
        live: Ranges of time, in microseconds, whose rows are read; None for no bound.
        days: Ranges of days, both ends included, that are answered by sums.
        begun: Those of these days whose sums lack the sessions with marks.
    """

    live: list[tuple[int | None, int | None]]
    days: list[tuple[int, int]]
    begun: list[int]


class _Day(NamedTuple):
    number: int
    summed: bool


def is_summable(filters: ResponseFilter) -> bool:
    """Return True if sums by day can answer a filter."""
    return not filters.named() - {"since", "until", "model"}


def find_coverage(
    tx: Transaction, since: int | None, until: int | None, key: str | None = None
) -> Coverage:
    """Divide a span of time into whole days with valid sums, and the rest.

    Sums are valid if no session in them has marked their day since. The sums, marks and rows must
    be read in the same transaction, which sees one state of the database.

    Args:
        since, until: The span in microseconds since 1970 UTC, `until` excluded; None for no bound.
        key: A metadata key that the sums must be grouped by.
    """
    start, end = max(since or 0, FIRST_DAY * DAY_US), _END if until is None else until
    whole = range(-(-start // DAY_US), end // DAY_US)
    summed = tx.rows(SUMMED, (start // DAY_US, end // DAY_US))
    held = {day: bool(holds) and not _leaves_out(left, key) for day, left, _, holds in summed}
    if not any(held.values()):
        return Coverage([(since, until)], [], [])
    numbers = {row[0] for row in tx.rows(DAYS_WITH_USAGE, (start, end, start))} | held.keys()
    days = (_Day(n, n in whole and held.get(n, False)) for n in sorted(numbers))
    found = _spans(days, start, end)
    if len(found.live) > _MOST_SPANS:
        return Coverage([(since, until)], [], [])
    found.begun.extend(day for day, _, all_, _ in summed if not all_ and held[day] and day in whole)
    if since is None or since < start:
        found.live.append((since, start))
    return found


def _leaves_out(left_out: str | None, key: str | None) -> bool:
    if key is None or left_out in (None, "[]"):
        return False
    found = loads(left_out)
    return found is True or key in found


def _spans(days: Iterable[_Day], start: int, end: int) -> Coverage:
    found = Coverage([], [], [])
    for summed, group in groupby(days, key=lambda day: day.summed):
        numbers = [day.number for day in group]
        if summed:
            found.days.append((numbers[0], numbers[-1]))
        else:
            found.live.append(
                (max(start, numbers[0] * DAY_US), min(end, (numbers[-1] + 1) * DAY_US))
            )
    return found


class RowsPart(NamedTuple):
    """A part of an answer that is read from rows.

    Attributes:
        filters: The filter, with the range of time.
        day: Only sessions with marks that the sums of this day lack; None for all.
    """

    filters: ResponseFilter
    day: int | None


def row_parts(filters: ResponseFilter, coverage: Coverage) -> list[RowsPart]:
    """Return the parts of an answer that are read from rows."""

    def within(since: int | None, until: int | None) -> ResponseFilter:
        return replace(filters, since=since, until=until)

    begun = [RowsPart(within(day * DAY_US, (day + 1) * DAY_US), day) for day in coverage.begun]
    return [RowsPart(within(since, until), None) for since, until in coverage.live] + begun


def sums_of_days(table: str, days: tuple[int, int], model: str | None) -> tuple[str, list[object]]:
    """Return SQL behind FROM of the sums `s` of a range of days, and its parameters.

    Args:
        table: The table of sums.
        days: The first and the last day.
        model: Only sums of this model; None for all.
    """
    parameters: list[object] = [*days]
    sql = f"{table} s WHERE s.day >= ? AND s.day <= ?"
    if model is not None:
        sql, parameters = f"{sql} AND s.model = ?", [*parameters, model]
    return sql, parameters
