"""Measure how long a response took, by its session's clock, which never jumps.

Called by the resource of a response, by figures, by rows of read models and by spans of
OpenTelemetry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventstore.realtime.session_clock import DISORDER_US

if TYPE_CHECKING:
    from eventstore.projection.state import Response, SessionState


class EventTime(NamedTuple):
    """The arrival of an event, in microseconds since 1970 UTC or None, and the event's seq."""

    at: int | None
    seq: int


class ResponseTimes(NamedTuple):
    """The times of the events of one response.

    Attributes:
        asked: The request for the response, or its creation if there was no request.
        speech_ended: The end of the user's speech before the response.
    """

    asked: EventTime
    created: EventTime
    first_text: EventTime
    first_audio: EventTime
    done: EventTime
    speech_ended: EventTime


def response_times(response: Response) -> ResponseTimes:
    """Return the times of the events of a response."""
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
    """Return the milliseconds between two events.

    Returns:
        The milliseconds, at least 0, since recorders may swap events that arrive together. None
        if a time is unknown, or if the clock jumped between the events.
    """
    if start.at is None or end.at is None or is_jump_between(state, start, end):
        return None
    if end.at - start.at < -DISORDER_US:
        return None
    return max(0, end.at - start.at) / 1000


def answer_us(state: SessionState, response: Response) -> int | None:
    """Return how long the user waited for a response in microseconds, or None if unknown.

    The wait is from the end of the user's speech to the first audio. If one of these is unknown,
    it is from the response's creation to its first audio or text. `ANSWER_US` of
    store/usage/latency_buckets.py is the same rule in SQL.
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
    """Return the times from which to measure a response: its creation, and the end of speech.

    A time is None if the clock jumped between it and the first audio or text.
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
    """Return True if the clock jumped between two events, so that their times do not compare."""
    if not state.jumps:  # nearly always
        return False
    return state.shift_at(start.seq) != state.shift_at(end.seq)
