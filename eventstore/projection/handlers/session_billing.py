"""Sessions that are billed as such, by their length: translations, and those that say so.

Their usage is one billed thing beside responses and transcriptions. Until the session is over, or
its server says how long it took, what it costs is not known.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import BilledUsage, LogEvent, Response, SessionState
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import mapping, text


def billed_session(state: SessionState) -> BilledUsage | None:
    """Return what is billed of a session as such; None for one that its responses pay for.

    It is made of the whole state, since a rebuild learns last when the session began.
    """
    if not state.told_usage and not _is_translation(state):
        return None
    usage = state.told_usage or _measured(state)
    return BilledUsage(0, state.first_at, None, 0, text(state.wire.get("model")), usage)


def note_configuration(state: SessionState) -> None:
    """Note that another model may be billed, or that the session turns out to be a translation."""
    state.translates |= state.wire.get("type") == "translation"
    state.dirty.session_billed |= bool(state.told_usage) or _is_translation(state)


def note_usage(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Take over the usage that the server tells of the session so far: the last one counts."""
    if event.direction != SERVER:  # a client cannot say what it has to pay
        return
    told = mapping(body.get("usage")) or mapping(mapping(body.get("session")).get("usage"))
    if told and told != state.told_usage:
        state.told_usage = told
        state.dirty.session_billed = True


def note_end(state: SessionState) -> None:
    """Note when a session was over first: what is noted later makes it no longer."""
    if state.ended_at is None and state.closed_at is not None:
        state.ended_at = state.closed_at + state.clock_shift
        note_configuration(state)


def _is_translation(state: SessionState) -> bool:
    said = bool(state.translation) or state.translation_audio is not None
    return said or state.translates


def _measured(state: SessionState) -> dict[str, Any] | None:
    """Return the length of a session that is over as usage; None where its times are unknown."""
    if state.first_at is None or state.ended_at is None:
        return None
    return {"type": "duration", "seconds": max(0, state.ended_at - state.first_at) / 1_000_000}


def usage_id_of_response(response: Response) -> str:
    """The id of a response's usage within its session."""
    return f"response/{response.id}"


def usage_id_of_transcription(billed: BilledUsage) -> str:
    """The id of a transcription's usage within its session."""
    return f"transcription/{billed.item_id}/{billed.content_index}"


#: The id of the usage of a session that is billed as such.
USAGE_OF_SESSION = "session"


def usage_ids(state: SessionState) -> set[str]:
    """The ids of all usage that a session's log tells of, wherever it is counted."""
    done = (r for r in state.responses.values() if r.done_seq is not None)
    ids = {usage_id_of_response(response) for response in done}
    ids.update(map(usage_id_of_transcription, state.billed.values()))
    return ids if billed_session(state) is None else ids | {USAGE_OF_SESSION}


def is_counted(state: SessionState, usage_id: str) -> bool:
    """Return True if usage is counted in this session, not in another recording of the call."""
    return state.same_call is None or usage_id in state.only_here
