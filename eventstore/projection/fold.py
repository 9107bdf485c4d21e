"""Fold events into a session's state, one by one. The fold never fails: it adds diagnostics.

Called for each event that is appended (store/log/insert_events.py), to load a state from the log
(store/readmodels/states/load_state.py), and by the replay server, which follows a recording's
state. The handlers of each type are in projection/handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eventstore.common import unforeseen
from eventstore.projection.growing import grow
from eventstore.projection.handlers import (
    conversation,
    playback,
    responses,
    session,
    speech,
    transcription,
)
from eventstore.projection.handlers.conversation import is_repeated_event
from eventstore.projection.live import handlers as live_handlers
from eventstore.projection.live.live_items import live_of
from eventstore.projection.live.speech import take_over
from eventstore.projection.repeats import ITEM_DELTAS
from eventstore.projection.state import LogEvent, SessionState
from eventstore.projection.state_size import OF_EVENT
from eventstore.realtime import catalogue
from eventstore.realtime.frames import SERVER, STORE, UNREADABLE
from eventstore.realtime.live_catalogue import LIVE_NO_EFFECT
from eventstore.realtime.protocols import LIVE, told_protocol
from eventstore.realtime.session_clock import correction

Handler = Callable[[SessionState, LogEvent, dict[str, Any]], None]

#: The handler of each event type, by its GA name.
HANDLERS: dict[str, Handler] = {
    **session.HANDLERS,
    **speech.HANDLERS,
    **conversation.HANDLERS,
    **transcription.HANDLERS,
    **responses.HANDLERS,
    **playback.HANDLERS,
}

#: The handler of each event type of a GPT-Live session.
LIVE_HANDLERS: dict[str, Handler] = live_handlers.HANDLERS

# How many events of a client are kept until the server proves which protocol the session speaks.
_MAX_UNDECIDED = 100


def _keep_undecided(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep a client's event that only Live sessions have, until the protocol is proved."""
    if len(state.undecided) < _MAX_UNDECIDED:
        state.undecided.append(event)
    else:
        state.count_unknown(event.type)


# What a client sends before the server proves that the session is a Live session.
_UNDECIDED: dict[str, Handler] = {
    "session.start": LIVE_HANDLERS["session.start"],
    **dict.fromkeys(
        (
            *("session.instructions.append", "session.thinking.append"),
            *("session.commentary.append", "response.item.create"),
        ),
        _keep_undecided,
    ),
}

# The handlers by GA names and by beta names, so that one look-up finds them.
_BY_TYPE: dict[str, Handler] = {
    **HANDLERS,
    **{beta: HANDLERS[ga] for beta, ga in catalogue.RENAMED.items()},
}


# Events that do not change the session's own row: deltas, which change items and responses.
_QUIET = (catalogue.DELTAS | {"response.audio_timestamp.delta"}) - {"session.output_audio.delta"}


def fold(session_id: str, events: Iterable[LogEvent]) -> SessionState:
    """Return the state of a session after all of its events.

    Args:
        session_id: The session's id.
        events: The events in the order of their seqs, from 1.
    """
    state = SessionState(session_id)
    for event in events:
        apply(state, event)
    return state


