"""Compute the usage of sessions that are billed as a whole, and say which usage is counted.

Translations are billed by their length, and a server may tell usage of a whole session. This usage
stands beside that of responses and transcriptions. It is unknown until the session ends or the
server tells it. Called by the handlers of session events, and by what writes rows of usage.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import BilledUsage, LogEvent, Response, SessionState
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import mapping, number, text

#: The kinds of usage of a session as a whole, which are the ids of that usage as well.
SESSION, PAUSED = "session", "paused"


def billed_session(state: SessionState) -> list[BilledUsage]:
    """Return the usage of a session as a whole; nothing if only its responses are billed.

    Time in which a Live session was paused has a price of its own. It is the usage of a model
    named, for example, `gpt-live-1 (paused)`, for which users can tell a price.

    It is computed from the whole state, not by handlers: in a rebuild, the time at which the
    session began may be known last.
    """
    if not state.told_usage and not _is_translation(state) and state.live is None:
        return []
    # Only a Live session's server knows how long of it is billed.
    usage = state.told_usage or (_measured(state) if state.live is None else None)
    model = text(state.wire.get("model"))
    seconds = number((usage or {}).get("seconds"))
    paused = _paused_seconds(usage or {}, seconds) if state.live is not None else 0.0
    if usage is None or not paused:
        return [BilledUsage(0, state.first_at, None, 0, model, usage, SESSION)]
    active = {**usage, "seconds": seconds if seconds is None else seconds - paused}
    apart = f"{model} (paused)" if model is not None else None
    return [
        BilledUsage(0, state.first_at, None, 0, model, active, SESSION),
        BilledUsage(0, state.first_at, None, 0, apart, {"seconds": paused}, PAUSED),
    ]


def _paused_seconds(usage: dict[str, Any], seconds: float | None) -> float:
    """Return how many of a session's seconds it was paused: no more than it lasted."""
    paused = max(0.0, number(usage.get("paused_seconds")) or 0.0)
    return paused if seconds is None else min(paused, max(0.0, seconds))


def note_configuration(state: SessionState) -> None:
    """Note a new configuration, which may change the billed model or make it a translation."""
    state.translates |= state.wire.get("type") == "translation"
    is_billed = bool(state.told_usage) or _is_translation(state) or state.live is not None
    state.dirty.session_billed |= is_billed


def note_usage(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the usage of the whole session until now that the server tells; the last one counts."""
    if event.direction != SERVER:  # a client must not set its own bill
        return
    told = mapping(body.get("usage")) or mapping(mapping(body.get("session")).get("usage"))
    if told and told != state.told_usage:
        before = {one.kind for one in billed_session(state)}
        state.told_usage = told
        state.dirty.session_billed = True
        if before.difference(one.kind for one in billed_session(state)):
            state.dirty.usage = True  # A row of usage has to go: the server took back a pause.


def note_end(state: SessionState) -> None:
    """Note the time at which a session ended. Later notes of an end do not change it."""
    if state.ended_at is None and state.closed_at is not None:
        state.ended_at = state.closed_at + state.clock_shift
        note_configuration(state)


def _is_translation(state: SessionState) -> bool:
    said = bool(state.translation) or state.translation_audio is not None
    return said or state.translates


def _measured(state: SessionState) -> dict[str, Any] | None:
    """Return the length of an ended session as a usage object, or None if it is unknown."""
    if state.first_at is None or state.ended_at is None:
        return None
    return {"type": "duration", "seconds": max(0, state.ended_at - state.first_at) / 1_000_000}


def usage_of_response(response: Response) -> dict[str, Any] | None:
    """Return the usage of a response, or None if the server told none.

    What the assistant of a Live session says is billed with the session: its own usage is nothing.
    """
    return {"seconds": 0} if _is_spoken(response) else response.usage


def _is_spoken(response: Response) -> bool:
    return response.live is not None and response.live.spoken is not None


def usage_id_of_response(response: Response) -> str:
    """Return the id that a response's usage has in its session."""
    return f"response/{response.id}"


def usage_id_of_item(billed: BilledUsage) -> str:
    """Return the id that the usage of a transcription, or a decision, has in its session."""
    return f"{billed.kind}/{billed.name or billed.item_id}/{billed.content_index}"


def usage_ids(state: SessionState) -> set[str]:
    """Return the ids of all usage in a session, including usage that another recording counts.

    What the assistant of a Live session says has other ids in each recording, and no usage of its
    own: it is left out.
    """
    responses = state.responses.values()
    done = (r for r in responses if r.done_seq is not None and not _is_spoken(r))
    ids = {usage_id_of_response(response) for response in done}
    ids.update(map(usage_id_of_item, state.billed.values()))
    return ids.union(one.kind for one in billed_session(state))


def is_counted(state: SessionState, usage_id: str) -> bool:
    """Return True if usage is counted in this session, and not in another recording of the call."""
    return state.same_call is None or usage_id in state.only_here
