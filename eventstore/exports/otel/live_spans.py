"""Make the spans that only GPT-Live sessions have: of what the user says, delegations, decisions.

Called by session_spans.py. What the assistant says, and the responses of a backend, are responses
and have the spans of responses; those of a backend lie below the span of their delegation.
"""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.exports.otel.parts import Parts
from eventstore.exports.otel.spans import (
    Attributes,
    Span,
    Value,
    child_span,
    clipped,
    common_attributes,
    first_moment,
    known_attributes,
    span_id,
    usage_attributes,
)
from eventstore.projection.latency import EventTime
from eventstore.projection.live.speech import may_go_on
from eventstore.projection.live_state import Delegation, LiveItem
from eventstore.projection.state import Item, Response, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.usage import billed_tokens
from eventstore.realtime.resources.live_outcomes import decision_words
from eventstore.realtime.values import dumps, mapping, storable, storable_json, text


def live_spans(state: SessionState, parts: Parts, content: bool) -> Iterator[Span]:
    """Yield the spans that only a Live session has; none for other sessions.

    Args:
        parts: What of the session has spans.
        content: Include what was said and decided.
    """
    for delegation in parts.delegations:
        span = _delegation(state, delegation)
        if span is not None:
            yield span
    for item in parts.items:
        if item.live is None:
            continue
        if item.live.kind == "speech" and item.wire.get("role") == "user":
            yield from _speech(state, item, item.live, content)
        elif item.wire.get("type") == "decision":
            yield from _decision(state, item, content)


def live_attributes(state: SessionState, response: Response) -> dict[str, Value | None]:
    """Return the attributes of a response's span that only a Live session has."""
    live = response.live
    if live is None:
        return {}
    item = state.items.get(live.spoken or "")
    place = _place(item.live) if item is not None and item.live is not None else {}
    kind = "spoken" if item is not None else "delegated"
    return {"eventstore.kind": kind, "eventstore.delegation.id": live.delegation_id, **place}


def spoken_times(state: SessionState, response: Response) -> tuple[int, int] | None:
    """Return when a spoken response was heard, by the session's timeline; None if unknown."""
    item = state.items.get(response.live.spoken or "") if response.live is not None else None
    return None if item is None or item.live is None else _times(state, item.live)


def put_below_delegation(state: SessionState, span: Span, delegation_id: str | None) -> None:
    """Make a span a child of a delegation's span, if there is one."""
    live = state.live
    delegation = live.delegations.get(delegation_id or "") if live is not None else None
    if delegation is not None and delegation.at is not None:
        span.parent_id = span_id(state.session_id, "delegation", delegation.id)


def _times(state: SessionState, live: LiveItem) -> tuple[int, int] | None:
    zero = state.live.started_at if state.live is not None else None
    if zero is None or live.start_ms is None or live.end_ms is None:
        return None
    return zero + live.start_ms * 1000, zero + live.end_ms * 1000


def _place(live: LiveItem) -> dict[str, Value | None]:
    return {
        "eventstore.start_ms": live.start_ms,
        "eventstore.end_ms": live.end_ms,
        "eventstore.backchannel": live.backchannel or None,
    }


def _speech(state: SessionState, item: Item, live: LiveItem, content: bool) -> Iterator[Span]:
    """Yield the span of what the user said."""
    seen = first_moment(state, EventTime(item.seen_at, item.seen_seq))
    times = _times(state, live) or (None if seen is None else (seen, seen))
    if times is None:
        return
    attributes = common_attributes(state, "transcription") | known_attributes(
        {
            "gen_ai.request.model": text(state.wire.get("model")),
            "gen_ai.output.type": "text",
            **_place(live),
        }
    )
    if content:
        message = {"role": "user", "parts": [_text_part(resources.item_text(item))]}
        attributes["gen_ai.output.messages"] = _json([message])
    span = child_span(state, "speech", item.id, "user speech", times, attributes)
    span.is_over = not may_go_on(state, item)
    yield span


def _delegation(state: SessionState, delegation: Delegation) -> Span | None:
    """Return the span of a delegation: from its beginning to its last answer."""
    start = first_moment(state, EventTime(delegation.at, delegation.seq))
    if start is None:
        return None
    done = EventTime(delegation.done_at, delegation.done_seq or 0)
    end = first_moment(state, done) if delegation.done_seq is not None else None
    attributes = common_attributes(state, "invoke_agent") | known_attributes(
        {
            "eventstore.delegation.id": delegation.id,
            "eventstore.delegation.target": delegation.target,
            "eventstore.delegation.answered": delegation.done_seq is not None,
            "eventstore.start_ms": delegation.offset_ms,
        }
    )
    name = f"delegation {clipped(delegation.target, 64)}"
    times = start, start if end is None else end
    span = child_span(state, "delegation", delegation.id, name, times, attributes)
    span.is_over = _is_told(state, delegation)
    return span


def _is_told(state: SessionState, delegation: Delegation) -> bool:
    """Return True if the assistant has begun to speak since a delegation was answered last.

    An answer does not end a delegation for good: more may come before the assistant tells of it.
    """
    said = state.live.saying.get("assistant", "") if state.live is not None else ""
    item = state.items.get(said)
    done = delegation.done_seq
    return done is not None and item is not None and item.seen_seq > done


def _decision(state: SessionState, item: Item, content: bool) -> Iterator[Span]:
    """Yield the span of a decision: from its delegation, if it has one, to its answers."""
    end = first_moment(state, EventTime(item.seen_at, item.seen_seq))
    if end is None or state.live is None or item.live is None:
        return
    delegation = state.live.delegations.get(item.live.delegation_id or "")
    begun = None
    if delegation is not None:
        begun = first_moment(state, EventTime(delegation.at, delegation.seq))
    model, usage = text(item.wire.get("model")), mapping(item.wire.get("usage"))
    attributes: Attributes = common_attributes(state, "chat") | known_attributes(
        {
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            "gen_ai.output.type": "json",
            "eventstore.kind": "decision",
            "eventstore.delegation.id": item.live.delegation_id,
            "eventstore.trigger.id": text(item.wire.get("trigger_id")),
            **(usage_attributes(billed_tokens(usage, writes_text=True)) if usage else {}),
        }
    )
    if content:
        message = {"role": "assistant", "parts": [_text_part(decision_words(item.wire))]}
        attributes["gen_ai.output.messages"] = _json([message])
    times = end if begun is None else begun, end
    span = child_span(state, "decision", item.id, f"chat {model or ''}".strip(), times, attributes)
    put_below_delegation(state, span, item.live.delegation_id)
    yield span


def _text_part(said: str) -> dict[str, str]:
    return {"type": "text", "content": storable(said)}


def _json(value: object) -> str:
    return dumps(storable_json(value))
