"""Usage summed by session, model, day or metadata key: tokens by modality, and money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.projection.state import SessionState
from eventstore.projection.usage import Tokens, tokens_of
from eventstore.realtime.values import METADATA_KEY, text
from eventstore.store.filters import ResponseFilter
from eventstore.store.pricing import price_boundaries, price_usd
from eventstore.store.query_responses import (
    Where,
    add_metadata_condition,
    add_response_conditions,
    add_text_condition,
    choose_start,
    ordered_join,
)
from eventstore.store.search import parse_terms
from eventstore.store.transaction import Row, Transaction, read

_DAY = 86_400_000_000
# Tokens and seconds have prices of their own, and are not summed into one.
_IN_SECONDS = "CASE WHEN u.total_tokens = 0 AND u.audio_ms > 0 THEN 1 ELSE 0 END"
_SUMS = ", ".join(f"SUM(u.{name})" for name in Tokens._fields)


class Billed(NamedTuple):
    """Usage of one model in one group, within one price."""

    key: str | None
    model: str | None
    kind: str
    reported: bool
    at: int
    number: int
    tokens: Tokens


def query_usage(engine: Engine, by: str | None, wanted: ResponseFilter) -> dict[str, Any]:
    """Usage in groups, and in total.

    Args:
        by: `session`, `model`, `day` (UTC) or `metadata:KEY`; None for the total alone.

    Raises:
        InvalidInputError: another grouping.
    """
    group, values = _group(by)
    with read(engine) as tx:
        rows = _sums(tx, _sources(tx, wanted), group, values)
    groups: dict[str | None, list[Billed]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    data = [] if by is None else [_entry(key, by, found) for key, found in _in_order(groups)]
    return {
        "object": "list",
        "by": by,
        "data": data,
        "total": _entry(None, None, rows),
    }


def _in_order(groups: dict[str | None, list[Billed]]) -> list[tuple[str | None, list[Billed]]]:
    return sorted(groups.items(), key=lambda group: (group[0] is None, group[0] or ""))


class Source(NamedTuple):
    """Where rows of `usage u` come from: a FROM clause, and conditions."""

    sql: str
    where: Where


def _sources(tx: Transaction, wanted: ResponseFilter) -> list[Source]:
    """The usage that a filter asks for; a transcription answers to its session's metadata."""
    about_responses = wanted.model_dump(
        exclude={"metadata", "since", "until", "session", "model"}, exclude_none=True
    )
    if not about_responses and not wanted.metadata:
        return [Source("usage u", _conditions(wanted))]
    sources = [_of_responses(tx, wanted)]
    if not about_responses:
        sources.append(_of_transcriptions(tx, wanted))
    return sources


def _conditions(wanted: ResponseFilter) -> Where:
    """Conditions that hold for transcriptions as well as for responses."""
    where = Where([], [])
    if wanted.since is not None:
        where.add("u.at >= ?", wanted.since)
    if wanted.until is not None:
        where.add("u.at < ?", wanted.until)
    if wanted.session is not None:
        where.add("u.session_id = ?", wanted.session)
    if wanted.model is not None:
        where.add("u.model = ?", wanted.model)
    return where


def _of_responses(tx: Transaction, wanted: ResponseFilter) -> Source:
    where = _conditions(wanted)
    start = choose_start(tx, wanted.metadata)
    joined = "JOIN responses r ON r.session_id = u.session_id AND r.response_id = u.response_id"
    if start is not None and start.operator == "=":
        # From the few rows of the pair to their usage, by its key.
        sql = (
            f"response_metadata m {ordered_join(tx)} usage u ON u.session_id = m.session_id"
            f" AND u.usage_id = 'response/' || m.response_id {joined}"
        )
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
    else:
        start, sql = None, f"usage u {joined}"
    where.add("u.kind = 'response'")
    narrowed = wanted.model_copy(
        update={"since": None, "until": None, "session": None, "model": None}
    )
    add_response_conditions(where, tx, narrowed, start)
    if wanted.text is not None:
        add_text_condition(where, tx, parse_terms(wanted.text), one_by_one=False)
    return Source(sql, where)


def _of_transcriptions(tx: Transaction, wanted: ResponseFilter) -> Source:
    where = _conditions(wanted)
    start = next((c for c in wanted.metadata if c.operator == "="), None)
    sql = "usage u"
    if start is not None:
        sql = f"session_metadata m {ordered_join(tx)} usage u ON u.session_id = m.session_id"
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
    where.add("u.kind = 'transcription'")
    for condition in wanted.metadata:
        if condition is not start:
            add_metadata_condition(where, tx, condition, "session_metadata", "u", (), timed=False)
    return Source(sql, where)


