"""`apply` one event to a session's state. A fold never fails: at most it adds a diagnostic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eventstore.common import unforeseen
from eventstore.projection.handlers import (
    conversation,
    playback,
    responses,
    session,
    speech,
    transcription,
)
from eventstore.projection.handlers.conversation import is_repeated_event
from eventstore.projection.repeats import ITEM_DELTAS
from eventstore.projection.state import LogEvent, SessionState
from eventstore.realtime import catalogue
from eventstore.realtime.frames import STORE, UNREADABLE
from eventstore.realtime.session_clock import correction

Handler = Callable[[SessionState, LogEvent, dict[str, Any]], None]

#: What happens at each type, by its GA name.
HANDLERS: dict[str, Handler] = {
    **session.HANDLERS,
    **speech.HANDLERS,
    **conversation.HANDLERS,
    **transcription.HANDLERS,
    **responses.HANDLERS,
    **playback.HANDLERS,
}

# Both names of each type, so that the hot loop looks up once.
_BY_TYPE: dict[str, Handler] = {
    **HANDLERS,
    **{beta: HANDLERS[ga] for beta, ga in catalogue.RENAMED.items()},
}


# Deltas grow items and responses, and leave the session's own row as it is.
_QUIET = (catalogue.DELTAS | {"response.audio_timestamp.delta"}) - {"session.output_audio.delta"}


def fold(session_id: str, events: Iterable[LogEvent]) -> SessionState:
    """The state after all of a session's events."""
    state = SessionState(session_id)
    for event in events:
        apply(state, event)
    return state


def apply(state: SessionState, event: LogEvent) -> None:
    """Fold one event into the state, in place.

    Args:
        state: the state after events 1 to `event.seq - 1` (a rebuild leaves out those without
            effect).
        event: the next event.
    """
    apply_fields(state, *event)


def apply_fields(
    state: SessionState,
    seq: int,
    at: int | None,
    direction: str,
    type_: str,
    body: dict[str, Any] | None,
    audio_bytes: int,
    text: str = "",
) -> None:
    """`apply` for the hot path: the event's fields, in the order of `LogEvent`."""
    if seq == 1 or state.seq == 0:
        state.first_at = at
        state.dirty.session = True
    if state.closed:
        state.dirty.session = True  # its length is noted, and changes
    state.seq = seq
    if at is not None and direction != STORE:
        state.last_at = at
        if type_ not in catalogue.UNTIMED:
            if state.timed_at is not None:
                _correct_clock(state, at - state.timed_at)
            state.timed_at = at
    if type_ in catalogue.INPUT_AUDIO:
        state.input_bytes += audio_bytes
        return
    event = LogEvent(seq, at, direction, type_, body, audio_bytes, text)
    handler = _BY_TYPE.get(type_)
    if handler is None or (type_.startswith("eventstore.") and direction != STORE):
        _count(state, event)
        return
    if body is None:
        return
    if _is_made_up(state, event) or (
        type_ not in ITEM_DELTAS and is_repeated_event(state, event, body)
    ):
        return
    if type_ not in _QUIET:
        state.dirty.session = True
    try:
        handler(state, event, body)
    except Exception as error:  # the log is truth: a fold that meets the unforeseen goes on
        state.fold_errors += 1
        unforeseen.count_faults(unforeseen.FOLD)
        state.diagnose(event, "fold_error", f"{type_}: {type(error).__name__}: {error}")


def _is_made_up(state: SessionState, event: LogEvent) -> bool:
    """Return True if a client says what only servers say, and note that."""
    if not catalogue.is_made_up(event.direction, event.type):
        return False
    if event.type not in ITEM_DELTAS:
        state.dirty.session = True
        told = f"a client sent {event.type}: it counts for nothing"
        state.diagnose(event, "not_the_clients", told)
    return True


def _correct_clock(state: SessionState, step: int) -> None:
    """Note a step of the wall clock that no call can take."""
    shift = correction(step)
    if shift:
        state.clock_shift += shift
        state.jumps.append((state.seq, state.clock_shift))
        state.dirty.session = True


def _count(state: SessionState, event: LogEvent) -> None:
    if event.type == UNREADABLE:
        state.dirty.session = True
        state.unreadable += 1
        state.diagnose(event, "unreadable_frame", "the frame is not a JSON object with a type")
    elif not catalogue.is_known(event.type):
        state.dirty.session = True
        state.count_unknown(event.type)