def apply(state: SessionState, event: LogEvent) -> None:
    """Change a state by one event.

    Args:
        state: The state after the events 1 to `event.seq - 1`. A rebuild may have left out
            events that have no effect.
        event: The next event.
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
    """Change a state by one event, given as the fields of `LogEvent`: `apply` for the hot path."""
    if seq == 1 or state.seq == 0:
        state.first_at = at
        state.dirty.session = True
    if state.closed:
        state.dirty.session = True  # the row of a closed session has its length, which changes
    state.seq = seq
    if at is not None and direction != STORE:
        state.last_at = at
        if type_ not in catalogue.UNTIMED:
            if state.timed_at is not None and (shift := correction(at - state.timed_at)):
                _correct_clock(state, shift)
            state.timed_at = at
    if type_ in catalogue.INPUT_AUDIO:
        state.input_bytes += audio_bytes
        return
    growing = state.growing
    if growing is not None:
        if (
            type_ == growing.type
            and direction == SERVER
            and body is not None
            and not (audio_bytes or state.closed)
            and grow(state, growing, seq, body, text)
        ):
            return
        state.growing = None
    state.folded += len(text) + OF_EVENT
    _apply_by_type(state, LogEvent(seq, at, direction, type_, body, audio_bytes, text))


def _apply_by_type(state: SessionState, event: LogEvent) -> None:
    """Call the handler of an event's type, unless the event counts for nothing."""
    type_, body = event.type, event.event
    handler = _handler_of(state, event)
    if handler is None:
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
    _handle(state, handler, event, body)


def _handle(state: SessionState, handler: Handler, event: LogEvent, body: dict[str, Any]) -> None:
    try:
        handler(state, event, body)
    except Exception as error:  # a bug in a handler must not stop an append or a rebuild
        state.fold_errors += 1
        unforeseen.count_faults(unforeseen.FOLD)
        state.diagnose(event, "fold_error", f"{event.type}: {type(error).__name__}: {error}")


def _handler_of(state: SessionState, event: LogEvent) -> Handler | None:
    """Return the handler of an event in the session's protocol, or None if there is none."""
    if state.protocol is None:
        _find_protocol(state, event)
    if event.type.startswith("eventstore.") and event.direction != STORE:
        return None
    if state.live is not None:
        return LIVE_HANDLERS.get(event.type)
    handler = _BY_TYPE.get(event.type)
    return _UNDECIDED.get(event.type) if handler is None and state.protocol is None else handler


def _find_protocol(state: SessionState, event: LogEvent) -> None:
    """Note the session's protocol if this event proves it; the first one that does counts."""
    state.protocol = told_protocol(event.direction, event.type, event.event)
    if state.protocol is None:
        return
    undecided, state.undecided = state.undecided, []
    if state.protocol == LIVE:
        live_of(state)
        state.dirty.session = state.dirty.session_billed = True
        take_over(state, event)
    for kept in undecided:
        if state.protocol == LIVE:
            _handle(state, LIVE_HANDLERS[kept.type], kept, kept.event or {})
        else:
            state.count_unknown(kept.type)
            state.dirty.session = True


def _is_made_up(state: SessionState, event: LogEvent) -> bool:
    """Return True if a client sent an event that only servers send, and add a diagnostic."""
    if not catalogue.is_made_up(event.direction, event.type):
        return False
    if event.type not in ITEM_DELTAS:
        state.dirty.session = True
        told = f"a client sent {event.type}: it counts for nothing"
        state.diagnose(event, "not_the_clients", told)
    return True


def _correct_clock(state: SessionState, shift: int) -> None:
    """Note a jump of the wall clock at the state's event, by a correction in microseconds."""
    state.clock_shift += shift
    state.jumps.append((state.seq, state.clock_shift))
    state.dirty.session = True


def _count(state: SessionState, event: LogEvent) -> None:
    """Count an event that no handler takes, if its frame is unreadable or its type unknown."""
    if event.type == UNREADABLE:
        state.dirty.session = True
        state.unreadable += 1
        state.diagnose(event, "unreadable_frame", "the frame is not a JSON object with a type")
    elif not _is_known(state, event.type):
        state.dirty.session = True
        state.count_unknown(event.type)


def _is_known(state: SessionState, type_: str) -> bool:
    """Return True if the protocol of a session has this type."""
    if state.live is None:
        return catalogue.is_realtime(type_)
    # A load of a state does not read all events of the types in UNTIMED, so that they count for
    # nothing, also those that only Realtime has.
    return type_ in LIVE_NO_EFFECT or type_ in catalogue.STORES_OWN or type_ in catalogue.UNTIMED
