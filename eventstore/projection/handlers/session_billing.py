"""Compute the usage of sessions that are billed as a whole, and say which usage is counted.

Translations are billed by their length, and a server may tell usage of a whole session. This usage
stands beside that of responses and transcriptions. It is unknown until the session ends or the
server tells it. Called by the handlers of session events, and by what writes rows of usage.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import BilledUsage, LogEvent, Response, SessionState
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import mapping, text


def billed_session(state: SessionState) -> BilledUsage | None:
    """Return the usage of a session as a whole, or None if only its responses are billed.

    It is computed from the whole state, not by handlers: in a rebuild, the time at which the
    session began may be known last.
    """
    if not state.told_usage and not _is_translation(state):
        return None
    usage = state.told_usage or _measured(state)
    return BilledUsage(0, state.first_at, None, 0, text(state.wire.get("model")), usage)


def note_configuration(state: SessionState) -> None:
    """Note a new configuration, which may change the billed model or make it a translation."""
    state.translates |= state.wire.get("type") == "translation"
    state.dirty.session_billed |= bool(state.told_usage) or _is_translation(state)


def note_usage(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the usage of the whole session until now that the server tells; the last one counts."""
    if event.direction != SERVER:  # a client must not set its own bill
        return
    told = mapping(body.get("usage")) or mapping(mapping(body.get("session")).get("usage"))
    if told and told != state.told_usage:
        state.told_usage = told
        state.dirty.session_billed = True


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


def usage_id_of_response(response: Response) -> str:
    """Return the id that a response's usage has in its session."""
    return f"response/{response.id}"


def usage_id_of_transcription(billed: BilledUsage) -> str:
    """Return the id that a transcription's usage has in its session."""
    return f"transcription/{billed.item_id}/{billed.content_index}"


#: The id of the usage of a session as a whole.
USAGE_OF_SESSION = "session"


def usage_ids(state: SessionState) -> set[str]:
    """Return the ids of all usage in a session, including usage that another recording counts."""
    done = (r for r in state.responses.values() if r.done_seq is not None)
    ids = {usage_id_of_response(response) for response in done}
    ids.update(map(usage_id_of_transcription, state.billed.values()))
    return ids if billed_session(state) is None else ids | {USAGE_OF_SESSION}


def is_counted(state: SessionState, usage_id: str) -> bool:
    """Return True if usage is counted in this session, and not in another recording of the call."""
    return state.same_call is None or usage_id in state.only_here
