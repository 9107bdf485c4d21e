"""Remove the audio that is left in the text of a frame, and leave all other characters as they are.

Called by what erases a session's audio (archive/erase_audio.py). The log cuts most audio out of
frames (frames.py). What it leaves in the text is removed here: base64 that is not canonical, audio
of a second part, and whole frames that are stored as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eventstore.realtime.catalogue import AUDIO_DELTAS
from eventstore.realtime.frames import RAW_BINARY, RAW_TEXT, parse
from eventstore.realtime.json_scanner import NAME, TEXT, json_tokens, unescape

# The number of open containers within the outermost object. One stands for the text itself.
_OUTERMOST = 2
# Below these members, people choose the names: a member `audio` there is no audio of the protocol.
_NAMED_BY_PEOPLE = frozenset({"metadata", "tools", "parameters", "variables"})


class FrameTexts(NamedTuple):
    """The text of a frame, in the columns of the log (see realtime/frames.py).

    Attributes:
        frame: The text without the audio that was cut out.
        audio_offset: The place of that audio, or `RAW_TEXT` or `RAW_BINARY`.
        raw: The whole frame if `audio_offset` is `RAW_TEXT` or `RAW_BINARY`, otherwise None.
    """

    frame: str
    audio_offset: int | None
    raw: bytes | None


def without_audio(type_: str, texts: FrameTexts) -> FrameTexts:
    """Return the columns of a frame without the audio in its text.

    A frame that is no JSON object becomes empty, since nobody can tell what in it is audio.

    Args:
        type_: The event's type in the log.
        texts: The columns of the frame.
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
    """Return a text without its audio, and the new place of an offset in it."""
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
    """Yield the start and the end, within the quotes, of each `audio` in the text of an object.

    Args:
        text: The text of the object.
        delta: True to include the object's own `delta`, which is audio in an audio delta.
    """
    # For each open container: whether it is an object, and whether people chose its names.
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
