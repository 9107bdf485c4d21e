"""What a response may answer: the client's `response.create`, or the user's turn."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from eventstore.projection.pending import comparable
from eventstore.projection.state import ResponseRequest, SessionState


def add_request(state: SessionState, request: ResponseRequest) -> None:
    """Note that a response is wanted."""
    metadata = comparable(request.body.get("metadata") or {})
    outside = request.body.get("conversation") == "none"
    keys: list[Hashable] = [
        request.kind,
        _key(None, None),
        _key(metadata, None),
        _key(None, outside),
        _key(metadata, outside),
    ]
    if request.event_id is not None and request.kind == "client":
        keys.append(("event", request.event_id))
    state.requests.add(request.seq, request, *keys)


def take_request(state: SessionState, wire: dict[str, Any]) -> ResponseRequest | None:
    """The trigger that a new response answers: they share no id, so order and metadata tell.

    Args:
        wire: the response as the server made it.
    """
    metadata = comparable(wire["metadata"] or {}) if "metadata" in wire else None
    outside = wire["conversation_id"] is None if "conversation_id" in wire else None
    seq = state.requests.first(_key(metadata, outside))
    if seq is None:
        return None
    request = state.requests.pop(seq)
    for turn in state.requests.all("vad"):
        if turn < seq:  # it got its answer unseen
            state.requests.pop(turn)
    return request


def _key(metadata: Hashable, outside: bool | None) -> Hashable:
    """The key of requests with such metadata, in a conversation or outside; None for any."""
    return "fits", metadata, outside
