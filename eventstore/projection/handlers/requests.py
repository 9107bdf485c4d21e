"""Match new responses with the requests that they answer.

A request is a client's `response.create`, or the end of the user's turn, after which the server
responds by itself. Called by the handlers of speech and of responses.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from eventstore.projection.pending import comparable
from eventstore.projection.state import ResponseRequest, SessionState


def add_request(state: SessionState, request: ResponseRequest) -> None:
    """Add a request to those that wait for a response."""
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
    """Remove and return the request that a new response answers, or None if none matches.

    A response has no id of its request. The oldest request is taken whose metadata, and whose being
    inside or outside of the conversation, are those of the response.

    Args:
        state: The session's state.
        wire: The response as the server made it.
    """
    metadata = comparable(wire["metadata"] or {}) if "metadata" in wire else None
    outside = wire["conversation_id"] is None if "conversation_id" in wire else None
    seq = state.requests.first(_key(metadata, outside))
    if seq is None:
        return None
    request = state.requests.pop(seq)
    for turn in state.requests.all("vad"):
        if turn < seq:  # an older turn was answered by a response that was not recorded
            state.requests.pop(turn)
    return request


def _key(metadata: Hashable, outside: bool | None) -> Hashable:
    """Return the key of requests with this metadata, inside or outside; None stands for any."""
    return "fits", metadata, outside
