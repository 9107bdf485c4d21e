"""Make the data that the player on a call's page draws: loudness, turns, words and marks in time.

Called by `EventStore.waveform` and the HTTP API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eventstore.errors import NotFoundError
from eventstore.exports.live_words import time_of
from eventstore.exports.transcript import seconds_since_start, spoken_words, transcript_turns
from eventstore.exports.word_times import estimated_word_times, server_word_times
from eventstore.realtime.values import mapping, text
from eventstore.replay.player.session_cues import session_cues
from eventstore.sound.call_audio import sound_reader, timeline_notes
from eventstore.sound.peaks import peaks
from eventstore.sound.selection import select
from eventstore.sound.timeline.layout import SIDES, Timeline, TimelineTurn
from eventstore.sound.timeline.timeline import build_timeline
from eventstore.store.queries.masked_state import masked_state
from eventstore.store.sessions.log import Log

Json = dict[str, Any]
#: Some words, and where they begin and end in their audio, in milliseconds.
TimedWords = tuple[str, float, float]
T = TypeVar("T")
#: Called again and again while a waveform is made. If it raises, the work ends.
Check = Callable[[], None]

#: How many values a second each side has, and how many in all at most.
_PER_SECOND, _MOST = 50, 60_000
_LOUDEST = 100
_MARKS = ("tool_call", "tool_result", "delegation", "error", "response_ended")
_MARK_TEXT = 200
# How many events are read between two calls of `check`.
_CHECK_EACH = 100


def waveform(log: Log, session_id: str, check: Check = lambda: None) -> Json:
    """Return the waveform of a session. Secrets are masked.

    Args:
        log: The store.
        session_id: The session.
        check: Called again and again. If it raises, the work ends with that exception.

    Returns:
        An object with:
        `start`, `end`: in seconds since the session's first event, as all times here, also for a
        GPT-Live session.
        `user`, `assistant`: the loudness, 0 to 100, `per_second` values a second from `start` on;
        empty if the log has no sound.
        `turns`: with `words`, each with the second at which it begins. The times are the server's
        if `words_from` is `server`, otherwise estimated.
        `marks`: tool calls, delegations, errors and other events with a time.

    Raises:
        NotFoundError: There is no such session.
    """
    shown = masked_state(log, session_id)
    timeline = build_timeline(_checked(log.events(session_id), check))
    loudness, start, end = _loudness(log, session_id, timeline, check)
    per_second = len(loudness[0]) / (end - start) if end > start and len(loudness[0]) else 1.0
    marks = list(_marks(log, session_id, shown, check))
    said = {
        turn.item_id: spoken_words(turn)
        for turn in transcript_turns(shown, ())
        if turn.item_id is not None
    }
    timed = _timed_words(shown)
    told = _turns_with_words(timeline, said, timed, loudness, start, per_second, check)
    duration = shown["session"]["eventstore"]["duration_ms"] or 0
    if timeline.zero:
        told = [_shifted(turn, timeline.zero) for turn in told]
    start, end = start + timeline.zero, end + timeline.zero
    return {
        "object": "eventstore.waveform",
        "session_id": session_id,
        "start": start,
        "end": max([end, duration / 1000, *(turn["end"] for turn in told)]),
        "timed": timeline.timed,
        "per_second": per_second,
        **{side: _percent(values) for side, values in zip(SIDES, loudness, strict=True)},
        "turns": told,
        "marks": marks,
        "notes": timeline_notes(timeline),
    }


def _checked(entries: Iterable[T], check: Check) -> Iterator[T]:
    for number, entry in enumerate(entries):
        if number % _CHECK_EACH == 0:
            check()
        yield entry


def _loudness(
    log: Log, session_id: str, timeline: Timeline, check: Check
) -> tuple[list[NDArray[np.float32]], float, float]:
    """Return the loudness of both sides, and its start and end in seconds."""
    try:
        chosen = select(timeline)
    except NotFoundError:
        nothing = np.zeros(0, np.float32)
        return [nothing, nothing], 0.0, 0.0
    columns = min(_MOST, max(1, round((chosen.end - chosen.start) * _PER_SECOND)))
    found = peaks(chosen, columns, sound_reader(log, session_id), check)
    return list(np.abs(found).max(axis=2)), chosen.start, chosen.end


def _percent(values: NDArray[np.float32]) -> list[int]:
    loud: list[int] = np.rint(np.clip(values, 0, 1) * _LOUDEST).astype(int).tolist()
    return loud


def _turns_with_words(
    timeline: Timeline,
    said: dict[str, str],
    timed: dict[str, list[TimedWords]],
    loudness: list[NDArray[np.float32]],
    start: float,
    per_second: float,
    check: Check,
) -> list[Json]:
    """Return the turns in order of time. The words of an item are in the first of its turns."""
    of_item: dict[str, list[TimelineTurn]] = {}
    for turn in timeline.turns:
        if turn.item_id is not None:
            of_item.setdefault(turn.item_id, []).append(turn)
    found = []
    for turn in timeline.turns:
        check()
        words: list[list[Any]] = []
        of_server = timed.get(turn.item_id or "", [])
        own = of_item.get(turn.item_id or "", [])
        if own and own[0] is turn:
            spans = [(one.start - start, one.end - start) for one in own]
            spoken = said.get(turn.item_id or "", "").split()
            if of_server:
                times = server_word_times(spoken, spans, of_server)
            else:
                side = loudness[SIDES.index(turn.side)]
                # Without known sound, the number of values a second is only a resolution.
                pace = per_second if len(side) else float(_PER_SECOND)
                times = estimated_word_times(spoken, spans, side, pace)
            words = [[round(at + start, 3), w] for at, w in zip(times, spoken, strict=False)]
        source = "server" if of_server else "estimate"
        found.append({**turn._asdict(), "words": words, "words_from": source})
    return found


def _shifted(turn: Json, zero: float) -> Json:
    """Return a turn of a GPT-Live session in seconds since the session's first event.

    Args:
        turn: The turn, in seconds of the session's timeline.
        zero: Where the timeline begins, in seconds since the session's first event.
    """
    words = [[round(at + zero, 3), word] for at, word in turn["words"]]
    return {**turn, "start": turn["start"] + zero, "end": turn["end"] + zero, "words": words}


def _timed_words(shown: Json) -> dict[str, list[TimedWords]]:
    """Return the times of words that the server stated, by item id, on the item's own audio."""
    found: dict[str, list[TimedWords]] = {}
    for conversation in shown["conversations"]:
        for item in conversation["items"]:
            notes = item["eventstore"]
            # The words of a GPT-Live session are on the session's timeline, as their item is.
            begin = notes.get("start_ms") or 0 if notes.get("kind") == "speech" else 0
            for one in map(mapping, notes.get("timed_words", ())):
                start, stop = one["start_ms"] - begin, one["end_ms"] - begin
                words = text(one.get("text")) or "", start, stop
                found.setdefault(str(item.get("id")), []).append(words)
    return found


