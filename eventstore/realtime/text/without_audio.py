"""Frames without their audio: its text goes, and all else stays as it was, character for character.

What is cut out of a frame is the log's own business (frames.py); here goes what is left in texts:
audio in base64 that is not canonical, a second part's, and whole frames that are no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eventstore.realtime.catalogue import AUDIO_DELTAS
from eventstore.realtime.frames import RAW_BINARY, RAW_TEXT, parse
from eventstore.realtime.json_scanner import NAME, TEXT, json_tokens, unescape

# How many containers are open within the outermost object, with what is around it.
_OUTERMOST = 2
# What has an entry of this name holds what people named, not sound.
_NAMED_BY_PEOPLE = frozenset({"metadata", "tools", "parameters", "variables"})


class FrameTexts(NamedTuple):
    """A frame's columns, as the log keeps them, with those bytes of audio that are its text.

    Attributes:
        frame: its text, without what was cut out.
        audio_offset: where that was cut out, or what `raw` is: see realtime/frames.py.
        raw: the whole frame, where `audio_offset` says so; else None.
    """

    frame: str
    audio_offset: int | None
    raw: bytes | None


def without_audio(type_: str, texts: FrameTexts) -> FrameTexts:
    """The same frame without the audio that stands in its texts.

    A frame that is no JSON object is emptied: nobody can tell what in it is audio.

    Args:
        type_: the event's, as the log has it.
    """
    frame, offset, raw = texts
    if offset == RAW_BINARY:
        return FrameTexts(frame, offset, b"")
    if offset == RAW_TEXT:
        text, _ = _emptied(type_, (raw or b"").decode("utf-8", "surrogatepass"), 0)
        return FrameTexts(frame, offset, text.encode("utf-8", "surrogatepass"))
    text, place = _emptied(type_, frame, offset or 0)
    return FrameTexts(text, None if offset is None else place, raw)


def _emptied(type_: str, text: str, offset: int) -> tuple[str, int]:
    """A text without audio, and where an offset in it is now."""
    if parse(text) is None:
        return "", 0
    if not ('"audio"' in text or type_ in AUDIO_DELTAS or "\\" in text):
        return text, offset
    pieces, place, moved = [], 0, offset
    for start, end in _audio_values(text, type_ in AUDIO_DELTAS):
        pieces.append(text[place:start])
        place = end
        if end <= offset:
            moved -= end - start
    pieces.append(text[place:])
    return "".join(pieces), moved


def _audio_values(text: str, delta: bool) -> Iterator[tuple[int, int]]:
    """Where the values of `audio` begin and end, within their quotes, in the text of an object.

    Args:
        delta: with that of the object's own `delta`.
    """
    # For each container that is open: whether it is an object, and below what people named.
    open_ = [(False, False)]
    key = ""
    for kind, start, end in json_tokens(text):
        in_object, named = open_[-1]
        if kind == NAME:
            key, _ = unescape(text[start:end])
        elif kind == TEXT:
            own_delta = delta and key == "delta" and len(open_) == _OUTERMOST
            if in_object and not named and start < end and (key == "audio" or own_delta):
                yield start, end
        elif kind in "{[":
            open_.append((kind == "{", named or (in_object and key in _NAMED_BY_PEOPLE)))
        elif kind in "}]":
            open_.pop()
