"""Sessions of any length, made of the demo call: its turns again and again, with fresh ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count, islice

import orjson

from eventstore.demo import call_lines
from eventstore.realtime.frames import CLIENT, Frame
from eventstore.times import parse_time

_FRESH = re.compile(r"\b(event|item|resp|call)_Demo")
_BUFFER_MS = re.compile(r'("type":"input_audio_buffer\.speech_.*"audio_(?:start|end)_ms":)(\d+)')
_OPENING = 3  # session.created, session.update, session.updated
_GAP_US = 500_000


@cache
def _call() -> tuple[Frame, ...]:
    return frames_of(call_lines())


def frames_of(lines: Iterable[str]) -> tuple[Frame, ...]:
    """The frames of a demo call."""
    parsed = map(orjson.loads, lines)
    return tuple(Frame(e["direction"], e["frame"], parse_time(e["at"])) for e in parsed)


def voice(events: int) -> list[Frame]:
    """A voice session: three frames in four are audio."""
    return list(islice(endless_voice(), events))


def text(events: int) -> list[Frame]:
    """A text session: typed turns, answered in deltas of about 250 bytes."""
    return list(islice(_endless(_text_turn), events))


def endless_voice() -> Iterator[Frame]:
    """A voice session that does not end."""
    return _endless(_voice_turns)


def _endless(turns: object) -> Iterator[Frame]:
    opening = _call()[:_OPENING]
    yield from opening
    body = turns()  # type: ignore[operator]
    start, end = opening[0].at or 0, body[-1].at or 0
    lasts = end - start + _GAP_US
    first = _first_item(body)
    last = _last_item(body)
    for round_ in count():
        mark = f"{round_:04d}"
        before = f'"item_{round_ - 1:04d}{last}"' if round_ else "null"
        for frame in body:
            yield _again(frame, round_, mark, lasts, first, before)


def _again(frame: Frame, round_: int, mark: str, lasts: int, first: str, before: str) -> Frame:
    """A frame of the call as it would be in a later round: ids, times and audio of its own."""
    direction, text_, at = frame
    shifted = (at or 0) + round_ * lasts
    if direction == CLIENT and text_.startswith('{"type": "input_audio_buffer.append"'):
        return Frame(direction, _rotated(text_, round_), shifted)
    text_ = _FRESH.sub(rf"\g<1>_{mark}", text_, count=0 if len(text_) < 8000 else 4)
    if '"client_' in text_:
        text_ = text_.replace('"client_', f'"client_{mark}_')
    if first in text_ and '"previous_item_id":null' in text_:
        text_ = text_.replace('"previous_item_id":null', f'"previous_item_id":{before}')
    if text_.startswith('{"type":"input_audio_buffer.speech_'):
        text_ = _BUFFER_MS.sub(lambda m: f"{m[1]}{int(m[2]) + round_ * lasts // 1000}", text_)
    return Frame(direction, text_, shifted)


def _rotated(text_: str, round_: int) -> str:
    """Other audio of the same length and loudness: the same bytes from another place on."""
    start = text_.index('"audio": "') + 10
    end = text_.index('"', start)
    whole = (end - start) // 4 - 1  # the last quantum may be padded
    cut = start + 4 * (round_ % whole)
    stop = start + 4 * whole
    return text_[:start] + text_[cut:stop] + text_[start:cut] + text_[stop:]


def _voice_turns() -> tuple[Frame, ...]:
    return _call()[_OPENING:]


def _text_turn() -> tuple[Frame, ...]:
    """The call's one text answer, behind a typed question, as part of the conversation."""
    call = _call()
    asked = next(i for i, f in enumerate(call) if '"client_summary_1"' in f.text)
    answer = [f for f in call[asked:] if "input_audio" not in f.text[:40]]
    conversation = re.search(r"conv_Demo\w+", "".join(f.text for f in call if len(f.text) < 2000))
    if conversation is None:
        raise ValueError("no conversation in the call")
    known = f'"conversation_id":"{conversation[0]}"'
    at = call[asked].at or 0
    turn = [
        Frame("client", f'{{"type": "conversation.item.create", "item": {_QUESTION}}}', at - 5000),
        _item_event("added", _QUESTION, "null", at - 4000),
        _item_event("done", _QUESTION, "null", at - 4000),
    ]
    for direction, text_, at in answer:
        text_ = text_.replace('"conversation": "none", ', "")
        text_ = text_.replace('"conversation_id":null', known)
        turn.append(Frame(direction, text_, at))
        if text_.startswith('{"type":"response.output_item.'):
            item = text_[text_.index('"item":') + 7 : -1]
            what = "added" if "added" in text_[:40] else "done"
            turn.append(_item_event(what, item, '"item_DemoQuestion"', at))
    return tuple(turn)


_QUESTION = (
    '{"id":"item_DemoQuestion","type":"message","status":"completed","role":"user",'
    '"content":[{"type":"input_text","text":"What is open about my order 4417?"}]}'
)


def _item_event(what: str, item: str, previous: str, at: int | None) -> Frame:
    id_ = f"event_Demo{what}{'Q' if item is _QUESTION else 'A'}"
    return Frame(
        "server",
        f'{{"type":"conversation.item.{what}","event_id":"{id_}",'
        f'"previous_item_id":{previous},"item":{item}}}',
        at,
    )


def _first_item(body: tuple[Frame, ...]) -> str:
    """The id, without its mark, of the item that follows the round before."""
    for frame in body:
        if "item.added" in frame.text[:40]:
            return orjson.loads(frame.text)["item"]["id"].removeprefix("item_Demo")
    raise ValueError("no item in the call")


def _last_item(body: tuple[Frame, ...]) -> str:
    """The id, without its mark, of the last item of a round's conversation."""
    for frame in reversed(body):
        if "item.added" in frame.text[:40]:
            return orjson.loads(frame.text)["item"]["id"].removeprefix("item_Demo")
    raise ValueError("no item in the call")