def _group(by: str | None) -> tuple[str, list[Any]]:
    """The expression to group by, and its parameters."""
    if by is None:
        return "NULL", []
    if by == "session":
        return "u.session_id", []
    if by == "model":
        return "u.model", []
    if by == "day":
        return f"u.at / {_DAY}", []
    kind, _, key = by.partition(":")
    if kind == "metadata" and 0 < len(key) <= METADATA_KEY:
        # A response's own value wins over its session's.
        return (
            "COALESCE((SELECT x.value FROM response_metadata x WHERE x.session_id = u.session_id"
            " AND x.response_id = u.response_id AND x.key = ? ORDER BY x.own DESC LIMIT 1),"
            " (SELECT y.value FROM session_metadata y WHERE y.session_id = u.session_id"
            " AND y.key = ?))",
            [key, key],
        )
    raise InvalidInputError(f"--by {by!r}: use session, model, day or metadata:KEY")


def _sums(tx: Transaction, sources: list[Source], group: str, values: list[Any]) -> list[Billed]:
    inner = " UNION ALL ".join(
        f"SELECT u.*, {group} AS grouped FROM {source.sql}{source.where.sql()}"
        for source in sources
    )
    parameters = [p for source in sources for p in (*values, *source.where.parameters)]
    models = tx.rows(f"SELECT DISTINCT model FROM ({inner}) d WHERE model IS NOT NULL", parameters)
    boundaries = price_boundaries([row[0] for row in models])
    period = " + ".join("CASE WHEN u.at >= ? THEN 1 ELSE 0 END" for _ in boundaries) or "0"
    rows = tx.rows(
        f"SELECT grouped, model, kind, reported, MAX(at), COUNT(*), {_SUMS}"
        f" FROM (SELECT u.*, {period} AS period, {_IN_SECONDS} AS unit FROM ({inner}) u) u"
        " GROUP BY grouped, model, kind, reported, period, unit",
        [*boundaries, *parameters],
    )
    return [_billed(row) for row in rows]


def _billed(row: Row) -> Billed:
    key, model, kind, reported, at, number = row[:6]
    tokens = Tokens(*(int(value) for value in row[6:]))
    return Billed(key, model, kind, bool(reported), int(at), int(number), tokens)


def _entry(key: str | None, by: str | None, rows: Iterable[Billed]) -> dict[str, Any]:
    """One line of usage: counts, tokens, money, and what has no price."""
    counts = {"response": 0, "transcription": 0}
    sums = Tokens()
    cost = Decimal(0)
    unpriced = {"response": 0, "transcription": 0}
    unpriced_models: set[str] = set()
    unreported = 0
    for row in rows:
        counts[row.kind] += row.number
        sums = Tokens(*(a + b for a, b in zip(sums, row.tokens, strict=True)))
        price = price_usd(row.model, row.tokens, row.at) if row.reported else None
        if not row.reported:
            unreported += row.number
        if price is None:
            unpriced[row.kind] += row.number
            unpriced_models.add(row.model or "unknown")
        else:
            cost += price
    missing = sum(unpriced.values())
    unpriced_all = missing > 0 and missing == sum(counts.values())
    entry: dict[str, Any] = {"object": "realtime.usage"}
    if by is not None:
        entry["key"] = _label(key, by)
    return entry | {
        "responses": counts["response"],
        "transcriptions": counts["transcription"],
        **sums._asdict(),
        # Never zero for what has no price: null where that is all there is.
        "cost_usd": None if unpriced_all else float(cost),
        "unpriced": {
            "responses": unpriced["response"],
            "transcriptions": unpriced["transcription"],
            "models": sorted(unpriced_models),
            "without_usage": unreported,
        },
    }


def _label(key: Any, by: str) -> str | None:
    if by != "day" or key is None:
        return None if key is None else str(key)
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(key) * 86_400, tz=UTC).strftime("%Y-%m-%d")


def usage_of_state(state: SessionState, opened_at: int | None = None) -> dict[str, Any]:
    """A session's usage as one entry, from its state."""
    at = next((t for t in (state.last_at, state.first_at, opened_at) if t is not None), 0)
    rows = [
        Billed(
            None,
            text(response.session.get("model")),
            "response",
            bool(response.usage),
            response.done_at if response.done_at is not None else at,
            1,
            tokens_of(response.usage),
        )
        for response in state.responses.values()
        if response.done_seq is not None
    ] + [
        Billed(
            None,
            billed.model,
            "transcription",
            bool(billed.usage),
            billed.at if billed.at is not None else at,
            1,
            tokens_of(billed.usage),
        )
        for billed in state.billed.values()
    ]
    return _entry(None, None, rows)
