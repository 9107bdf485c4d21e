"""Show what only items, responses and sessions of GPT-Live have, in their `eventstore` fields.

Called by resources.py and session_resource.py.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from eventstore.projection.latency import EventTime, elapsed_ms
from eventstore.projection.live_state import Delegation, LiveItem
from eventstore.projection.state import Item, Response, SessionState
from eventstore.times import to_iso

#: How many ids of answers and responses a delegation shows, and how many moments a session.
_MOST_SHOWN = 100


def live_item_notes(state: SessionState, item: Item) -> dict[str, Any]:
    """Return what only an item of a Live session has; nothing for other items."""
    if item.live is None or state.live is None:
        return {}
    return _place(item.live) | _delegation(state, state.live.delegations.get(item.id))


def _place(live: LiveItem) -> dict[str, Any]:
    """Return where an item lies on the session's timeline, and what it is an item of."""
    notes: dict[str, Any] = {
        "kind": live.kind,
        "start_ms": live.start_ms,
        "end_ms": live.end_ms,
        "backchannel": live.backchannel,
        "context": live.context,
        "delegation_id": live.delegation_id,
    }
    # An item that begins with the timeline has 0, which is no False.
    return {
        name: value for name, value in notes.items() if value is not None and value is not False
    }


def live_audio(item: Item) -> list[dict[str, Any]]:
    """Return where the sound of what was said lies on the session's timeline."""
    live = item.live
    if live is None or live.kind != "speech" or live.start_ms is None or live.end_ms is None:
        return []
    return [
        {
            "content_index": 0,
            "side": "input" if item.wire.get("role") == "user" else "output",
            "first_seq": item.seen_seq,
            "last_seq": live.last_seq,
            "start_ms": live.start_ms,
            "end_ms": live.end_ms,
            "duration_ms": float(live.end_ms - live.start_ms),
        }
    ]


def live_response_notes(state: SessionState, response: Response) -> dict[str, Any]:
    """Return what a response is: said by the assistant, or made by a backend for a delegation."""
    live = response.live
    if live is None:
        return {}
    item = state.items.get(live.spoken or "")
    if item is None or item.live is None:
        # What a backend wrote is not what the user heard.
        return {"kind": "delegated", "delegation_id": live.delegation_id, "heard": ""}
    length = item.live.length_ms()
    return {
        "duration_ms": None if length is None else float(length),
        "time_to_first_audio_ms": None,
        "created_at": to_iso(response.seen_at),
        **_place(item.live),
        "kind": "spoken",
    }


def live_config_of(response: Response) -> dict[str, Any]:
    """Return the settings of a response in a Live session that no event tells.

    The assistant speaks each of its answers, and a backend writes each of its own.
    """
    if response.live is None:
        return {}
    return {"output_modalities": ["audio" if response.live.kind == "spoken" else "text"]}


def _delegation(state: SessionState, delegation: Delegation | None) -> dict[str, Any]:
    """Return who did the work of a delegation, how long it took, and what it was for."""
    if delegation is None:
        return {}
    began = EventTime(delegation.at, delegation.seq)
    ended = EventTime(delegation.done_at, delegation.done_seq or 0)
    took = elapsed_ms(state, began, ended) if delegation.done_seq is not None else None
    return {
        "delegation": {
            "target": delegation.target,
            "offset_ms": delegation.offset_ms,
            "asked_by": delegation.asked,
            "answers": list(islice(delegation.answers, _MOST_SHOWN)),
            "responses": list(islice(delegation.responses, _MOST_SHOWN)),
            "done_at": to_iso(delegation.done_at),
            "took_ms": took,
        }
    }


def live_session_notes(state: SessionState) -> dict[str, Any]:
    """Return what only a Live session has."""
    live = state.live
    if live is None:
        return {}
    moments = [
        {"what": one.what, "seq": one.seq, "at": to_iso(one.at)}
        for one in live.moments[-_MOST_SHOWN:]
    ]
    shown = {
        "started_at": to_iso(live.started_at),
        "muted": live.muted or None,
        "paused": live.paused or None,
        "transport": live.transport,
        "moments": moments,
        "dtmf_sent": list(live.sent_keys),
        "delegations": dict(live.targets),
        "context_usage": live.context_usage,
        "usage": state.told_usage,
    }
    return {"live": {name: value for name, value in shown.items() if value not in (None, [], {})}}
