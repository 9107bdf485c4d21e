"""Compute the sums of a day from the rows of usage and scores. Called by refresh.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eventstore.projection.views.usage import Tokens
from eventstore.store.database.tables.day_tables import ALL_MARKS
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.filters.forced_joins import ordered_join
from eventstore.store.filters.sql_conditions import Where
from eventstore.store.usage.context_growth import sum_turns
from eventstore.store.usage.latency_buckets import count_answers
from eventstore.store.usage.usage_sources import IN_SECONDS, responses_of
from eventstore.times import DAY_US

#: A metadata key with more values on a day gets no sums; its values may be ids, for example.
VALUES_OF_KEY = 1_000
#: How many values all keys of a day have together at most; keys with few values come first.
VALUES_OF_DAY = 10_000
#: A day with more keys gets no sums by keys.
KEYS_OF_DAY = 1_000
#: A day with more kinds of scores gets no sums of scores. All scores of a kind have the same name,
#: giver, model and label.
KINDS_OF_SCORES = 10_000

_LINE = f"u.model, u.kind, u.reported, {IN_SECONDS} AS unit"
_MEASURED = ", ".join(("MAX(u.at)", "COUNT(*)", *(f"SUM(u.{name})" for name in Tokens._fields)))
_APART = (
    f"SELECT m.session_id FROM {ALL_MARKS} m JOIN streams t ON t.session_id = m.session_id"
    " WHERE (t.closed_at IS NULL OR t.closed_at >= ?)"
)
# Labels of an encrypted store are ciphertexts, of which no two are equal.
_SCORES = (
    "SELECT n.name, n.kind, n.scorer, n.model, n.label, COUNT(*), COALESCE(SUM(n.number), 0),"
    " COALESCE(MIN(n.number), 0), COALESCE(MAX(n.number), 0)"
    " FROM (SELECT u.name, u.kind, u.scorer, u.model, {label} AS label, u.number"
    " FROM scores u{where}) n"
    f" GROUP BY n.name, n.kind, n.scorer, n.model, n.label LIMIT {KINDS_OF_SCORES + 1}"
)
_LINES = 4
_MAX_AT = _LINES
_OF_RESPONSE = "x.session_id = u.session_id AND x.response_id = u.response_id"


class DaySums(NamedTuple):
    """The sums of a day.

    Attributes:
        rows: The rows, by table.
        left_out: The metadata keys without sums, or True for all keys; None if these are sums of
            scores alone.
        has_scores: False if there are too many kinds of scores.
    """

    rows: dict[str, list[Row]]
    left_out: list[str] | bool | None
    has_scores: bool


def sum_day(tx: Transaction, day: int, before: int | None = None) -> DaySums:
    """Return the sums of a day.

    Args:
        day: The number of days since 1970 in UTC.
        before: Leave out the sessions that `unsettled_sessions` returns for this time; None for
            none.
    """
    from eventstore.store.usage.daily.packed import pack  # slow to import

    within = _within(day, before)
    totals = tx.rows(
        f"SELECT {_LINE}, {_MEASURED} FROM usage u{within.sql()}"
        " GROUP BY u.model, u.kind, u.reported, unit",
        within.parameters,
    )
    whole = [_whole(row) for row in totals]
    keys, left_out = _keys(tx, within)
    by_keys = _by_keys(tx, within, keys, whole) if keys else {}
    source = responses_of(tx, ResponseFilter(**_span(day)))
    _add_apart(source.where, day, before)
    answers = [
        (model, number, count)
        for (_, model), counts in count_answers(tx, source, "NULL", []).items()
        for number, count in counts.items()
    ]
    turns = [(row[0], *map(int, row[1:])) for row in sum_turns(tx, source)]
    scores = sum_scores_of_day(tx, day, before)
    return DaySums(
        {
            "usage_days": [(day, line, *row) for line, row in enumerate(whole)],
            "value_days": [(key, day, *pack(rows)) for key, rows in by_keys.items()],
            "latency_days": [(day, line, *row) for line, row in enumerate(answers)],
            "turn_days": [(day, line, *row) for line, row in enumerate(turns)],
            **scores.rows,
        },
        left_out,
        scores.has_scores,
    )


def sum_scores_of_day(tx: Transaction, day: int, before: int | None = None) -> DaySums:
    """Return the sums of a day's scores alone; the arguments are those of `sum_day`."""
    within = _within(day, before)
    label = "u.label" if tx.keys.name(tx) is None else "''"
    found = tx.rows(_SCORES.format(label=label, where=within.sql()), within.parameters)
    fits = len(found) <= KINDS_OF_SCORES
    rows = [(day, line, *row) for line, row in enumerate(found if fits else ())]
    return DaySums({"score_days": rows}, None, fits)


