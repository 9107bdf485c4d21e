"""Remove the audio that is left in the text of a frame, and leave all other characters as they are.

Called by what erases a session's audio (archive/erase_audio.py). The log cuts most audio out of
frames (frames.py). What it leaves in the text is removed here: base64 that is not canonical, audio
of a second part, audio in the events of a backend, and whole frames that are stored as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from eventstore.realtime.catalogue import AUDIO_DELTAS
from eventstore.realtime.frames import RAW_BINARY, RAW_TEXT, decode_columns, parse
from eventstore.realtime.json_scanner import NAME, TEXT, json_tokens, unescape

# Below these members, people choose the names: a member `audio` there is no audio of the protocol.
_NAMED_BY_PEOPLE = frozenset({"metadata", "tools", "parameters", "variables"})
# The Responses API and MCP have the audio of a part in its member `data`, or in that of an object
# within the part: `{"type": "input_audio", "input_audio": {"data": …}}`.
_PARTS = frozenset({"audio", "input_audio", "output_audio"})
_DATA_URL = "data:audio/"

_Span = tuple[int, int]


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


def without_audio(texts: FrameTexts) -> FrameTexts:
    """Return the columns of a frame without the audio in its text.

    A frame that is no JSON object becomes empty, since nobody can tell what in it is audio.

    Args:
        texts: The columns of the frame.
    """
    frame, offset, raw = texts
    if offset == RAW_BINARY:
        return FrameTexts(frame, offset, b"")
    if offset is not None and offset != RAW_TEXT:
        return FrameTexts(*_emptied(frame, offset), raw)
    whole = frame if offset is None else (raw or b"").decode("utf-8", "surrogatepass")
    text, _ = _emptied(whole, 0)
    return texts if text == whole else _columns(text)


def _columns(text: str) -> FrameTexts:
    """Return the columns in which the log would store a text that has lost audio.

    Without what was removed, the log may take another member of the text for the frame's audio,
    such as an `audio` of the metadata of an append. Then this goes too. Otherwise the columns would
    not be those of the text any more, which verify reports as damage.
    """
    _, frame, offset, kept, _ = decode_columns(text)
    if offset is not None and offset >= 0:
        text, _ = _removed(text, _possible_audio(text), 0)
        _, frame, offset, kept, _ = decode_columns(text)
    return FrameTexts(frame, offset, kept)


def _emptied(text: str, offset: int) -> tuple[str, int]:
    """Return a text without its audio, and the new place of an offset in it."""
    if parse(text) is None:
        return "", 0
    # The audio that was cut out is no part of the text, so a short text is searched.
    if "audio" not in text and "\\" not in text:
        return text, offset
    return _removed(text, _audio_values(text), offset)


def _removed(text: str, spans: Iterable[_Span], offset: int) -> tuple[str, int]:
    """Return a text without the spans, which are in order, and the new place of an offset."""
    pieces, place, moved = [], 0, offset
    for start, end in spans:
        pieces.append(text[place:start])
        place = end
        if end <= offset:
            moved -= end - start
    pieces.append(text[place:])
    return "".join(pieces), moved


class _Container:
    """An object or a list whose end was not read yet.

    Attributes:
        name: The name of the member that has it. A list within a list has the name of the outer.
        is_object: True for an object, False for a list.
        is_named: True if people chose the names in it.
        key: The name of the member that is read now. In a list, this is the name of the list.
        type: The text of its member `type`.
        deltas: The places of each `delta` in it that may be audio.
        data: The places of each of its own `data` that may be audio.
    """

    __slots__ = ("data", "deltas", "is_named", "is_object", "key", "name", "type")

    def __init__(self, name: str, is_object: bool, is_named: bool) -> None:
        self.name, self.is_object, self.is_named = name, is_object, is_named
        self.key, self.type = "" if is_object else name, ""
        self.deltas: list[_Span] = []
        self.data: list[_Span] = []

    def begins(self, key: str) -> None:
        """Note the name of the next member."""
        self.key = key
        if key == "type":
            self.type = ""  # Parsers take the last member of a name.

    def reads(self, raw: str, span: _Span) -> bool:
        """Note a text that was read, and return True if it is certainly audio.

        Args:
            raw: The text with its escapes.
            span: The place of the text.
        """
        if self.is_object and self.key == "type":
            self.type, _ = unescape(raw)
        elif not raw or self.is_named:
            return False
        elif self.key == "audio" or _is_data_url(raw):
            return True
        elif self.key == "delta":
            self.deltas.append(span)
        elif self.key == "data":
            self.data.append(span)
        return False


def _audio_values(text: str) -> list[_Span]:
    """Return the start and the end, within the quotes, of each audio in the text of an object.

    Audio is a text with the name `audio`, each `delta` in an audio delta, the `data` of a part that
    is audio, and an address that has the audio in itself (`data:audio/…`). The event of a backend
    is within another event, so the type of any object may say that it is an audio delta.
    """
    found: list[_Span] = []
    open_ = [_Container("", is_object=False, is_named=False)]
    for kind, start, end in json_tokens(text):
        here = open_[-1]
        if kind == NAME:
            here.begins(unescape(text[start:end])[0])
        elif kind == TEXT:
            if here.reads(text[start:end], (start, end)):
                found.append((start, end))
        elif kind in "{[":
            is_named = here.is_named or (here.is_object and here.key in _NAMED_BY_PEOPLE)
            open_.append(_Container(here.key, kind == "{", is_named))
        elif kind in "}]":
            done = open_.pop()
            (found if done.type in AUDIO_DELTAS else open_[-1].deltas).extend(done.deltas)
            if done.type in _PARTS or done.name in _PARTS:
                found += done.data
            elif not done.is_object:
                open_[-1].data += done.data
    return sorted(found)


def _is_data_url(raw: str) -> bool:
    return raw[:1] in ("d", "D", "\\") and unescape(raw[:100])[0].lower().startswith(_DATA_URL)


def _possible_audio(text: str) -> list[_Span]:
    """Return the places of all texts with a name by which the log may find the frame's audio."""
    found, key = [], ""
    for kind, start, end in json_tokens(text):
        if kind == NAME:
            key, _ = unescape(text[start:end])
        elif kind == TEXT and key in ("audio", "delta"):
            found.append((start, end))
    return found