def _marks(log: Log, session_id: str, shown: Json, check: Check) -> Iterator[Json]:
    """Yield marks for tool calls and delegations (until their result), and errors with a time."""
    cues = [cue for cue in _checked(session_cues(log, session_id), check) if cue.kind in _MARKS]
    items = [item for conversation in shown["conversations"] for item in conversation["items"]]
    calls = {text(item.get("id")): text(item.get("call_id")) for item in items}
    results = _ends_of_work(items)
    results |= {calls.get(cue.id): cue.at for cue in cues if cue.kind == "tool_result"}
    for cue in cues:
        at = seconds_since_start(shown, cue.at)
        if at is None or cue.kind == "tool_result":
            continue
        work = cue.id if cue.kind == "delegation" else calls.get(cue.id)
        label = cue.text[:_MARK_TEXT]
        until = seconds_since_start(shown, results.get(work) if work is not None else None)
        yield {"kind": cue.kind, "seq": cue.seq, "at": at, "until": until, "text": label}


def _ends_of_work(items: Iterable[Json]) -> dict[str | None, int | None]:
    """Return when work in a GPT-Live session ended, in microseconds since 1970 UTC.

    Returns:
        The time of each delegation by its id, and of each tool's output by the id of its call: an
        app gives an output to a backend without an id of its own.
    """
    ends: dict[str | None, int | None] = {}
    for item in items:
        notes = mapping(item.get("eventstore"))
        if item.get("type") == "function_call_output" and notes.get("kind") == "backend":
            ends[text(item.get("call_id"))] = time_of(notes.get("at"))
        elif done_at := mapping(notes.get("delegation")).get("done_at"):
            ends[text(item.get("id"))] = time_of(done_at)
    return ends
