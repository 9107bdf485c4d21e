"""Divide a span of time into days that are answered by sums, and times that are read from rows.

Called by the queries of usage, latency, context and scores, and by refresh.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Generic, Literal, NamedTuple, TypeVar

from eventstore.realtime.values import loads
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.filters import ResponseFilter, ScoreFilter
from eventstore.times import DAY_US

#: The first day that gets sums. Earlier times cannot be those of calls.
FIRST_DAY = 1
_END = 2**62

#: What sums are of: usage and what is counted beside it, or scores.
Summed = Literal["usage", "scores"]

#: SQL: the time of the last row of usage in a range of time, found by one lookup in an index.
LAST_USAGE = "SELECT MAX(u.at) FROM usage u WHERE u.at >= ? AND u.at < ?"
_LAST: dict[Summed, str] = {
    "usage": LAST_USAGE,
    "scores": "SELECT MAX(c.at) FROM scores c WHERE c.at >= ? AND c.at < ?",
}
_SUMMED = "SELECT day, left_out, whole, has_scores FROM summed_days WHERE day >= ? AND day <= ?"
# Marked days, and whether a session in the sums has marked them.
_MARKED = (
    "SELECT m.day, MAX(CASE WHEN c.session_id IS NULL THEN 0 ELSE 1 END) FROM {marks} m"
    " LEFT JOIN summed_sessions c ON c.session_id = m.session_id AND c.day = m.day"
    " WHERE m.day >= ? AND m.day <= ? GROUP BY m.day"
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


class SummedDay(NamedTuple):
    """A day that was summed up.

    Attributes:
        number: The number of days since 1970 in UTC.
        left_out: The metadata keys without sums, as JSON; None if the sums were dropped.
        whole: True if the sums contain all sessions of the day.
        is_valid: True if there are sums, and no session in them has changed its usage since.
        has_scores: True if there are sums of scores, and no session in them has changed one since.
            None if that is unknown, so that they are worth to be computed.
    """

    number: int
    left_out: str | None
    whole: bool
    is_valid: bool
    has_scores: bool | None


def read_summed_days(tx: Transaction, first: int, last: int) -> list[SummedDay]:
    """Return the days that were summed up.

    Args:
        first, last: The first and the last day, as numbers of days since 1970 in UTC.
    """
    summed = tx.rows(_SUMMED, (first, last))
    if not summed:
        return []
    numbers = [row[0] for row in summed]
    # Further statements, because Citus keeps the days on each node, and divides the marks.
    span = (min(numbers), max(numbers))
    marked: dict[int, int] = dict(tx.rows(_MARKED.format(marks="day_marks"), span))
    scored: dict[int, int] = dict(tx.rows(_MARKED.format(marks="score_marks"), span))

    def is_valid(row: Row, marked: dict[int, int]) -> bool:
        day, left_out, whole, _ = row
        return left_out is not None and not (day in marked and (whole or marked[day]))

    return [
        SummedDay(
            row[0],
            row[1],
            bool(row[2]),
            is_valid(row, marked),
            None if row[3] is None or not is_valid(row, scored) else bool(row[3]),
        )
        for row in summed
    ]


def is_summable(filters: ResponseFilter) -> bool:
    """Return True if sums by day can answer a filter."""
    return not filters.named() - {"since", "until", "model"}


def find_coverage(
    tx: Transaction,
    since: int | None,
    until: int | None,
    key: str | None = None,
    of: Summed = "usage",
) -> Coverage:
    """Divide a span of time into whole days with valid sums, and the rest.

    Sums are valid if no session in them has marked their day since. The sums, marks and rows must
    be read in the same transaction, which sees one state of the database.

    Args:
        since, until: The span in microseconds since 1970 UTC, `until` excluded; None for no bound.
        key: A metadata key that the sums must be grouped by.
        of: What the sums are of.
    """
    start, end = max(since or 0, FIRST_DAY * DAY_US), _END if until is None else until
    whole = range(-(-start // DAY_US), end // DAY_US)
    summed = read_summed_days(tx, start // DAY_US, end // DAY_US)
    held = {
        day.number
        for day in summed
        if _answers(day, of) and day.number in whole and not _leaves_out(day.left_out, key)
    }
    found = _divide(tx, held, {day.number for day in summed} - held, start, end, _LAST[of])
    if not found.days or len(found.live) > _MOST_SPANS:
        return Coverage([(since, until)], [], [])
    found.begun.extend(day.number for day in summed if not day.whole and day.number in held)
    if since is None or since < start:
        found.live.append((since, start))
    return found


def _answers(day: SummedDay, of: Summed) -> bool:
    return day.is_valid if of == "usage" else day.has_scores is True


def _leaves_out(left_out: str | None, key: str | None) -> bool:
    if key is None or left_out in (None, "[]"):
        return False
    found = loads(left_out)
    return found is True or key in found


def _divide(
    tx: Transaction, held: set[int], invalid: set[int], start: int, end: int, last_row: str
) -> Coverage:
    """Divide a span into ranges of days with valid sums, and the times between them with rows.

    Args:
        held: The days with valid sums.
        invalid: Days with other sums, which must not be in a range of days.
        start, end: The span, `end` excluded.
        last_row: SQL of the time of the last row in a range of time.
    """

    def has_rows(since: int, until: int) -> bool:
        return since < until and tx.rows(last_row, (since, until))[0][0] is not None

    found = Coverage([], [], [])
    behind = start
    for first, last in _runs(held):
        until = first * DAY_US
        between = any(behind <= day * DAY_US < until for day in invalid)
        if between or has_rows(behind, until):
            found.live.append((behind, until))
        elif found.days:
            first, _ = found.days.pop()
        found.days.append((first, last))
        behind = (last + 1) * DAY_US
        if len(found.live) > _MOST_SPANS:
            break
    if has_rows(behind, end):
        found.live.append((behind, end))
    return found


def _runs(days: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last day of each run of consecutive days."""
    runs: list[tuple[int, int]] = []
    for day in sorted(days):
        first = runs.pop()[0] if runs and runs[-1][1] == day - 1 else day
        runs.append((first, day))
    return runs


#: A filter with a span of time.
Filter = TypeVar("Filter", ResponseFilter, ScoreFilter)


class RowsPart(NamedTuple, Generic[Filter]):
    """A part of an answer that is read from rows.

    Attributes:
        filters: The filter, with the range of time.
        day: Only sessions with marks that the sums of this day lack; None for all.
    """

    filters: Filter
    day: int | None


def row_parts(filters: Filter, coverage: Coverage) -> list[RowsPart[Filter]]:
    """Return the parts of an answer that are read from rows."""

    def within(since: int | None, until: int | None) -> Filter:
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
