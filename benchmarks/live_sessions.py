"""Sessions of GPT-Live of any length: the demo call, said again and again, later each time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count, islice

from benchmarks.sessions import frames_of
from eventstore.demo import live_call_lines
from eventstore.realtime.frames import Frame

_FRESH = re.compile(r"\b(event|item|resp|msg|fc|rs|call)_Demo")
_PLACES = re.compile(r'("(?:start|end|offset)_ms":)(\d+)')
_SECONDS = re.compile(r'("seconds":)(\d+)')
_SOUND = re.compile(r'"(?:audio": |delta":)"([A-Za-z0-9+/=]{100,})"')
_OPENING, _CLOSING = 2, 2  # session.start and .started; session.close and .closed
_GAP_MS = 500


@cache
def _call() -> tuple[Frame, ...]:
    return frames_of(live_call_lines())


def live(events: int) -> list[Frame]:
    """A session of GPT-Live with so many events: nine frames in ten are audio."""
    return list(islice(_endless(), events))


def _endless() -> Iterator[Frame]:
    call = _call()
    yield from call[:_OPENING]
    body = call[_OPENING:-_CLOSING]
    lasts_ms = ((body[-1].at or 0) - (body[0].at or 0)) // 1000 + _GAP_MS
    for round_ in count():
        for frame in body:
            yield _again(frame, round_, round_ * lasts_ms)


def _again(frame: Frame, round_: int, later_ms: int) -> Frame:
    """A frame of the call as it would be later: ids, times, places and audio of its own."""
    text = str(frame.text)
    at = (frame.at or 0) + later_ms * 1000
    if sound := _SOUND.search(text[:200]) and _SOUND.search(text):
        start, end = sound.span(1)
        cut = start + 4 * (round_ % ((end - start) // 4 - 1))  # the last quantum may be padded
        stop = end - 4
        text = text[:start] + text[cut:stop] + text[start:cut] + text[stop:]
        return Frame(frame.direction, text, at)
    text = _FRESH.sub(rf"\g<1>_{round_:04d}", text)
    text = _PLACES.sub(lambda found: f"{found[1]}{int(found[2]) + later_ms}", text)
    text = _SECONDS.sub(lambda found: f"{found[1]}{int(found[2]) + later_ms // 1000}", text)
    return Frame(frame.direction, text, at)
