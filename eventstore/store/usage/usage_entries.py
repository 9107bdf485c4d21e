"""Make the entries of answers about usage: counts, tokens, money, and the names of groups.

Called by query_usage.py and query_latency.py; query_sessions.py asks for the usage of one state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from eventstore.pricing.prices import Prices
from eventstore.pricing.rates import Cost, CostRange
from eventstore.projection.handlers.session_billing import (
    billed_session,
    is_counted,
    usage_id_of_item,
    usage_id_of_response,
    usage_of_response,
)
from eventstore.projection.state import SessionState
from eventstore.projection.views.usage import Reported, Tokens, Usage, read_usage
from eventstore.realtime.values import text
from eventstore.store.usage.usage_sources import DAY_AND_MODEL
from eventstore.times import date_of

#: The kinds of usage, and the field of an answer that counts each.
COUNTED = {
    "response": "responses",
    "transcription": "transcriptions",
    "session": "sessions",
    "decision": "decisions",
    "paused": "paused_sessions",
}
#: Kinds of Live sessions alone: entries without such usage do not name them.
_SELDOM = ("decisions", "paused_sessions")


class PricedUsage(NamedTuple):
    """The usage of one model in one group and one period of prices, with its cost.

    Attributes:
        key: What it is grouped by.
        model: The model.
        kind: One of `COUNTED`.
        reported: The flags of `Reported` that all of the usage has.
        number: How many of the kind.
        tokens: The sums of tokens and seconds.
        cost: What it costs.
    """

    key: str | None
    model: str | None
    kind: str
    reported: int
    number: int
    tokens: Tokens
    cost: Cost


def usage_entry(rows: Sequence[PricedUsage]) -> dict[str, Any]:
    """Return one line of usage: counts, tokens, money, and what has no price."""
    unpriced = [row for row in rows if row.cost.usd is None and not _is_billed_elsewhere(row)]
    has_price = any(row.cost.usd is not None for row in rows)
    counts = _counts(rows)
    sums = Tokens(*map(sum, zip(*(row.tokens for row in rows), strict=True)))
    known = sum((row.cost.usd for row in rows if row.cost.usd is not None), Decimal(0))
    sessions = counts.pop("sessions")
    paused_ms = sum(row.tokens.audio_ms for row in rows if row.kind == "paused")
    return {
        "object": "realtime.usage",
        **counts,
        **sums._asdict(),
        # Unknown cost is never zero; the total is null if nothing has a price.
        "cost_usd": float(known) if not unpriced or has_price else None,
        "unpriced": {
            **_counts(unpriced),
            "models": _models(unpriced),
            "without_usage": sum(row.number for row in rows if not row.reported),
            **_untold(unpriced),
        },
        "sessions": sessions,
        **({"paused_ms": paused_ms} if paused_ms else {}),
        "unpriced_between_usd": _between([row.cost.between for row in unpriced]),
    }


def _is_billed_elsewhere(row: PricedUsage) -> bool:
    """Return True for what the assistant of a Live session says: the session's seconds are billed.

    Only such responses have usage in seconds, and they have none.
    """
    in_seconds = row.reported == Reported.SECONDS
    return row.kind == "response" and in_seconds and not any(row.tokens)


def _models(rows: Iterable[PricedUsage]) -> list[str]:
    return sorted({row.model or "unknown" for row in rows})


def _untold(unpriced: Iterable[PricedUsage]) -> dict[str, Any]:
    """Return how much of what has no price has no usage either; nothing if all has.

    `models` has the models of which all that has no price is without usage.
    """
    untold = [row for row in unpriced if not row.reported]
    if not untold:
        return {}
    priceless = _models(row for row in unpriced if row.reported)
    counts = {name: count for name, count in _counts(untold).items() if count}
    models = [model for model in _models(untold) if model not in priceless]
    return {"untold": {**counts, "models": models}}


def _counts(rows: Iterable[PricedUsage]) -> dict[str, int]:
    counts = dict.fromkeys(COUNTED.values(), 0)
    for row in rows:
        counts[COUNTED[row.kind]] += row.number
    return {name: count for name, count in counts.items() if count or name not in _SELDOM}


def _between(spans: Iterable[CostRange | None]) -> list[float] | None:
    """Return the least and the most that usage costs whose kinds of tokens were not told apart."""
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return [float(sum((span[side] for span in known), Decimal(0))) for side in (0, 1)]


def sorted_names(names: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the names of groups in order; a part that is None sorts last."""
    return sorted(
        names, key=lambda name: [(part is None, "" if part is None else part) for part in name]
    )


def group_label(key: Any, by: str) -> str | None:
    """Return the name of a group for people: its value, or the date of a day."""
    if key is None:
        return None
    if by not in ("day", DAY_AND_MODEL):
        return str(key)
    return date_of(int(key))


def name_group(entry: dict[str, Any], name: tuple[Any, ...], by: str) -> dict[str, Any]:
    """Return an entry with the name of its group behind `object`: `key`, and maybe `model`.

    Args:
        entry: The entry; its `object` is removed.
        name: The value that the group has in common, and its model if `by` is `day,model`.
        by: What the entries are grouped by.
    """
    named: dict[str, Any] = {"object": entry.pop("object"), "key": group_label(name[0], by)}
    if by == DAY_AND_MODEL:
        named["model"] = name[1]
    return named | entry


def usage_of_state(
    state: SessionState, prices: Prices, opened_at: int | None = None
) -> dict[str, Any]:
    """Return a session's usage as one entry, from its state.

    Args:
        state: The state.
        prices: The prices of usage.
        opened_at: The time of usage without a time of its own, in microseconds since 1970 UTC.
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
            read_usage(usage_of_response(response)),
        )
        for response in state.responses.values()
        if response.done_seq is not None and is_counted(state, usage_id_of_response(response))
    ]
    rows += [
        billed(one.kind, one.model, one.at, read_usage(one.usage, one.kind == "transcription"))
        for one in state.billed.values()
        if is_counted(state, usage_id_of_item(one))
    ]
    rows += [
        billed(one.kind, one.model, one.at, read_usage(one.usage))
        for one in billed_session(state)
        if is_counted(state, one.kind)
    ]
    return usage_entry(rows)