def settled_sessions(tx: Transaction, day: int, before: int) -> list[str]:
    """Return the sessions whose rows `sum_day` adds up."""
    within = _within(day, before)
    sql = " UNION ".join(
        f"SELECT u.session_id FROM {table} u{within.sql()}" for table in ("usage", "scores")
    )
    return [row[0] for row in tx.rows(sql, within.parameters * 2)]


def unsettled_sessions(tx: Transaction, day: int, before: int) -> set[str]:
    """Return the sessions that may still change a day.

    They have a mark on the day, and were not closed before a time in microseconds since 1970 UTC.
    """
    return {row[0] for row in tx.rows(f"{_APART} AND m.day = ?", (before, day))}


def _within(day: int, before: int | None) -> Where:
    where = Where(["u.at >= ?", "u.at < ?"], [day * DAY_US, (day + 1) * DAY_US])
    _add_apart(where, day, before)
    return where


def _add_apart(where: Where, day: int, before: int | None) -> None:
    if before is not None:
        of_day = f"{_APART} AND m.day = ? AND m.session_id = u.session_id"
        where.add(f"NOT EXISTS ({of_day})", before, day)


def _span(day: int) -> dict[str, Any]:
    return {"since": day * DAY_US, "until": (day + 1) * DAY_US}


def _whole(row: Row) -> Row:
    """Return a row of the database's sums with integers, because sums may be decimals."""
    return (*row[:2], *map(int, row[2:]))


def _pairs(tx: Transaction, within: Where, keys: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """Return the usage of a day with each pair of metadata by which `group_of` would group it."""
    where = Where([*within.conditions], [*within.parameters])
    if keys:
        where.add(f"x.key IN ({', '.join('?' * len(keys))})", *keys)
    join = ordered_join(tx)
    own = where.sql() + (
        " AND x.own = 1 AND NOT EXISTS (SELECT 1 FROM session_metadata o"
        " WHERE o.session_id = x.session_id AND o.key = x.key)"
    )
    sql = (
        f"SELECT x.key, x.value, u.* FROM usage u {join} response_metadata x ON {_OF_RESPONSE}{own}"
        f" UNION ALL SELECT x.key, x.value, u.* FROM usage u {join} session_metadata x"
        f" ON x.session_id = u.session_id{where.sql()}"
    )
    return sql, where.parameters * 2


def _keys(tx: Transaction, within: Where) -> tuple[list[str], list[str] | bool]:
    """Return the keys with sums, and the keys that are left out."""
    pairs, parameters = _pairs(tx, within)
    counted = tx.rows(
        f"SELECT u.key, COUNT(DISTINCT u.value) AS number FROM ({pairs}) u"
        f" GROUP BY u.key ORDER BY number, u.key LIMIT {KEYS_OF_DAY + 1}",
        parameters,
    )
    if len(counted) > KEYS_OF_DAY:
        return [], True
    keys: list[str] = []
    left_out: list[str] = []
    values = 0
    for key, number in counted:
        values += number
        fits = number <= VALUES_OF_KEY and values <= VALUES_OF_DAY
        (keys if fits else left_out).append(key)
    return keys, left_out


def _by_keys(
    tx: Transaction, within: Where, keys: list[str], totals: list[Row]
) -> dict[str, list[Row]]:
    """Return sums by each value of each key, and of usage without a value of the key."""
    pairs, parameters = _pairs(tx, within, keys)
    found = tx.rows(
        f"SELECT u.key, u.value, {_LINE}, {_MEASURED} FROM ({pairs}) u"
        " GROUP BY u.key, u.value, u.model, u.kind, u.reported, unit",
        parameters,
    )
    rest = {(key, total[:_LINES]): total for key in keys for total in totals}
    sums: dict[str, list[Row]] = {key: [] for key in keys}
    for key, value, *row in found:
        summed = _whole(tuple(row))
        sums[key].append((value, *summed))
        rest[key, summed[:_LINES]] = _without(rest[key, summed[:_LINES]], summed)
    for (key, _), left in rest.items():
        if left[_MAX_AT + 1]:
            sums[key].append((None, *left))
    return sums


def _without(row: Row, part: Row) -> Row:
    """Subtract a part from a sum. The time stays that of the whole, which is on the same day."""
    pairs = zip(row[_MAX_AT + 1 :], part[_MAX_AT + 1 :], strict=True)
    return (*row[: _MAX_AT + 1], *(whole - part for whole, part in pairs))
