"""What of a session has spans: all of it, or what the latest events have changed. Pure.

Called by session_spans.py for whole sessions, and by sent_spans.py for sessions that go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from eventstore.exports.otel.spans import Attributes, Trace, common_attributes, trace_of
from eventstore.projection.live_state import Delegation, Speaker
from eventstore.projection.state import Item, Response, SessionState
from eventstore.realtime.resources.scores import ScoreTarget
from eventstore.realtime.values import text


class Parts(NamedTuple):
    """Parts of a session that have spans, if they have times.

    Attributes:
        responses, items, delegations: Those themselves.
        billed: The keys of usage of transcriptions, as in `SessionState.billed`.
    """

    responses: Collection[Response]
    items: Collection[Item]
    billed: Collection[tuple[str, int]]
    delegations: Collection[Delegation] = ()


def whole(state: SessionState) -> Parts:
    """Return all parts of a session."""
    delegations = state.live.delegations.values() if state.live is not None else ()
    return Parts(state.responses.values(), state.items.values(), state.billed, delegations)


class Facts(NamedTuple):
    """What each span of a session says. If it changes, each of them does."""

    attributes: Attributes
    trace: Trace
    model: str | None
    metadata: dict[str, str]
    started_at: int | None


def facts_of(state: SessionState) -> Facts:
    """Return what each span of a session says now."""
    return Facts(
        common_attributes(state, ""),
        trace_of(state),
        text(state.wire.get("model")),
        state.metadata,
        state.live.started_at if state.live is not None else None,
    )


def said_last(state: SessionState) -> dict[Speaker, str]:
    """Return the id of the item that each speaker of a Live session said last."""
    return dict(state.live.saying) if state.live is not None else {}


def changed(state: SessionState, facts: Facts, said: Mapping[Speaker, str]) -> Parts:
    """Return the parts whose spans may have changed, or ended, since nothing was marked as changed.

    Args:
        facts: What each span said then.
        said: What each speaker of a Live session had said last then.
    """
    if facts_of(state) != facts:
        return whole(state)
    dirty = state.dirty
    scored = _scored(state)
    # What a speaker said ends when the other one goes on, and that does not mark it.
    spoken = [*said.values(), *said_last(state).values()]
    items = dict.fromkeys([*_items_with(state, dirty.items), *spoken, *scored["item"]])
    found = [state.items[id_] for id_ in items if id_ in state.items]
    responses = dict.fromkeys([*dirty.responses, *scored["response"]])
    for item in found:
        responses.update(dict.fromkeys(filter(None, (item.response_id, item.answered_by))))
    delegations = _delegations_with(state, found, state.items.get(said.get("assistant", "")))
    for delegation in delegations:
        responses.update(delegation.responses)
    return Parts(
        [state.responses[id_] for id_ in responses if id_ in state.responses],
        found,
        [key for key in _billed_with(found, dirty.billed) if key in state.billed],
        delegations,
    )


def _scored(state: SessionState) -> dict[ScoreTarget, list[str]]:
    """Return the ids of what is scored, or was before the latest events, by its kind.

    Whose span a score belongs to can be told only among all the spans that it may belong to.
    """
    found: dict[ScoreTarget, list[str]] = {"session": [], "response": [], "item": []}
    for target, id_ in state.scores:
        found[target].append(id_)
    for target, id_, _name, _by in state.dirty.scores:
        found[target].append(id_)
    return found


def _items_with(state: SessionState, ids: Iterable[str]) -> Iterator[str]:
    """Yield the ids of changed items, and of the calls of functions that they end."""
    calls = set[str]()
    for id_ in ids:
        yield id_
        item = state.items.get(id_)
        if item is not None and item.wire.get("type") == "function_call_output":
            calls.add(text(item.wire.get("call_id")) or "")
    if calls:
        for item in state.items.values():
            if text(item.wire.get("call_id")) in calls:
                yield item.id


def _billed_with(
    items: Iterable[Item], billed: Iterable[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
    keys = dict.fromkeys(billed)
    keys.update(dict.fromkeys((item.id, index) for item in items for index in item.parts))
    return iter(keys)


def _delegations_with(
    state: SessionState, items: Iterable[Item], spoken: Item | None
) -> list[Delegation]:
    """Return the delegations that items are of, and those that the assistant tells of since then.

    Args:
        spoken: What the assistant had said last then.
    """
    if state.live is None:
        return []
    known = state.live.delegations
    named = {item.live.delegation_id for item in items if item.live is not None}
    after = spoken.seen_seq if spoken is not None else 0
    return [
        one
        for one in known.values()
        if one.id in named or (one.done_seq is not None and one.done_seq >= after)
    ]
