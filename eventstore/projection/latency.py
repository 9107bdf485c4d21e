"""How long a response took, by the clock of its session."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventstore.realtime.session_clock import DISORDER_US

if TYPE_CHECKING:
    from eventstore.projection.state import Response, SessionState


class EventTime(NamedTuple):
    """When something happened: the arrival of an event, None where unknown, and its seq."""

    at: int | None
    seq: int


class ResponseTimes(NamedTuple):
    """When what belongs to a response happened."""

    asked: EventTime
    created: EventTime
    first_text: EventTime
    first_audio: EventTime
    done: EventTime
    speech_ended: EventTime


def response_times(response: Response) -> ResponseTimes:
    """Return when what belongs to a response happened."""
    request, created = response.request, EventTime(response.created_at, response.created_seq)
    return ResponseTimes(
        EventTime(request.at, request.seq) if request is not None else created,
        created,
        EventTime(response.first_text_at, response.first_text_seq),
        EventTime(response.first_audio_at, response.first_audio_seq or 0),
        EventTime(response.done_at, response.done_seq or 0),
        EventTime(response.speech_ended_at, response.speech_ended_seq),
    )


def elapsed_ms(state: SessionState, start: EventTime, end: EventTime) -> float | None:
    """Return the milliseconds between two moments.

    Returns:
        None where either is unknown, or where the clock jumped between them: what passed
        meanwhile is not known. Never less than 0: events may be out of order by a little.
    """
    if start.at is None or end.at is None or is_jump_between(state, start, end):
        return None
    if end.at - start.at < -DISORDER_US:
        return None
    return max(0, end.at - start.at) / 1000


def answer_us(state: SessionState, response: Response) -> int | None:
    """Return how long a response was waited for, in microseconds; None where that is not known.

    From the end of the user's speech to its first sound, else from its creation to its first sound
    or text. `store.latency.ANSWER_US` says the same in SQL, of the columns of a response's row.
    """
    created_at, speech_ended_at = answered_from(state, response)
    audio_at, text_at = response.first_audio_at, response.first_text_at
    start, end = speech_ended_at, audio_at
    if start is None or end is None:
        start, end = created_at, text_at if audio_at is None else audio_at
    if start is None or end is None or end - start < -DISORDER_US:
        return None
    return max(0, end - start)


def answered_from(state: SessionState, response: Response) -> tuple[int | None, int | None]:
    """Return when a response was created, and when speech ended before it, to measure from.

    Each is None if the clock jumped before the first sound or text: nobody knows what passed.
    """
    if not state.jumps:  # nearly always
        return response.created_at, response.speech_ended_at
    moments = response_times(response)
    first = moments.first_audio if response.first_audio_at is not None else moments.first_text
    created_at, speech_ended_at = (
        None if first.at is not None and is_jump_between(state, start, first) else start.at
        for start in (moments.created, moments.speech_ended)
    )
    return created_at, speech_ended_at


def is_jump_between(state: SessionState, start: EventTime, end: EventTime) -> bool:
    """Return True if the clock jumped between two moments, so that they cannot be compared."""
    if not state.jumps:  # nearly always
        return False
    return state.shift_at(start.seq) != state.shift_at(end.seq)
