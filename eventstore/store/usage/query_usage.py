"""Sum up usage by session, model, day or metadata key: tokens by modality, and money.

Days with sums are answered from these, and the others from rows of usage: docs/adr/0015. Called by
verbs/analytics.py, query_sessions.py and session_costs.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.pricing.prices import Prices
from eventstore.pricing.rates import Cost, CostRange
from eventstore.projection.handlers.session_billing import (
    USAGE_OF_SESSION,
    billed_session,
    is_counted,
    usage_id_of_response,
    usage_id_of_transcription,
)
from eventstore.projection.state import SessionState
from eventstore.projection.views.usage import Tokens, Usage, read_usage
from eventstore.realtime.values import text
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
from eventstore.store.usage.usage_sources import (
    DAY_AND_MODEL,
    IN_SECONDS,
    UsageSource,
    group_of,
    metadata_key,
    sources_of,
)
from eventstore.times import DAY_US, date_of

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

#: The kinds of usage, and the field of an answer that counts each.
COUNTED = {
    "response": "responses",
    "transcription": "transcriptions",
    "session": "sessions",
}

# How many columns identify a sum: group, model, kind, reported, period of prices and unit.
_NAMES = 6


class PricedUsage(NamedTuple):
    """The usage of one model in one group and one period of prices, with its cost.

    Attributes:
        key: what it is grouped by.
        model: the model.
        kind: `response`, `transcription` or `session`.
        reported: the flags of `Reported` that all of the usage has.
        number: how many responses, transcriptions or sessions.
        tokens: the sums of tokens and seconds.
        cost: what it costs.
    """

    key: str | None
    model: str | None
    kind: str
    reported: int
    number: int
    tokens: Tokens
    cost: Cost


class UsageSelect(NamedTuple):
    """The statement that selects one part of the rows of an answer.

    Attributes:
        sql: the statement.
        parameters: its parameters.
    """

    sql: str
    parameters: list[Any]


class PackedSumsSelect(NamedTuple):
    """The packed sums of a range of days, by the values of a metadata key.

    Attributes:
        key: the key.
        days: the first and the last day.
        model: only sums of this model; None for all.
    """

    key: str
    days: tuple[int, int]
    model: str | None


def query_usage(engine: Engine, by: str | None, wanted: ResponseFilter) -> dict[str, Any]:
    """Return usage in groups, and in total.

    Args:
        by: `session`, `model`, `day` (UTC), `day,model` or `metadata:KEY`; None for the total
            alone.
        wanted: the filter on responses; transcriptions and sessions count if they pass it.

    Raises:
        InvalidInputError: `by` is not valid, or the answer would be too long.
    """
    group_of(by)
    prices = prices_of(engine)
    with read(engine) as tx:
        rows = _sums(tx, prices, *_parts(tx, by, wanted))
    groups: dict[tuple[str | None, ...], list[PricedUsage]] = {}
    for row in rows:
        name = (row.key, row.model) if by == DAY_AND_MODEL else (row.key,)
        groups.setdefault(name, []).append(row)
    data = (
        []
        if by is None
        else [_group_entry(name, by, groups[name]) for name in sorted_names(groups)]
    )
    return {"object": "list", "by": by, "data": data, "total": _entry(rows)}


def usage_of_sessions(
    tx: Transaction, session_ids: Sequence[str], prices: Prices
) -> dict[str, dict[str, Any]]:
    """Return the usage of each session as one entry, by its id."""
    where = Where([], [])
    where.add(f"u.session_id IN ({', '.join('?' * len(session_ids))})", *session_ids)
    groups: dict[str | None, list[PricedUsage]] = {id_: [] for id_ in session_ids}
    for row in _sums(tx, prices, [_of_rows(UsageSource("usage u", where), "session")]):
        groups[row.key].append(row)
    return {id_: _entry(groups[id_]) for id_ in session_ids}


def sorted_names(names: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the names of groups in order; a part that is None sorts last."""
    return sorted(
        names, key=lambda name: [(part is None, "" if part is None else part) for part in name]
    )


