"""Make the resource of a session from its state, whole or as lists show it.

Called for rows of read models, and by queries of one session (store/queries/query_sessions.py).
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import SessionState
from eventstore.projection.views.bounded import (
    NOTES_BYTES,
    TEXT_CHARACTERS,
    TRANSLATION_CHARACTERS,
    beginning,
    listed_configuration,
    within_bytes,
)
from eventstore.projection.views.live import live_session_notes
from eventstore.projection.views.resources import audio_span
from eventstore.projection.views.scores import score_notes
from eventstore.realtime.audio import at_rate, bytes_per_ms, output_format
from eventstore.realtime.protocols import REALTIME
from eventstore.realtime.values import column_text, non_empty
from eventstore.times import length_ms, to_iso


def session_resource(state: SessionState, listed: bool = False) -> dict[str, Any]:
    """Return a session as the server described it last, with the store's fields in `eventstore`.

    Args:
        state: The session's state.
        listed: True for lists: large fields are cut or left out, and named in `left_out`.
    """
    wire, left_out = listed_configuration(state) if listed else (state.wire, [])
    resource: dict[str, Any] = {**wire, "id": state.session_id}
    resource.setdefault("object", "realtime.session" if state.live is None else "live.session")
    notes: dict[str, Any] = {
        "session_id": state.session_id,
        "server_id": state.server_id,
        "metadata": dict(state.metadata),
        "protocol": state.protocol or REALTIME,
        "events": state.seq,
        "opened_at": to_iso(state.first_at),
        "last_at": to_iso(state.last_at),
        "duration_ms": length_ms(state.first_at, state.last_at, state.clock_shift / 1000),
        "closed": state.closed,
        "closed_at": to_iso(state.closed_at),
        "close_reason": state.close_reason,
        "conversations": _conversations(state),
        "items": state.placed,
        "responses": len(state.responses),
        "interruptions": len(state.interrupted),
        "errors": state.errors,
        "unreadable_frames": state.unreadable,
        "unknown_types": dict(state.unknown_types),
        "diagnostics": list(state.diagnostics),
        "diagnostics_count": state.diagnostics_count,
    }
    if state.unnamed_types:
        notes["events_of_other_unknown_types"] = state.unnamed_types
    if left_out:
        notes["left_out"] = left_out
    if state.notes:
        notes["opened"] = within_bytes(state.notes, NOTES_BYTES).fields if listed else state.notes
    if state.clock_shift:
        notes["clock_shift_ms"] = state.clock_shift / 1000
    seldom = {
        "redacted": state.redacted,
        "sample_rates": non_empty(state.rates._asdict()),
        "same_call": state.same_call,
        "rate_limits": state.rate_limits,
        "dtmf": list(state.dtmf),
        "dtmf_left_out": state.dtmf_left_out,
    }
    notes.update((name, value) for name, value in seldom.items() if value)
    notes |= live_session_notes(state) | score_notes(state, "session")
    if state.translation or state.translation_audio:
        notes["translation"] = _translation(state, listed)
    if listed:
        for key in ("server_id", "close_reason"):
            notes[key] = column_text(notes[key], TEXT_CHARACTERS)
    return resource | {"eventstore": notes}


def _conversations(state: SessionState) -> int:
    """Return the number of conversations, without a first one that has neither an id nor items."""
    all_ = state.conversations
    unnamed = bool(all_) and not all_[0].id and not all_[0].order
    return len(all_) - unnamed


def _translation(state: SessionState, listed: bool) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for side, deltas in state.translation.items():
        if not listed:
            shape[side] = "".join(deltas).strip()
            continue
        shape[side], is_cut = beginning(deltas, TRANSLATION_CHARACTERS)
        if is_cut:
            shape["cut"] = True
    if state.translation_audio is not None:
        format_ = at_rate(output_format(state.wire), state.rates.output)
        shape["audio"] = audio_span(state.translation_audio, bytes_per_ms(format_))
    return shape