def _parts(
    tx: Transaction, by: str | None, wanted: ResponseFilter
) -> tuple[list[UsageSelect], list[PackedSumsSelect]]:
    """Return the statements of the rows of an answer, and its packed sums."""
    if not is_summable(wanted) or by == "session":
        return [_of_rows(source, by) for source in sources_of(tx, wanted)], []
    key = metadata_key(by)
    found = find_coverage(tx, wanted.since, wanted.until, key)
    parts = [
        _of_rows(source, by)
        for live in row_parts(wanted, found)
        for source in sources_of(tx, live.wanted, live.day)
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
    for some in by_value:
        spans += tx.rows(SPANS_OF_DAYS, some.days)
    boundaries = _boundaries(prices, spans)
    if boundaries:
        rows = _grouped(tx, parts, boundaries)
    merged: dict[Row, list[int]] = {}
    for row in rows:
        _merge(merged, row[:_NAMES], list(map(int, row[_NAMES + 1 :])))
    for some in by_value:
        for row in _of_values(tx, some, boundaries):
            _merge(merged, row[:_NAMES], list(row[_NAMES:]))
    return [_billed(prices, name, *sums) for name, sums in merged.items()]


def _grouped(tx: Transaction, parts: list[UsageSelect], boundaries: list[int]) -> list[Row]:
    """Return sums by group, model, kind, reported, period of prices and unit.

    Each part is grouped on its own, because the database would first write down a union of all
    rows.

    Args:
        parts: the statements.
        boundaries: when prices change, in microseconds. With any boundary PostgreSQL sorts all rows
            instead of hashing them, because it cannot tell how few periods there are.

    Returns:
        The columns that identify a sum, its first and last time, the number, and the tokens.

    Raises:
        InvalidInputError: there are too many rows.
    """
    period, found = _period(len(boundaries)), []
    for part in parts:
        rows = tx.rows(
            f"SELECT u.grouped, u.model, u.kind, u.reported, {period}, u.unit, MIN(u.since),"
            f" MAX(u.at), SUM(u.number), {_SUMS} FROM ({part.sql}) u GROUP BY 1, 2, 3, 4, 5, 6"
            f" LIMIT {answer_lines.MOST + 1}",
            [*boundaries, *part.parameters],
        )
        answer_lines.check(rows, answer_lines.MOST)
        found += rows
    return found


def _boundaries(prices: Prices, spans: Iterable[Row]) -> list[int]:
    """Return when prices of models change within the time in which the models were used.

    Args:
        spans: models, each with the first and the last time of its usage.
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


def _of_values(tx: Transaction, wanted: PackedSumsSelect, boundaries: list[int]) -> list[Row]:
    from eventstore.store.usage.daily.packed import PackedDay, PackedSums, add_up  # slow to import

    # Prices change at midnight, so that a day lies in one period.
    days = (
        PackedDay(bisect_right(boundaries, day * DAY_US), PackedSums(names, numbers))
        for day, names, numbers in tx.rows_with_bytes(VALUE_DAYS, (wanted.key, *wanted.days))
    )
    return add_up(days, wanted.model)


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


def _group_entry(name: tuple[str | None, ...], by: str, rows: list[PricedUsage]) -> dict[str, Any]:
    entry = _entry(rows)
    named: dict[str, Any] = {"object": entry.pop("object"), "key": group_label(name[0], by)}
    if by == DAY_AND_MODEL:
        named["model"] = name[1]
    return named | entry


def _entry(rows: Sequence[PricedUsage]) -> dict[str, Any]:
    """Return one line of usage: counts, tokens, money, and what has no price."""
    unpriced = [row for row in rows if row.cost.usd is None]
    counts = _counts(rows)
    sums = Tokens(*map(sum, zip(*(row.tokens for row in rows), strict=True)))
    known = sum((row.cost.usd for row in rows if row.cost.usd is not None), Decimal(0))
    sessions = counts.pop("sessions")
    return {
        "object": "realtime.usage",
        **counts,
        **sums._asdict(),
        # Unknown cost is never zero; the total is null if nothing has a price.
        "cost_usd": None if unpriced and len(unpriced) == len(rows) else float(known),
        "unpriced": {
            **_counts(unpriced),
            "models": sorted({row.model or "unknown" for row in unpriced}),
            "without_usage": sum(row.number for row in rows if not row.reported),
        },
        "sessions": sessions,
        "unpriced_between_usd": _between([row.cost.between for row in unpriced]),
    }


def _counts(rows: Iterable[PricedUsage]) -> dict[str, int]:
    counts = dict.fromkeys(COUNTED.values(), 0)
    for row in rows:
        counts[COUNTED[row.kind]] += row.number
    return counts


def _between(spans: Iterable[CostRange | None]) -> list[float] | None:
    """Return the least and the most that usage costs whose kinds of tokens were not told apart."""
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return [float(sum((span[side] for span in known), Decimal(0))) for side in (0, 1)]


def group_label(key: Any, by: str) -> str | None:
    """Return the name of a group for people: its value, or the date of a day."""
    if key is None:
        return None
    if by not in ("day", DAY_AND_MODEL):
        return str(key)
    return date_of(int(key))


def usage_of_state(
    state: SessionState, prices: Prices, opened_at: int | None = None
) -> dict[str, Any]:
    """Return a session's usage as one entry, from its state.

    Args:
        state: the state.
        prices: the prices of usage.
        opened_at: the time of usage without a time of its own, in microseconds since 1970 UTC.
    """
    at = next((t for t in (opened_at, state.last_at, state.first_at) if t is not None), 0)

    def billed(kind: str, model: str | None, when: int | None, found: Usage) -> PricedUsage:
        moment = at if when is None else when
        cost = prices.cost(model, *found, moment)
        return PricedUsage(None, model, kind, int(found.reported), 1, found.tokens, cost)

    rows = [
        billed(
            "response",
            text(response.session.get("model")),
            response.done_at,
            read_usage(response.usage),
        )
        for response in state.responses.values()
        if response.done_seq is not None and is_counted(state, usage_id_of_response(response))
    ]
    rows += [
        billed("transcription", one.model, one.at, read_usage(one.usage, writes_text=True))
        for one in state.billed.values()
        if is_counted(state, usage_id_of_transcription(one))
    ]
    session = billed_session(state)
    if session is not None and is_counted(state, USAGE_OF_SESSION):
        rows.append(billed("session", session.model, session.at, read_usage(session.usage)))
    return _entry(rows)
